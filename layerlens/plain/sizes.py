"""The greatest size of a tensor."""

from __future__ import annotations

import math
from collections.abc import Iterable

#: The most values of a tensor: TensorFlow and NumPy count them in 63 bits.
MOST_VALUES = 2**63 - 1
#: The most axes of an array in NumPy before version 2, including the batch axis.
MOST_AXES = 32


def is_oversized(shape: Iterable[int | None]) -> bool:
    """Return whether a sample of this shape has too many values; a variable length counts as 1."""
    return math.prod(1 if size is None else int(size) for size in shape) > MOST_VALUES
