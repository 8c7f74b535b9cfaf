"""Edit the inputs of a model as one row of entries: blank them, or simplify them. NumPy alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.numerics.arrays import Array, Inputs
from layerlens.scenario.spec import InputSpec

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Entries:
    """Edits entries of the inputs of a model; indices count over all inputs in row-major order."""

    specs: tuple[InputSpec, ...]

    def blank_value(self, position: int) -> Any:
        """Return the value of a blank entry of one input, such as 0 or the empty string."""
        spec = self.specs[position]
        if spec.dtype == "string":
            return ""
        if spec.dtype == "bool":
            return False
        if spec.is_integer:
            low = spec.low or 0
            return 0 if low <= 0 and (spec.high is None or spec.high > 0) else low
        return 0.0

    def nonblank(self, inputs: Inputs) -> Indices:
        """Return the indices of the entries that are not blank."""
        flags = [array.reshape(-1) != self.blank_value(k) for k, array in enumerate(inputs)]
        return np.flatnonzero(np.concatenate(flags))

    def blanked(self, inputs: Inputs, indices: Indices) -> Inputs:
        """Return the inputs with the entries at these indices blank."""
        return self._set(inputs, indices, None)

    def keep_only(self, inputs: Inputs, indices: Indices) -> Inputs:
        """Return the inputs with all entries blank but these."""
        return self.blanked(inputs, np.setdiff1d(self.nonblank(inputs), indices))

    def with_values(self, inputs: Inputs, indices: Indices, values: Sequence[Any]) -> Inputs:
        """Return the inputs with these values at these indices."""
        return self._set(inputs, indices, values)

    def values(self, inputs: Inputs, indices: Indices) -> list[Any]:
        return [self._at(inputs, int(index)) for index in indices]

    def simpler_values(self, inputs: Inputs, index: int) -> tuple[Any, ...]:
        """Return simpler values for one entry, the simplest first."""
        position = self._input_of(inputs, index)
        spec = self.specs[position]
        value = self._at(inputs, index)
        if spec.is_integer:
            low = spec.low or 0
            return tuple(n for n in (1, 2, 3, 10) if low <= n < value)
        if spec.dtype in ("bool", "string"):
            return ()
        return simpler_numbers(float(value))

    def _set(self, inputs: Inputs, indices: Indices, values: Sequence[Any] | None) -> Inputs:
        changed = []
        start = 0
        for position, array in enumerate(inputs):
            flat = array.reshape(-1).copy()
            inside = (indices >= start) & (indices < start + flat.size)
            flat[indices[inside] - start] = (
                self.blank_value(position)
                if values is None
                else [values[int(k)] for k in np.flatnonzero(inside)]
            )
            changed.append(flat.reshape(array.shape))
            start += flat.size
        return tuple(changed)

    def _at(self, inputs: Inputs, index: int) -> Any:
        for array in inputs:
            if index < array.size:
                return array.reshape(-1)[index]
            index -= array.size
        raise IndexError(index)

    def _input_of(self, inputs: Inputs, index: int) -> int:
        for position, array in enumerate(inputs):
            if index < array.size:
                return position
            index -= array.size
        raise IndexError(index)


def simpler_numbers(value: float) -> tuple[float, ...]:
    """Return simpler numbers to try in place of this one, the simplest first.

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
    own = reading_effort(value)
    return tuple(one for one in found if one != 0 and reading_effort(one) < own)


def reading_effort(value: float) -> tuple[int, int]:
    """Return a sort key that grows with the digits of a number: one, a digit, an integer, more."""
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


def chunks(indices: Indices, max_pieces: int) -> Iterator[list[Indices]]:
    """Yield the indices in one piece, in halves, in quarters, down to `max_pieces`."""
    pieces = 1
    while pieces < min(max_pieces, len(indices)):
        yield np.array_split(indices, pieces)
        pieces *= 2
    if len(indices):
        yield np.array_split(indices, min(max_pieces, len(indices)))


def as_written(array: Array) -> Any:
    """Return an array as nested lists of the shortest numbers with the same values."""
    if array.dtype.kind == "f" and array.dtype != np.float64:
        return _shortest(array)
    plain = array.tolist()
    return plain.decode() if isinstance(plain, bytes) else plain


def _shortest(array: Array) -> Any:
    if array.ndim:
        return [_shortest(part) for part in array]
    return float(str(array[()]))


def as_arrays(nested: Any, specs: Sequence[InputSpec]) -> Inputs:
    """Return the input arrays from nested lists: those of the single input, or by input name."""
    given = [nested] if len(specs) == 1 else [nested[spec.name] for spec in specs]
    return tuple(np.asarray(value, _dtype(spec)) for value, spec in zip(given, specs, strict=True))


def _dtype(spec: InputSpec) -> Any:
    if spec.dtype == "string":
        return object
    return "float32" if spec.dtype.startswith(("float", "bfloat")) else spec.dtype
