"""Watch each operation for values outside the range of half precision.

A result can be far off in half precision because it was rounded, or because something on the way to
it was too large or too small to be held. Only what happens inside tells which.
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

#: A result that lost more than this share of itself below the range was not merely rounded.
LOST = 2.0**-5
_NARROW = ("float16", "bfloat16")


@dataclass
class RangeEvents:
    """What was seen: results that were too large to be held, and results that were too small."""

    overflowed: bool = False
    underflowed: bool = False

    @property
    def any(self) -> bool:
        return self.overflowed or self.underflowed


@contextmanager
def watching_ranges() -> Iterator[RangeEvents]:
    """Watch every operation that is run eagerly meanwhile, in this thread."""
    events = RangeEvents()
    watch = _watcher(events)
    op_callbacks.add_op_callback(watch)
    try:
        yield events
    finally:
        op_callbacks.remove_op_callback(watch)


def _watcher(events: RangeEvents) -> Callable[..., None]:
    under_way = False

    def watch(
        op_type: Any,
        inputs: Sequence[Any],
        attrs: Any,
        outputs: Sequence[Any],
        op_name: Any = None,
        graph: Any = None,
    ) -> None:
        nonlocal under_way
        if under_way or graph is not None or not outputs:
            return
        output = outputs[0]
        if getattr(output.dtype, "name", "") not in _NARROW:
            return
        under_way = True  # what is computed here comes by here as well
        try:
            _look(events, op_type, inputs, attrs, output)
        finally:
            under_way = False

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
    """Return what an operation gives in float32; None where it cannot be run so."""
    if op_type in ("Cast", b"Cast"):
        return tf.cast(inputs[0], "float32").numpy()
    single = tf.float32.as_datatype_enum
    changed = [single if value == out.dtype.as_datatype_enum else value for value in attrs]
    wider = [tf.cast(one, "float32") if one.dtype == out.dtype else one for one in inputs]
    try:
        found = execute.quick_execute(op_type, 1, wider, tuple(changed), context.context())
    except Exception:  # no such kernel: what it loses is not seen
        return None
    return found[0].numpy()
