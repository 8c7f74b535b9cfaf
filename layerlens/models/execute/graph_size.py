"""Count the operations in the traced graphs of a model and its layers.

Keras computes a `TimeDistributed(Dense)` step by step where a `Dense` does it in one product: the
numbers are the same, the graph that TensorFlow compiles and keeps is not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tensorflow as tf

from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.build.request import Built
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.layer_calls import traced_call
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.models.execute.tracing import graph_nodes, trace_call
from layerlens.models.inspect.call_graph import calls_between, is_input_call
from layerlens.report.layers import ModelReport


def ops_of(function: Any) -> int:
    """Return the number of operations in a concrete function's graph and the functions it calls.

    The body of a loop counts once, as it is compiled once.
    """
    return sum(1 for _ in graph_nodes(function))


def model_graph_ops(runner: KerasRunner) -> int | None:
    """Return the number of operations in the inference graph with unknown batch and lengths.

    None if no such graph was traced.
    """
    function = runner.already_traced()
    return None if function is None else ops_of(function)


def with_graph_sizes(report: ModelReport, built: Built) -> ModelReport:
    """Return a report with the sizes of the graphs of the model and of each layer traced alone.

    The size is None for a layer that cannot be traced alone.
    """
    with restoring_weights(built):
        found = _layer_sizes(built)
        ops = report.graph_ops
        if ops is None:
            ops = _size(lambda *given: _called(built.model, given), built.model.inputs, built)
    layers = tuple(
        replace(layer, graph_ops=size) for layer, size in zip(report.layers, found, strict=True)
    )
    return replace(report, layers=layers, graph_ops=ops)


def _layer_sizes(built: Built) -> list[int | None]:
    model = built.model
    nodes = [n for n in calls_between(model.inputs, model.outputs) if not is_input_call(n)]
    if len(nodes) != len(built.report.layers):
        return [None] * len(built.report.layers)
    calls = (traced_call(node, training=False) for node in nodes)
    return [_size(call, symbols, built) for symbols, call in calls]


def _called(model: Any, given: tuple[Any, ...]) -> Any:
    return model(given[0] if len(given) == 1 else list(given), training=False)


def _size(call: Any, symbols: Any, built: Built) -> int | None:
    signature = [tf.TensorSpec((built.batch_size, *t.shape[1:]), t.dtype) for t in symbols]
    try:
        function = trace_call(call, signature)
    except Exception as error:  # a layer may raise anything; calls of the model report it
        raise_if_out_of_memory(error, f"while the graph of `{built.spec.name}` was traced")
        return None
    return ops_of(function)
