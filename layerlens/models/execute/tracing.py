"""Trace a call without AutoGraph, and leave Keras' scopes of names as they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from keras.src.backend.common import global_state


def trace_call(call: Callable[..., Any], signature: Sequence[Any]) -> Any:
    """Return the concrete function of a call on tensors of these specs. Raises what tracing raises.

    Where TensorFlow refuses the name of a layer, Keras (3.15) leaves the scopes around that layer
    open: later weights of this thread would have them in their paths. They are closed here.
    """
    scopes = global_state.get_global_attribute("name_scope_stack", default=[], set_to_default=True)
    open_before = len(scopes)
    try:
        return tf.function(call, autograph=False).get_concrete_function(*signature)
    finally:
        del scopes[open_before:]
