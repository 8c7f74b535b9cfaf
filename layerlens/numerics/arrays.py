"""Array types, and reductions that several modules of this room share. NumPy alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Float = NDArray[np.float64]
#: One array for every input of a model, batch axis first.
Inputs = tuple[Array, ...]


def per_sample_max(array: Float) -> Float:
    """Return each sample's greatest value, (batch, 1, ...), to broadcast against the array.

    An array of one axis or none has no samples of several values and is returned as it is.
    """
    if array.ndim <= 1:
        return array
    axes = tuple(range(1, array.ndim))
    return array.max(axis=axes, keepdims=True) if array.size else array


#: The number of values of one block of an array: what is computed from a block takes little memory.
BLOCK = 2**22


def in_blocks(array: Array) -> Iterator[Array]:
    """Yield the values of an array in row-major order, some at a time; at least one block."""
    flat = array.reshape(-1)
    for start in range(0, max(1, flat.size), BLOCK):
        yield flat[start : start + BLOCK]


def greatest_index(values: NDArray[Any]) -> tuple[int, ...]:
    """Return the index of the greatest element, the first of several in row-major order.

    Of a mask, it is the first true element.
    """
    return tuple(int(n) for n in np.unravel_index(int(np.argmax(values)), values.shape))


def as_plain(value: Any) -> Any:
    """Return an array or scalar as nested lists of plain Python values."""
    plain = np.asarray(value).tolist()
    return plain.decode() if isinstance(plain, bytes) else plain
