"""Create symbolic inputs and functional models, and models whose weights take no memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from layerlens.errors import Fault, MemoryLimitError, ScenarioError
from layerlens.fault_codes import Code
from layerlens.models.build.precision import Precision, layer_dtype
from layerlens.scenario.spec import InputSpec, ModelSpec


class DraftImpossible(Exception):  # noqa: N818 (not an error: the model is built without a draft)
    """A layer makes variables in a way that Keras forbids in a draft."""


def raise_if_draft_impossible(error: BaseException | None) -> None:
    """Raise DraftImpossible if an error, or one of its causes, comes from drafting."""
    while error is not None:
        if "while in a stateless scope" in str(error):
            raise DraftImpossible from error
        error = error.__cause__ or error.__context__


class Draft:
    """A Keras scope in which variables have shapes but take no memory until they are allocated."""

    def __init__(self, scope: Any) -> None:
        self._scope = scope
        self._open = True

    def allocate(self) -> None:
        """Leave the scope; Keras then allocates and initializes every variable.

        Raises:
            MemoryLimitError: memory ran out.
            DraftImpossible: an initializer failed.
        """
        self._open = False
        try:
            self._scope.__exit__(None, None, None)
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            raise MemoryLimitError(
                "memory ran out while the weights were created",
                hint="close other programs, or make the model smaller",
            ) from error
        except Exception as error:  # of an initializer; built without a draft, its layer is known
            raise DraftImpossible from error

    def abandon(self) -> None:
        """Leave the scope without making any variable."""
        if self._open:
            self._scope.initialize_variables = False
            self._scope.__exit__(None, None, None)


@contextmanager
def drafting() -> Iterator[Draft]:
    """Context manager that opens a draft, and abandons it unless it is allocated inside."""
    scope = keras.StatelessScope()
    scope.__enter__()
    draft = Draft(scope)
    try:
        yield draft
    finally:
        draft.abandon()


def set_policy(spec: ModelSpec, precision: Precision) -> None:
    """Set the dtype policy of this session to that of the model.

    Raises:
        ScenarioError: Keras has no such policy.
    """
    try:
        keras.config.set_dtype_policy(layer_dtype(spec.dtype or "float32", precision))
    except (ValueError, TypeError) as error:
        known = "`float32`, `float16`, `bfloat16`, `float64`, `mixed_float16`, `mixed_bfloat16`"
        message = (
            f"model `{spec.name}`: {spec.dtype!r} is not a Keras dtype policy; allowed: {known}"
        )
        raise ScenarioError((Fault(Code.MODEL_UNUSABLE, message, spec.where),)) from error


def input_tensors(
    inputs: tuple[InputSpec, ...],
    precision: Precision,
    *,
    batch_size: int | None = None,
    taken: frozenset[str] = frozenset(),
) -> tuple[Any, ...]:
    """Create the Keras inputs; `taken` are layer names that an input must not have.

    Raises:
        ScenarioError: Keras refuses the shape or dtype of an input.
    """
    tensors = []
    for given in inputs:
        name = keras_name(given.name)
        while name in taken:
            name += "_input"
        taken |= {name}
        dtype = layer_dtype(given.dtype, precision)
        try:
            tensor = keras.Input(given.shape, batch_size=batch_size, dtype=dtype, name=name)
        except (ValueError, TypeError) as error:
            message = (
                f"input `{given.name}` of shape {given.shape} and dtype {given.dtype}: {error}"
            )
            raise ScenarioError((Fault(Code.MODEL_UNUSABLE, message),)) from error
        tensors.append(tensor)
    return tuple(tensors)


def functional(inputs: tuple[Any, ...], outputs: tuple[Any, ...], name: str | None) -> Any:
    """Return a model from inputs to outputs; a single one is a plain tensor, not a list.

    Without a `name`, Keras chooses it.
    """
    return keras.Model(
        inputs[0] if len(inputs) == 1 else list(inputs),
        outputs[0] if len(outputs) == 1 else list(outputs),
        name=keras_name(name) if name is not None else None,
    )


def keras_name(name: str) -> str:
    """Return a name that Keras and TensorFlow accept, which may not start with `_` or `-`."""
    valid = re.sub(r"[^A-Za-z0-9_.-]", "_", name) or "unnamed"
    return f"x{valid}" if valid.startswith(("_", "-")) else valid
