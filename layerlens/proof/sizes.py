"""The sizes at which two models are proved equal, and the chance of an error that is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from layerlens.models.execute.lengths import fits, length_beyond, steps_to_remainders
from layerlens.models.execute.receptive_field import ReceptiveField, whole_numbers_in
from layerlens.proof.field.value import CannotProveError
from layerlens.scenario.spec import InputSpec

#: The chance that two different functions are taken for one is at most this.
ERROR_BOUND = 1e-12


class Size(NamedTuple):
    """A batch size and the lengths of variable axes."""

    batch: int
    #: The length in the first input, and by how much each further input is longer.
    length: int = 0
    step: int = 0

    def of(self, spec: InputSpec, position: int) -> InputSpec:
        """Return an input of this size; its place among the inputs is `position`."""
        return replace(spec, shape=with_lengths(spec.shape, self.length + self.step * position))


#: Where axes are variable: fewer samples than steps and more, lengths that leave every remainder
#: for strides up to 4. The first row that the models take is used.
VARIABLE_SIZES: tuple[tuple[Size, ...], ...] = (
    (Size(2, 5), Size(9, 8), Size(2, 6), Size(3, 7)),
    (Size(2, 21), Size(25, 24), Size(2, 22), Size(3, 23)),
    (Size(2, 61), Size(65, 64), Size(2, 62), Size(3, 63)),
)
#: The most lengths for the remainders of longer strides.
MOST_FURTHER_LENGTHS = 24

#: Numbers of samples, of which one that divides no size is run to see what depends on it.
SAMPLES = (5, 7, 11, 13)


class TooShortError(CannotProveError):
    """A length at which an output is empty, or a layer cannot be called."""


def trace(traced: Callable[[], Any]) -> Any:
    """Return a traced function.

    Raises:
        TooShortError: it cannot be traced.
    """
    try:
        return traced()
    except CannotProveError:
        raise
    except Exception as error:  # whatever a layer raises at a size that it does not take
        raise TooShortError(f"it cannot be traced ({type(error).__name__})") from error


@dataclass(frozen=True, slots=True)
class Reach:
    """The lengths at which all that layers do to open axes shows."""

    #: A length beyond all that they look across.
    beyond: int
    #: Further steps, for every remainder by the strides: `steps_to_remainders`.
    further: tuple[int, ...] = ()

    @classmethod
    def of(cls, fields: Sequence[ReceptiveField]) -> Reach:
        """Return the reach of some models, or parts of them.

        Raises:
            CannotProveError: this takes too many lengths, or too much memory.
        """
        further = steps_to_remainders(fields)
        if len(further) > MOST_FURTHER_LENGTHS:
            raise CannotProveError("strides leave too many remainders to try a length for each")
        beyond = length_beyond(fields)
        longest = beyond + max(further, default=0)
        axes = {axis for one in fields for axis in one.spans}
        if axes and not fits(fields, dict.fromkeys(axes, longest)):
            raise CannotProveError("no length beyond the receptive field is tried")
        return cls(beyond, further)


def variable_sizes(beyond: int, further: Sequence[int] = ()) -> Iterator[tuple[Size, ...]]:
    """Yield the rows of sizes to agree at, each with a length of at least `beyond`.

    With lengths that are `further` than that by so many steps.
    """
    for sizes in VARIABLE_SIZES:
        longest = max(size.length for size in sizes)
        if further or longest < beyond:
            far = max(longest, beyond)
            sizes = (*sizes, *(Size(2, far + steps) for steps in (0, *further)))
        yield sizes


def apart(row: Sequence[Size]) -> Iterator[Size]:
    """Yield sizes at which several inputs have different lengths: rising, falling, one step."""
    first, second = row[0], row[min(1, len(row) - 1)]
    yield first._replace(step=1)
    yield second._replace(batch=first.batch, step=-1)
    yield first._replace(step=1 - first.length)


def number_of_samples(shapes: Any) -> int:
    """Return a number of samples that divides no known size in these shapes, if there is one."""
    known = set(whole_numbers_in(shapes)) - {0}
    return next((n for n in SAMPLES if all(size % n for size in known)), SAMPLES[0])


def lengths_text(lengths: Iterable[int]) -> str:
    """Write the lengths 5, 8, 6, 7 and 42 as `5 to 8 and 42`."""
    runs: list[list[int]] = []
    for length in sorted(set(lengths)):
        if runs and length == runs[-1][-1] + 1:
            runs[-1].append(length)
        else:
            runs.append([length])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def with_lengths(shape: Sequence[int | None], length: int) -> tuple[int, ...]:
    """Return a shape without unknown axes; where several are variable, their lengths differ."""
    return tuple(length + axis if n is None else n for axis, n in enumerate(shape))


def known_shape(spec: InputSpec) -> tuple[int, ...]:
    """Return a per-sample shape without unknown axes."""
    return tuple(n for n in spec.shape if n is not None)
