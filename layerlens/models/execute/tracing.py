"""Trace a call, and go through the operations of a traced graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from keras.src.backend.common import global_state


def trace_call(call: Callable[..., Any], signature: Sequence[Any]) -> Any:
    """Return the concrete function of a call on tensors of these specs, without AutoGraph.

    Raises what tracing raises.

    Where TensorFlow refuses the name of a layer, Keras (3.15) leaves the scopes around that layer
    open: later weights of this thread would have them in their paths. They are closed here.
    """
    scopes = global_state.get_global_attribute("name_scope_stack", default=[], set_to_default=True)
    open_before = len(scopes)
    try:
        return tf.function(call, autograph=False).get_concrete_function(*signature)
    finally:
        del scopes[open_before:]


def graph_nodes(function: Any) -> Iterator[Any]:
    """Yield the operations in the graph of a concrete function, in loops and branches too."""
    graph = function.graph.as_graph_def()
    yield from graph.node
    for inner in graph.library.function:
        yield from inner.node_def
