"""How large a tensor can be at all, whatever holds it."""

from __future__ import annotations

import math
from collections.abc import Iterable

#: TensorFlow, and whatever else keeps tensors in memory, counts values in 63 bits.
MOST_VALUES = 2**63 - 1
#: NumPy knows no arrays of more axes (before its version 2), the batch axis among them.
MOST_AXES = 32


def is_oversized(shape: Iterable[int | None]) -> bool:
    """Tell whether a sample of this shape has too many values; an open length counts as one."""
    return math.prod(1 if size is None else int(size) for size in shape) > MOST_VALUES
