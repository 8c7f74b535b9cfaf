"""Watch operations for values outside the range of half precision.

A result in half precision can be wrong because of rounding, or because an intermediate value was
too large or too small. Only the intermediate values show which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context, execute
from tensorflow.python.framework import op_callbacks

#: The relative error above which a result below the range counts as underflow, not as rounding.
LOST = 2.0**-5
_NARROW = ("float16", "bfloat16")


@dataclass
class RangeEvents:
    """Whether any result was too large for its dtype, and whether any was too small."""

    overflowed: bool = False
    underflowed: bool = False

    @property
    def any(self) -> bool:
        return self.overflowed or self.underflowed


@contextmanager
def watching_ranges() -> Iterator[RangeEvents]:
    """Context manager that watches every operation that runs eagerly in this thread."""
    events = RangeEvents()
    watch = _watcher(events)
    op_callbacks.add_op_callback(watch)
    try:
        yield events
    finally:
        op_callbacks.remove_op_callback(watch)


def _watcher(events: RangeEvents) -> Callable[..., None]:
    is_checking = False

    def watch(
        op_type: Any,
        inputs: Sequence[Any],
        attrs: Any,
        outputs: Sequence[Any],
        op_name: Any = None,
        graph: Any = None,
    ) -> None:
        nonlocal is_checking
        if is_checking or graph is not None or not outputs:
            return
        output = outputs[0]
        if getattr(output.dtype, "name", "") not in _NARROW:
            return
        is_checking = True  # operations of the check itself call back too
        try:
            _look(events, op_type, inputs, attrs, output)
        finally:
            is_checking = False

    return watch


def _look(events: RangeEvents, op_type: Any, inputs: Sequence[Any], attrs: Any, out: Any) -> None:
    floats = [one for one in inputs if getattr(one.dtype, "is_floating", False)]
    if not floats or not all(bool(tf.reduce_all(tf.math.is_finite(one))) for one in floats):
        return
    held = tf.cast(out, "float32").numpy()
    if not np.isfinite(held).all():
        events.overflowed = True
        return
    least = float(tf.experimental.numpy.finfo(out.dtype.as_numpy_dtype).tiny)
    if not (np.abs(held) < least).any():
        return
    wide = _in_float32(op_type, inputs, attrs, out)
    if wide is None or wide.shape != held.shape:
        return
    small = (np.abs(wide) < least) & (np.abs(wide) > 0)
    if (np.abs(held - wide)[small] > LOST * np.abs(wide)[small]).any():
        events.underflowed = True


def _in_float32(op_type: Any, inputs: Sequence[Any], attrs: Any, out: Any) -> Any:
    """Return the result of an operation in float32; None if there is no such kernel."""
    if op_type in ("Cast", b"Cast"):
        return tf.cast(inputs[0], "float32").numpy()
    single = tf.float32.as_datatype_enum
    changed = [single if value == out.dtype.as_datatype_enum else value for value in attrs]
    wider = [tf.cast(one, "float32") if one.dtype == out.dtype else one for one in inputs]
    try:
        found = execute.quick_execute(op_type, 1, wider, tuple(changed), context.context())
    except Exception:  # no such kernel
        return None
    return found[0].numpy()
