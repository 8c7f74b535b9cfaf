"""Recognize that memory or Python's stack ran out."""

from __future__ import annotations

from layerlens.errors import LayerlensError, MemoryLimitError, Where

#: The name of TensorFlow's error; importing its class would import TensorFlow.
_OUT_OF_MEMORY = "ResourceExhaustedError"
_SMALLER = (
    "close other programs, make the models or inputs smaller, or use `layerlens summary`, which "
    "runs nothing"
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one of its causes, says that memory ran out."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, MemoryError) or type(error).__name__ == _OUT_OF_MEMORY:
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def raise_if_out_of_memory(error: BaseException, doing: str, where: Where | None = None) -> None:
    """Raise MemoryLimitError where an error of Keras or TensorFlow says that memory ran out.

    Such an error is no refusal of the model: another machine may build it.
    """
    if is_out_of_memory(error):
        raise MemoryLimitError(f"memory ran out {doing}", where, _SMALLER) from error


def exhausted(error: Exception, path: str) -> LayerlensError | None:
    """Return the error of a scenario that ran out of memory or recursion depth; None otherwise."""
    if is_out_of_memory(error):
        return MemoryLimitError(
            "memory ran out while this scenario ran",
            Where(path),
            _SMALLER,
        )
    if isinstance(error, RecursionError):
        return LayerlensError(
            "the models are nested too deep: Python's recursion limit was reached",
            Where(path),
            hint="reduce the nesting of models, wrappers or layers",
        )
    return None
