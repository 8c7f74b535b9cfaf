"""What simple operations on arrays return, by NumPy, which starts faster than TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Sequence[NDArray[Any]]


def computed(operation: Any, arrays: Arrays) -> NDArray[Any] | None:
    """Return the only output of an operation; None where TensorFlow has to compute it.

    Raises:
        IndexError, TypeError, ValueError: the operation does not take these arrays.
    """
    function = _FUNCTIONS.get(operation.type)
    return None if function is None else function(operation, arrays)


def _concat(operation: Any, arrays: Arrays) -> NDArray[Any]:
    *parts, axis = arrays
    return np.concatenate(parts, int(axis))


def _expand(operation: Any, arrays: Arrays) -> NDArray[Any]:
    return np.expand_dims(arrays[0], int(np.ravel(arrays[1])[0]))


def _gather(operation: Any, arrays: Arrays) -> NDArray[Any] | None:
    given, places, axis = arrays
    if operation.get_attr("batch_dims") or (places < 0).any():
        return None
    return np.asarray(np.take(given, places, int(axis)))


def _pack(operation: Any, arrays: Arrays) -> NDArray[Any]:
    return np.stack(arrays, operation.get_attr("axis"))


def _prod(operation: Any, arrays: Arrays) -> NDArray[Any] | None:
    given, axes = arrays
    if given.dtype.kind != "i":
        return None
    along = tuple(np.ravel(axes).tolist())
    kept = operation.get_attr("keep_dims")
    return np.asarray(np.prod(given, along, dtype=given.dtype, keepdims=kept))


def _reshape(operation: Any, arrays: Arrays) -> NDArray[Any]:
    return np.reshape(arrays[0], arrays[1].tolist())


def _squeeze(operation: Any, arrays: Arrays) -> NDArray[Any]:
    axes = tuple(operation.get_attr("squeeze_dims"))
    return np.squeeze(arrays[0], axes or None)


def _transpose(operation: Any, arrays: Arrays) -> NDArray[Any]:
    return np.transpose(arrays[0], arrays[1].tolist())


def _strided_slice(operation: Any, arrays: Arrays) -> NDArray[Any]:
    given, begins, ends, strides = arrays
    open_begin, open_end, ellipsis, new, single = (
        operation.get_attr(f"{name}_mask")
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    )
    index: list[Any] = []
    for place, (begin, end, stride) in enumerate(
        zip(begins.tolist(), ends.tolist(), strides.tolist(), strict=True)
    ):
        bit = 1 << place
        if ellipsis & bit:
            index.append(Ellipsis)
        elif new & bit:
            index.append(None)
        elif single & bit:
            index.append(begin)
        else:
            first = None if open_begin & bit else begin
            index.append(slice(first, None if open_end & bit else end, stride))
    return np.asarray(given[tuple(index)])


_FUNCTIONS: dict[str, Callable[[Any, Arrays], NDArray[Any] | None]] = {
    "ConcatV2": _concat,
    "ExpandDims": _expand,
    "GatherV2": _gather,
    "Pack": _pack,
    "Prod": _prod,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Transpose": _transpose,
}
