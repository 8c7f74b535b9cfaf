"""How a model is called with arrays: one or several, and in batches of the size that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def as_given(arrays: Sequence[Any]) -> Any:
    """Return the inputs as a model of Keras is called with them: one array, or a list."""
    return arrays[0] if len(arrays) == 1 else list(arrays)


def in_batches(
    call: Callable[[list[Any]], list[Any]], arrays: Sequence[Any], size: int | None
) -> list[Any]:
    """Return the outputs for all samples; `size` is the one that the model takes, None is any.

    The last batch is filled up with its first sample.
    """
    if size == 0:
        raise ValueError("it takes batches of 0 samples alone, so that nothing can be computed")
    if size is None or not arrays:
        return call(list(arrays))
    samples = len(arrays[0])
    parts = []
    for start in range(0, max(samples, 1), size):
        taken = [array[start : start + size] for array in arrays]
        count = len(taken[0])
        if count < size:
            taken = [np.concatenate([a, np.repeat(a[:1], size - count, axis=0)]) for a in taken]
        found = call(taken)
        for output in found:
            if output.ndim == 0 or len(output) != size:
                raise ValueError(
                    f"a model with batches of {size} gives an output of the shape "
                    f"{list(output.shape)}"
                )
        parts.append([output[:count] for output in found])
    return [np.concatenate(list(outputs)) for outputs in zip(*parts)]  # noqa: B905
