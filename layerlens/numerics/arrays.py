"""The array types that the numerics share, and what is done with any array. NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Float = NDArray[np.float64]
#: One array for every input of a model, batch axis first.
Inputs = tuple[Array, ...]


def per_sample_max(array: Float) -> Float:
    """Return the greatest value of each sample, shaped to stand beside the array."""
    if array.ndim <= 1:
        return array
    axes = tuple(range(1, array.ndim))
    return array.max(axis=axes, keepdims=True) if array.size else array


def first_index(flags: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the index of the first true element in row-major order."""
    return tuple(int(n) for n in np.unravel_index(int(np.argmax(flags)), flags.shape))


def as_plain(value: Any) -> Any:
    """Return an array or scalar as nested lists of plain Python values."""
    plain = np.asarray(value).tolist()
    return plain.decode() if isinstance(plain, bytes) else plain
