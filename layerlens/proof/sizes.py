"""The sizes at which two models are proved equal, and the chance of an error that is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from layerlens.models.build.request import Built
from layerlens.models.execute.lengths import BEYOND, fits
from layerlens.models.execute.receptive_field import receptive_field
from layerlens.proof.field.value import CannotProveError

#: The chance that two different functions are taken for one is at most this.
ERROR_BOUND = 1e-12
#: (batch, length) where axes are variable: fewer samples than steps and more, lengths that leave
#: every remainder for strides up to 4. The first row that the models take is used.
VARIABLE_SIZES: tuple[tuple[tuple[int, int], ...], ...] = (
    ((2, 5), (9, 8), (2, 6), (3, 7)),
    ((2, 21), (25, 24), (2, 22), (3, 23)),
    ((2, 61), (65, 64), (2, 62), (3, 63)),
)


class TooShortError(CannotProveError):
    """A length at which an output is empty, or a layer cannot be called."""


def trace(traced: Callable[[], Any]) -> Any:
    """Return a traced function.

    Raises:
        TooShortError: it cannot be traced.
    """
    try:
        return traced()
    except Exception as error:  # whatever a layer raises at a size that it does not take
        raise TooShortError(f"it cannot be traced ({type(error).__name__})") from error


def beyond_all_layers(*models: Built) -> int | None:
    """Return a length beyond all that the layers look across; None where it is not affordable."""
    fields = [receptive_field(built) for built in models]
    beyond = max(one.span for one in fields) + BEYOND
    axes = {axis for one in fields for axis in one.spans}
    return beyond if not axes or fits(fields, dict.fromkeys(axes, beyond)) else None


def variable_sizes(beyond: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the rows of sizes to agree at, each with a length of at least `beyond`."""
    for sizes in VARIABLE_SIZES:
        longest = max(length for _, length in sizes)
        yield (*sizes, (2, beyond)) if longest < beyond else sizes


def lengths_text(sizes: Sequence[tuple[int, int]]) -> str:
    """Write the lengths 5, 8, 6, 7 and 42 as `5 to 8 and 42`."""
    *most, last = sorted({length for _, length in sizes})
    if not most:
        return str(last)
    if last - most[-1] == 1:
        return f"{most[0]} to {last}"
    return f"{most[0]} to {most[-1]} and {last}"


def with_lengths(shape: Sequence[int | None], length: int) -> tuple[int, ...]:
    """Return a shape without unknown axes; where several are variable, their lengths differ."""
    return tuple(length + axis if n is None else n for axis, n in enumerate(shape))
