"""Multiply-adds and memory from shapes, held against what TensorFlow counts in traced graphs."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.inspect.cost import activation_bytes, bytes_of, multiply_adds
from layerlens.report.layers import LayerRow
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.every_layer import layer

pytestmark = pytest.mark.usefixtures("backend")

SEQUENCE = (InputSpec("x", (8, 6)),)
IMAGE = (InputSpec("x", (8, 8, 4)),)
TWO = (InputSpec("x", (8, 6)), InputSpec("y", (8, 6)))


def built(spec: LayerSpec, inputs: tuple[InputSpec, ...]) -> Built:
    node = NodeSpec("subject", spec, tuple(given.name for given in inputs))
    model = ModelSpec("m", "graph", nodes=(node,), outputs=("subject",))
    made = build_model(model, inputs, allocate=True)
    assert isinstance(made, Built)
    return made


def products_in_graph(model: Any) -> int:
    """Count the products of one sample in the traced graph: TensorFlow has two flops for each."""
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *t.shape[1:]), t.dtype) for t in model.inputs]
    call = tf.function(lambda *x: model(x[0] if len(x) == 1 else list(x)), autograph=False)
    graph = call.get_concrete_function(*signature).graph
    total = 0
    for op in graph.get_operations():
        if op.type in ("MatMul", "BatchMatMulV2", "Conv2D", "Conv3D", "DepthwiseConv2dNative"):
            shape = op.outputs[0].shape
            total += shape.num_elements() * _summed(op)
        elif op.type in ("Conv2DBackpropInput", "Einsum"):
            total += _other(op)
    return total


def _summed(op: Any) -> int:
    kernel = op.inputs[1].shape
    if op.type == "MatMul":
        return int(kernel[1] if op.get_attr("transpose_b") else kernel[0])
    if op.type == "BatchMatMulV2":
        return int(kernel[-1] if op.get_attr("adj_y") else kernel[-2])
    if op.type == "DepthwiseConv2dNative":
        return int(kernel[0] * kernel[1])
    return int(kernel[:-1].num_elements())


def _other(op: Any) -> int:
    if op.type == "Conv2DBackpropInput":
        kernel, given = op.inputs[1].shape, op.inputs[2].shape
        return int(kernel.num_elements() * given[1:-1].num_elements())
    letters = op.get_attr("equation").decode().replace("->", ",").split(",")
    sizes = {}
    for names, tensor in zip(letters, (*op.inputs, op.outputs[0]), strict=True):
        sizes |= dict(zip(names, tensor.shape, strict=True))
    product = 1
    for size in sizes.values():
        product *= size
    return int(product)


@pytest.mark.parametrize(
    ("spec", "inputs"),
    [
        (layer("Dense", units=4), SEQUENCE),
        (layer("EinsumDense", equation="abc,cd->abd", output_shape=[8, 4]), SEQUENCE),
        (layer("Conv1D", filters=4, kernel_size=3, strides=2), SEQUENCE),
        (layer("Conv2D", filters=6, kernel_size=3, dilation_rate=2), IMAGE),
        (layer("Conv2DTranspose", filters=3, kernel_size=3, strides=2), IMAGE),
        (layer("DepthwiseConv2D", kernel_size=3, depth_multiplier=2), IMAGE),
        (layer("SeparableConv2D", filters=3, kernel_size=3, depth_multiplier=2), IMAGE),
        (layer("LSTM", units=4, unroll=True), SEQUENCE),
        (layer("GRU", units=4, unroll=True), SEQUENCE),
        (layer("Bidirectional", layer=layer("SimpleRNN", units=3, unroll=True)), SEQUENCE),
        (layer("TimeDistributed", layer=layer("Dense", units=4)), SEQUENCE),
        (layer("Attention"), TWO),
        (layer("MultiHeadAttention", num_heads=2, key_dim=3, value_dim=5), TWO),
        (
            layer("GroupQueryAttention", head_dim=3, num_query_heads=4, num_key_value_heads=2),
            TWO,
        ),
        (layer("Dot", axes=2), TWO),
        (layer("MaxPooling1D"), SEQUENCE),
        (layer("LayerNormalization"), SEQUENCE),
    ],
    ids=lambda part: part.type if isinstance(part, LayerSpec) else "",
)
def test_products_are_those_in_the_traced_graph(
    spec: LayerSpec, inputs: tuple[InputSpec, ...]
) -> None:
    made = built(spec, inputs)
    row: LayerRow = made.report.layers[0]
    assert row.multiply_adds == products_in_graph(made.model)


def test_a_filter_of_a_group_sees_its_group_alone() -> None:
    """TensorFlow keeps grouped convolutions out of the graph's sight, in a function."""
    spec = layer("Conv2D", filters=6, kernel_size=3, groups=2, padding="same")
    assert built(spec, IMAGE).report.multiply_adds == 8 * 8 * 6 * (3 * 3 * 2)


def test_what_is_not_known_is_not_told() -> None:
    import keras

    class Own(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    assert multiply_adds(Own(), [(None, 4)], [(None, 4)]) is None
    dense = built(layer("Dense", units=4), (InputSpec("x", (None, 6)),)).report
    assert dense.multiply_adds is None
    assert dense.activation_bytes is None
    assert built(layer("Dense", units=4), (InputSpec("x", (6,)),)).report.multiply_adds == 24


def test_a_nested_model_costs_what_its_layers_do() -> None:
    chain = (layer("Dense", units=5), layer("Dense", units=2))
    spec = layer("TimeDistributed", layer=chain)
    assert built(spec, SEQUENCE).report.multiply_adds == 8 * (6 * 5 + 5 * 2)


def test_memory_is_that_of_the_outputs() -> None:
    assert activation_bytes([((None, 8, 4), "float32"), ((None, 3), "float16")]) == 128 + 6
    assert activation_bytes([((None, None), "float32")]) is None
    assert [bytes_of(name) for name in ("float64", "bfloat16", "int8", "bool", "int4")] == [
        8, 2, 1, 1, 1,
    ]  # fmt: skip
