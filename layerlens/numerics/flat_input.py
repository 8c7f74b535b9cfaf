"""An input as one row of entries: some put to rest, some made rounder. NumPy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, Inputs
from layerlens.scenario.spec import InputSpec

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Entries:
    """What the entries of each input may be, and which value of theirs counts as nothing."""

    specs: tuple[InputSpec, ...]

    def rest(self, position: int) -> Any:
        """Return the value that an entry of this input has when nothing is said by it."""
        spec = self.specs[position]
        if spec.dtype == "string":
            return ""
        if spec.dtype == "bool":
            return False
        if spec.is_integer:
            low = spec.low or 0
            return 0 if low <= 0 and (spec.high is None or spec.high > 0) else low
        return 0.0

    def awake(self, inputs: Inputs) -> Places:
        """Return the places, over all inputs in row-major order, whose entries are not at rest."""
        flags = [array.reshape(-1) != self.rest(k) for k, array in enumerate(inputs)]
        return np.flatnonzero(np.concatenate(flags))

    def rested(self, inputs: Inputs, places: Places) -> Inputs:
        """Return the inputs with the entries at these places put to rest."""
        return self._set(inputs, places, None)

    def only(self, inputs: Inputs, places: Places) -> Inputs:
        """Return the inputs with every entry but these put to rest."""
        return self.rested(inputs, np.setdiff1d(self.awake(inputs), places))

    def placed(self, inputs: Inputs, places: Places, values: Sequence[Any]) -> Inputs:
        """Return the inputs with these values at these places."""
        return self._set(inputs, places, values)

    def values(self, inputs: Inputs, places: Places) -> list[Any]:
        return [self._at(inputs, int(place)) for place in places]

    def rounder(self, inputs: Inputs, place: int) -> tuple[Any, ...]:
        """Return simpler values for one entry, the simplest first."""
        position = self._owner(inputs, place)
        spec = self.specs[position]
        value = self._at(inputs, place)
        if spec.is_integer:
            low = spec.low or 0
            return tuple(n for n in (1, 2, 3, 10) if low <= n < value)
        if spec.dtype in ("bool", "string"):
            return ()
        return rounder_numbers(float(value))

    def _set(self, inputs: Inputs, places: Places, values: Sequence[Any] | None) -> Inputs:
        changed = []
        start = 0
        for position, array in enumerate(inputs):
            flat = array.reshape(-1).copy()
            here = (places >= start) & (places < start + flat.size)
            flat[places[here] - start] = (
                self.rest(position)
                if values is None
                else [values[int(k)] for k in np.flatnonzero(here)]
            )
            changed.append(flat.reshape(array.shape))
            start += flat.size
        return tuple(changed)

    def _at(self, inputs: Inputs, place: int) -> Any:
        for array in inputs:
            if place < array.size:
                return array.reshape(-1)[place]
            place -= array.size
        raise IndexError(place)

    def _owner(self, inputs: Inputs, place: int) -> int:
        for position, array in enumerate(inputs):
            if place < array.size:
                return position
            place -= array.size
        raise IndexError(place)


def rounder_numbers(value: float) -> tuple[float, ...]:
    """Return numbers that stand for this one and are simpler, the simplest first.

    One, small integers, a power of ten, one digit, the nearest integer, two and three digits.
    """
    if not np.isfinite(value) or value == 0:
        return ()
    sign = 1.0 if value > 0 else -1.0
    found = dict.fromkeys(
        (1.0, sign, 2.0 * sign, _power_of_ten(value), _digits(value, 1))
        + ((float(round(value)),) if abs(value) < 1e6 else ())
        + (_digits(value, 2), _digits(value, 3))
    )
    own = weight_of(value)
    return tuple(one for one in found if one != 0 and weight_of(one) < own)


def weight_of(value: float) -> tuple[int, int]:
    """Return how much a reader has to take in: a one, a digit, an integer, more digits."""
    if value == 0:
        return (0, 0)
    if abs(value) == 1:
        return (1, int(value < 0))
    digits, exponent = f"{abs(value):.8e}".split("e")
    length = len(digits.replace(".", "").rstrip("0"))
    if value == round(value) and abs(value) < 1e6:
        return (1 + length, abs(int(exponent)))
    return (2 + length, abs(int(exponent)))


def _power_of_ten(value: float) -> float:
    return float(np.sign(value) * 10.0 ** np.floor(np.log10(abs(value))))


def _digits(value: float, count: int) -> float:
    return float(f"{value:.{count - 1}e}")


def stack(candidates: Sequence[Inputs]) -> Inputs:
    """Join inputs of one sample each into one batch."""
    return tuple(
        np.concatenate([candidate[k] for candidate in candidates])
        for k in range(len(candidates[0]))
    )


def rows(inputs: Inputs, chosen: Sequence[int]) -> Inputs:
    """Return these samples of the inputs."""
    return tuple(array[list(chosen)] for array in inputs)


def chunks(places: Places, most: int) -> Iterator[list[Places]]:
    """Yield the places in one piece, in halves, in quarters, down to single ones or `most`."""
    pieces = 1
    while pieces < min(most, len(places)):
        yield np.array_split(places, pieces)
        pieces *= 2
    if len(places):
        yield np.array_split(places, min(most, len(places)))


def as_written(array: Array) -> Any:
    """Return an array as nested lists of the shortest numbers that are read back as the same."""
    if array.dtype.kind == "f" and array.dtype != np.float64:
        return _shortest(array)
    plain = array.tolist()
    return plain.decode() if isinstance(plain, bytes) else plain


def _shortest(array: Array) -> Any:
    if array.ndim:
        return [_shortest(part) for part in array]
    return float(str(array[()]))


def as_arrays(written: Any, specs: Sequence[InputSpec]) -> Inputs:
    """Return the arrays that nested lists, as `written` or by input name, stand for."""
    given = [written] if len(specs) == 1 else [written[spec.name] for spec in specs]
    return tuple(np.asarray(value, _dtype(spec)) for value, spec in zip(given, specs, strict=True))


def _dtype(spec: InputSpec) -> Any:
    if spec.dtype == "string":
        return object
    return "float32" if spec.dtype.startswith(("float", "bfloat")) else spec.dtype
