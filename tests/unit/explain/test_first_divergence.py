from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layerlens import compare
from layerlens.explain.first_divergence import Divergence, first_divergence, first_inconsistency
from layerlens.explain.shrink import shrink
from layerlens.numerics.flat_input import as_arrays
from layerlens.report.pairs import FirstDivergence
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.explained import pair_of, ran
from tests.unit.tables.pairs import chain, input_of, layer, seen, sides

pytestmark = pytest.mark.usefixtures("backend")


def _diverge(reference: ModelSpec, candidate: ModelSpec, *inputs: InputSpec) -> Any:
    found = seen(reference, candidate, *inputs)
    given = (found.reference, found.candidate, found.weights_reference, found.weights_candidate)
    shown = shrink(*given, found.witness, residue=False)
    found_at = first_divergence(*given, as_arrays(shown.input, inputs), residue=False)
    return found_at.row if found_at is not None else None


def _names(reference: tuple[LayerSpec, ...], candidate: tuple[LayerSpec, ...], *shape: int) -> Any:
    row = _diverge(chain("one", *reference), chain("other", *candidate), input_of(*shape))
    assert row is not None
    assert row.max_abs > 0
    return row.reference_layer, row.candidate_layer


DENSE = layer("Dense", units=4)


def test_the_first_layer_that_differs_is_named_not_those_after_it() -> None:
    one = (DENSE, layer("ReLU"), DENSE, layer("Activation", activation="tanh"))
    other = (DENSE, layer("ReLU", max_value=1.0), DENSE, layer("Activation", activation="tanh"))
    assert _names(one, other, 4) == ("re_lu", "re_lu")


def test_a_layer_with_another_mask_is_the_first_to_differ() -> None:
    lstm = layer("LSTM", units=3)
    assert _names((lstm,), (layer("Masking"), lstm), 5, 2) == ("lstm", "lstm")


def test_an_equal_activation_in_a_layer_of_its_own_is_skipped() -> None:
    one = (layer("Dense", units=4, activation="relu"), layer("Softmax"))
    other = (DENSE, layer("ReLU"), layer("Activation", activation="sigmoid"))
    assert _names(one, other, 4) == ("softmax", "activation")


def test_swapped_layers_differ_at_the_first_of_them() -> None:
    scale, relu = layer("Rescaling", scale=2.0, offset=-1.0), layer("ReLU")
    assert _names((DENSE, scale, relu), (DENSE, relu, scale), 4) == ("rescaling", "re_lu")


def test_an_extra_layer_is_compared_with_the_layer_in_its_place() -> None:
    extra = (DENSE, layer("Activation", activation="tanh"), DENSE)
    assert _names((DENSE, DENSE), extra, 4) == ("dense_1", "activation")


def test_several_layers_for_one_are_compared_at_their_ends() -> None:
    one = (layer("Activation", activation="hard_sigmoid"), DENSE)
    other = (layer("Rescaling", scale=0.2, offset=0.5), layer("ReLU", max_value=1.0), DENSE)
    assert _names(one, other, 4) == ("activation", "re_lu")


def test_an_extra_layer_at_the_end_is_named() -> None:
    assert _names((DENSE, layer("Softmax")), (DENSE, layer("Softmax"), layer("Softmax")), 4) == (
        "softmax",
        "softmax_1",
    )


def _graph(name: str, merge: str) -> ModelSpec:
    nodes = (
        NodeSpec("left", DENSE, ("input",)),
        NodeSpec("right", layer("ReLU"), ("left",)),
        NodeSpec("joined", layer(merge), ("left", "right")),
        NodeSpec("out", DENSE, ("joined",)),
    )
    return ModelSpec(name, "graph", nodes=nodes, outputs=("out",))


def test_in_a_graph_the_merge_is_named() -> None:
    row = _diverge(_graph("one", "Add"), _graph("other", "Maximum"), input_of(4))
    assert (row.reference_layer, row.candidate_layer) == ("joined", "joined")


def test_max_abs_is_the_difference_of_these_layers_in_working_precision() -> None:
    one, other = sides(
        chain("one", layer("Rescaling", scale=2.0), layer("Rescaling", scale=100.0)),
        chain("other", layer("Rescaling", scale=3.0), layer("Rescaling", scale=100.0)),
        input_of(3),
    )
    row = first_divergence(one, other, (), (), (np.float32([[1, -4, 2]]),), residue=False)
    assert row == Divergence(FirstDivergence("rescaling", "rescaling", 4.0), "with the same inputs")


def test_equal_models_have_no_divergence() -> None:
    one, other = sides(
        chain("one", DENSE, layer("ReLU")), chain("other", DENSE, layer("ReLU")), input_of(4)
    )
    values = tuple(one.working.values())
    given = (np.float32([[1, 2, -3, 4]]),)
    assert first_divergence(one, other, values, values, given, residue=False) is None
    moved = (values[0] + np.float32(1e-3), values[1])
    row = first_divergence(one, other, values, moved, given, residue=False).row
    assert (row.reference_layer, row.candidate_layer) == ("dense", "dense")


def test_a_layer_that_differs_from_itself_is_named() -> None:
    import keras
    import tensorflow as tf

    class Wayward(keras.layers.Layer):
        def call(self, given: Any) -> Any:
            return given + 1.0 if tf.executing_eagerly() else given

    side, _ = sides(chain("one", layer("ReLU")), chain("other", layer("ReLU")), input_of(3))
    for runner in (side.working, side.float64):
        dtype = runner.built.model.inputs[0].dtype
        given = keras.Input((3,), dtype=dtype)
        calm = keras.layers.ReLU(dtype=dtype, name="calm")(given)
        wild = Wayward(dtype=dtype, name="wild")(calm)
        runner.built = replace(runner.built, model=keras.Model(given, wild))
    row = first_inconsistency(side, (), (np.ones((1, 3), "float32"),), "traced_dynamic", "eager")
    assert row.row == FirstDivergence("wild", "wild", 1.0)


def test_a_layer_that_gives_another_shape_when_traced_is_named() -> None:
    import keras
    import tensorflow as tf

    class Shorter(keras.layers.Layer):
        def call(self, given: Any) -> Any:
            return given if tf.executing_eagerly() else given[:, :2]

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    side, _ = sides(chain("one", layer("ReLU")), chain("other", layer("ReLU")), input_of(3))
    for runner in (side.working, side.float64):
        dtype = runner.built.model.inputs[0].dtype
        given = keras.Input((3,), dtype=dtype)
        short = Shorter(dtype=dtype, name="short")(given)
        runner.built = replace(runner.built, model=keras.Model(given, short))
    row = first_inconsistency(side, (), (np.ones((1, 3), "float32"),), "traced_dynamic", "eager")
    assert row.row == FirstDivergence("short", "short", None)


# --- what they were fed ---------------------------------------------------------------------------


def _fed(reference: ModelSpec, candidate: ModelSpec, *inputs: InputSpec) -> tuple[str, str, str]:
    found = seen(reference, candidate, *inputs)
    given = (found.reference, found.candidate, found.weights_reference, found.weights_candidate)
    shown = shrink(*given, found.witness, residue=False)
    parted = first_divergence(*given, as_arrays(shown.input, inputs), residue=False)
    assert parted is not None
    stretch = "stretch" if parted.ends_segment else "layers"
    return parted.row.candidate_layer, parted.fed, stretch


def test_a_mask_in_one_model_only_is_reported() -> None:
    lstm = layer("LSTM", units=3)
    pair = chain("one", lstm), chain("other", layer("Masking"), lstm)
    expected = ("lstm", "with the same values under another mask", "layers")
    assert _fed(*pair, input_of(5, 2)) == expected


def test_equal_values_in_another_dtype_are_reported() -> None:
    nodes = (
        NodeSpec("floats", layer("Rescaling", scale=1.0), ("input",)),
        NodeSpec("sum", layer("Add"), ("floats", "floats")),
        NodeSpec("out", layer("Rescaling", scale=1.0), ("sum",)),
    )
    floats = ModelSpec("one", "graph", nodes=nodes, outputs=("out",))
    nodes = (
        NodeSpec("sum", layer("Add"), ("input", "input")),
        NodeSpec("out", layer("Rescaling", scale=1.0), ("sum",)),
    )
    bytes_ = ModelSpec("other", "graph", nodes=nodes, outputs=("out",))
    given = input_of(2, dtype="uint8", low=0, high=256)
    expected = ("sum", "with the same values, as uint8 and as float32", "layers")
    assert _fed(floats, bytes_, given) == expected


def test_second_outputs_are_compared() -> None:
    def states(name: str, output: int) -> Any:
        import keras

        given = keras.Input((4, 2))
        outputs = keras.layers.LSTM(3, return_state=True, name="lstm")(given)
        return keras.Model(given, keras.layers.ReLU(name="relu")(outputs[output]), name=name)

    (pair,) = compare({"h": states("h", 1), "c": states("c", 2)}).scenarios[0].pairs
    assert pair.verdict == "different"
    assert not any(
        "they first differ at `relu`, with the same inputs" in sentence for sentence in pair.why
    )


def test_layers_with_other_inputs_are_not_reported_as_fed_the_same() -> None:
    def graph(name: str, first: str) -> ModelSpec:
        nodes = (
            NodeSpec("a", layer("Rescaling", scale=2.0), ("x",)),
            NodeSpec("b", layer("Rescaling", scale=3.0), ("y",)),
            NodeSpec("out", layer("Subtract"), (first, "b" if first == "a" else "a")),
        )
        return ModelSpec(name, "graph", nodes=nodes, outputs=("out",))

    inputs = (input_of(2, name="x"), input_of(2, name="y"))
    at, fed, stretch = _fed(graph("one", "a"), graph("other", "b"), *inputs)
    assert (at, fed, stretch) == ("out", "with the same inputs", "stretch")


def test_operations_between_layers_are_named_and_need_no_configuration() -> None:
    import keras

    def model(operation: Any) -> Any:
        given = keras.Input((4,))
        return keras.Model(given, keras.layers.ReLU()(operation(given)))

    (pair,) = compare(model(keras.ops.tanh), model(keras.ops.sin)).scenarios[0].pairs
    # Keras numbers the names if other models of this process have such operations.
    where = r"they first differ at `sin(_\d+)?` against `tanh(_\d+)?`, with the same inputs"
    assert any(re.search(where, text) for text in pair.why)
    assert not any("no known" in text for text in pair.why)


def test_it_is_found_inside_nested_models() -> None:
    def nested(activation: str) -> list[Any]:
        inner = [{"Dense": 3}, {"Sequential": [{"Dense": {"units": 3, "activation": activation}}]}]
        return [{"Sequential": {"layers": inner, "name": "base"}}, {"Dense": 2}]

    flat = [{"Dense": 3}, {"Dense": {"units": 3, "activation": "tanh"}}, {"Dense": 2}]
    for reference in (nested("tanh"), flat):
        found = pair_of(ran({"a": reference, "b": nested("relu")})).first_divergence
        assert found is not None
        assert found.candidate_layer == "base/sequential/dense_1"
