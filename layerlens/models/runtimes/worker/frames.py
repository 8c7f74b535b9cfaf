"""Messages between layerlens and the process of a runtime; standard library and NumPy alone.

A message is a line of JSON, which lists the dtype and shape of each array, and then the arrays as
raw little-endian bytes. Nothing is unpickled, and sizes are checked before anything is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

DTYPES = (
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)
#: The most bytes of a line of JSON, and of all arrays of a message.
LONGEST_LINE = 16 * 1024**2
MOST_BYTES = 4 * 1024**3
MOST_AXES = 32


class FrameError(Exception):
    """A message is malformed or too large."""


def encoded(head: dict[str, Any], arrays: Sequence[Any] = ()) -> list[bytes]:
    """Return a message as chunks of bytes.

    Raises:
        FrameError: an array has a dtype that is not sent, or the arrays are too large.
    """
    arrays = [np.asarray(array) for array in arrays]
    rows = [{"dtype": array.dtype.name, "shape": list(array.shape)} for array in arrays]
    _sizes(rows)
    line = json.dumps({**head, "arrays": rows}).encode() + b"\n"
    return [line, *(_little_endian(array) for array in arrays)]


def _little_endian(array: Any) -> bytes:
    ordered = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return bytes(np.ascontiguousarray(ordered).tobytes())


def decoded(
    read_line: Callable[[int], bytes], read_exactly: Callable[[int], bytes]
) -> tuple[dict[str, Any], list[Any]]:
    """Read a message.

    Args:
        read_line: returns a line with its end, or its first bytes if it is longer than asked for.
        read_exactly: returns so many bytes.

    Raises:
        EOFError: the other side has closed the pipe.
        FrameError: the message is malformed or too large.
    """
    line = read_line(LONGEST_LINE)
    if not line:
        raise EOFError
    if not line.endswith(b"\n"):
        raise FrameError("a message has no end")
    try:
        head = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a message is not JSON: {error}") from None
    rows = head.pop("arrays", None) if isinstance(head, dict) else None
    if not isinstance(rows, list):
        raise FrameError("a message lists no arrays")
    arrays = []
    for row, size in list(zip(rows, _sizes(rows))):  # noqa: B905 - for Python 3.9 too
        dtype = np.dtype(row["dtype"]).newbyteorder("<")
        array = np.frombuffer(read_exactly(size), dtype).reshape(row["shape"])
        arrays.append(array.astype(dtype.newbyteorder("="), copy=False))
    return head, arrays


def _sizes(rows: Sequence[Any]) -> list[int]:
    """Return the number of bytes of each array."""
    sizes = []
    for row in rows:
        dtype = row.get("dtype") if isinstance(row, dict) else None
        shape = row.get("shape") if isinstance(row, dict) else None
        if dtype not in DTYPES:
            raise FrameError(f"arrays of the dtype {str(dtype)[:40]} are not sent")
        if not isinstance(shape, list) or len(shape) > MOST_AXES:
            raise FrameError("an array has no shape")
        size = np.dtype(dtype).itemsize
        for length in shape:
            if type(length) is not int or length < 0:
                raise FrameError("an array has an invalid shape")
            size *= length
        sizes.append(size)
    if sum(sizes) > MOST_BYTES:
        raise FrameError(f"{sum(sizes)} bytes are more than {MOST_BYTES}")
    return sizes
