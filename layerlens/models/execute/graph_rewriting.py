"""Run graphs with many nested sums without TensorFlow's arithmetic optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from tensorflow.core.protobuf import rewriter_config_pb2
from tensorflow.python.eager import context

#: TensorFlow's arithmetic optimizer flattens nested additions into one. A graph whose additions
#: reach more terms than this, as twenty nested `Add(x, x)` do, runs as it was traced.
MOST_TERMS = 4096

_ADDITIONS = frozenset({"Add", "AddV2", "AddN"})


def has_many_terms(graph: Any) -> bool:
    """Return whether nested additions in a traced graph reach more than MOST_TERMS terms.

    The optimizer merges an addition into the next one if that is its only reader. A sum that the
    same addition reads twice counts twice, so that the terms double with every step while the
    graph grows by one node.
    """
    readers: dict[str, set[str]] = {}
    operations = graph.get_operations()
    for operation in operations:
        for tensor in operation.inputs:
            readers.setdefault(tensor.op.name, set()).add(operation.name)
    terms: dict[str, int] = {}
    for operation in operations:  # in the order of creation: inputs come first
        if operation.type not in _ADDITIONS:
            continue
        terms[operation.name] = sum(
            terms.get(name, 1) if len(readers[name]) == 1 else 1
            for name in (tensor.op.name for tensor in operation.inputs)
        )
        if terms[operation.name] > MOST_TERMS:
            return True
    return False


@contextmanager
def without_rewritten_sums() -> Iterator[None]:
    """Context manager that disables TensorFlow's arithmetic optimizer in this thread.

    `tf.config.optimizer.set_experimental_options` would disable it in other threads too.
    """
    current = context.context()
    before = current.function_call_options
    without = copy(before)
    config = current.config
    config.ParseFromString(before.config_proto_serialized)
    options = config.graph_options.rewrite_options
    options.arithmetic_optimization = rewriter_config_pb2.RewriterConfig.OFF
    without.config_proto_serialized = config
    current.function_call_options = without
    try:
        yield
    finally:
        current.function_call_options = before


def runnable(function: Any) -> Callable[..., Any]:
    """Return a function that calls a concrete function, without rewriting if it has many terms."""
    if not has_many_terms(function.graph):
        call: Callable[..., Any] = function
        return call

    def called(*tensors: Any) -> Any:
        with without_rewritten_sums():
            return function(*tensors)

    return called
