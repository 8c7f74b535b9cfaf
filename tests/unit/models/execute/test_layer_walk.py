"""A model called layer by layer returns what it returns when it is called as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.models.build.session import in_fresh_session
from layerlens.models.execute.layer_walk import InFloat64, LayerWalk, graph_of, steps_of

pytestmark = pytest.mark.usefixtures("backend")


def model() -> Any:
    import keras

    inputs = keras.Input((6, 3))
    masked = keras.layers.Masking()(inputs)
    states = keras.layers.Dense(4, activation="tanh")(masked)
    attended = keras.layers.MultiHeadAttention(2, 3)(states, states)
    joined = keras.layers.Add()([states, attended])
    normal = keras.layers.LayerNormalization(epsilon=0.1)(joined)
    pooled = keras.layers.GlobalAveragePooling1D()(normal)
    return keras.Model(inputs, [pooled, normal * 2.0])


def values_of(whole: Any, inputs: Any, call: Any = None) -> list[Any]:
    graph = graph_of(whole)
    outputs = [id(tensor) for tensor in graph.outputs]
    more = () if call is None else (call,)
    found = LayerWalk(graph).evaluate({id(graph.inputs[0]): inputs}, outputs, *more)
    return [found[number] for number in outputs]


def padded() -> Any:
    import keras

    array = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")
    array[:, 4:] = 0.0
    return keras.ops.convert_to_tensor(array)


def test_layer_by_layer_gives_the_outputs_of_the_whole_with_masks() -> None:
    whole, inputs = model(), padded()
    for one, other in zip(values_of(whole, inputs), whole(inputs), strict=True):
        np.testing.assert_array_equal(one, other)


def test_only_what_is_needed_is_computed_from_what_is_known() -> None:
    whole = model()
    graph = graph_of(whole)
    (dense,) = (layer for layer in whole.layers if layer.name.startswith("dense"))
    called: list[str] = []

    def call(node: Any, arguments: Any, named: Any) -> Any:
        called.append(node.operation.name)
        return node.operation(*arguments, **named)

    known = {id(graph.inputs[0]): padded(), id(dense.output): dense(padded())}
    pooled = id(graph.outputs[0])
    LayerWalk(graph).evaluate(known, [pooled], call)
    assert dense.name not in called
    assert not any("multiply" in name for name in called)
    assert called[-1].startswith("global_average_pooling1d")


def test_float64_copies_err_less_and_leave_the_layers_alone() -> None:
    whole, inputs = model(), padded()
    before = [np.asarray(weight) for weight in whole.weights]
    exact = in_fresh_session(lambda: values_of(whole, inputs, InFloat64()), 0)
    for one, other in zip(values_of(whole, inputs), exact, strict=True):
        assert str(other.dtype.name) == "float64"
        gap = float(np.abs(np.asarray(one, np.float64) - np.asarray(other)).max())
        assert 0.0 < gap < 1e-5
    assert all(map(np.array_equal, before, [np.asarray(weight) for weight in whole.weights]))
    assert {str(layer.compute_dtype) for layer in whole.layers} == {"float32"}


def test_numbers_are_changed_in_the_calls_that_are_named() -> None:
    whole, inputs = model(), padded()
    graph = graph_of(whole)
    (norm,) = (
        node
        for nodes in graph._nodes_by_depth.values()
        for node in nodes
        if node.operation.name.startswith("layer_normalization")
    )

    def without_epsilon(number: float) -> float:
        return 0.0 if number == 0.1 else number

    plain, moved, same = (
        in_fresh_session(lambda call=call: values_of(whole, inputs, call)[0], 0)
        for call in (InFloat64(), InFloat64(without_epsilon, [norm]), InFloat64(without_epsilon))
    )
    np.testing.assert_array_equal(plain, same)
    assert float(np.abs(np.asarray(plain) - np.asarray(moved)).max()) > 1e-3


@pytest.mark.parametrize("computed", [["float32"], ["float32", "float16"]])
def test_a_conversion_to_half_precision_rounds_if_no_layer_computes_in_it(
    computed: list[str],
) -> None:
    import keras

    inputs = keras.Input((4,))
    whole = keras.Model(inputs, keras.ops.cast(keras.ops.cast(inputs, "float16"), "float32"))
    given = keras.ops.convert_to_tensor(np.full((1, 4), 0.1, "float32"))
    (found,) = values_of(whole, given, InFloat64(computed=computed))
    as_half = np.float64(np.float16(0.1))
    assert np.all(np.asarray(found) == (np.float32(0.1) if "float16" in computed else as_half))
    assert [op.dtype for op in whole.operations if hasattr(op, "dtype")][1:] == [
        "float16",
        "float32",
    ]


def test_every_call_of_a_layer_or_operation_is_a_step() -> None:
    import keras

    inputs = keras.Input((4,))
    dense = keras.layers.Dense(4)
    block = keras.Model(inputs, dense(dense(inputs)) + inputs)  # three steps
    assert steps_of(block) == 3
    outer = keras.Input((4,))
    assert steps_of(keras.Model(outer, keras.layers.ReLU()(block(block(outer))))) == 7
    steps = keras.Input((5, 4))
    both = keras.layers.Bidirectional(keras.layers.GRU(2))
    assert steps_of(keras.Model(steps, both(steps))) > 2  # the layer, and those inside

    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = keras.layers.Dense(2), keras.layers.Dense(3)

    assert steps_of(Own()) == 2
