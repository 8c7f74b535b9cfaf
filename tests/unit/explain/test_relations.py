from __future__ import annotations

from typing import Any

import pytest

from layerlens import compare
from layerlens.explain.relations import relation
from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.scenario.spec import LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.pairs import chain, input_of, layer, sides

pytestmark = pytest.mark.usefixtures("backend")

SEQ = layer("GRU", units=3, return_sequences=True)
SAME = layer("Identity")


def _between(one: ModelSpec, other: ModelSpec, *shape: int | None, training: bool = False) -> Any:
    both = sides(one, other, input_of(*shape), training=training)
    transfer = pair_weights(*(weight_rows(side.built) for side in both))
    return relation(*both, transfer, 0)


def _sentence_on(one: list[LayerSpec], other: list[LayerSpec], *shape: int | None) -> Any:
    return _between(chain("ref", *one), chain("cand", *other), *shape)


@pytest.mark.parametrize("shape", [(6, 2), pytest.param((None, 2), marks=pytest.mark.nightly)])
def test_the_last_step_is_named_with_its_slice(shape: tuple[int | None, ...]) -> None:
    last = [layer("GRU", units=3)]
    expected = (
        '`cand` is the last step of `ref`: `select: "[:, -1]"` on `ref` would make them equal'
    )
    assert _sentence_on([SEQ], last, *shape) == expected
    assert _sentence_on(last, [SEQ], *shape) == (
        '`ref` is the last step of `cand`: `select: "[:, -1]"` on `cand` would make them equal'
    )


@pytest.mark.parametrize(
    ("layers", "shape", "sentence"),
    [
        ([layer("GlobalAveragePooling1D")], (6, 3), "the mean over time of"),
        ([layer("GlobalMaxPooling1D")], (6, 3), "the maximum over time of"),
        ([layer("GlobalAveragePooling2D")], (4, 5, 3), "the mean over space of"),
        ([layer("GlobalMaxPooling2D", keepdims=True)], (4, 5, 3), "the maximum over space of"),
        ([layer("Flatten")], (6, 3), "`ref` flattened"),
        (
            [layer("Permute", dims=(2, 1))],
            (6, 3),
            "with its axes permuted: `Permute: {dims: [2, 1]}`",
        ),
        ([layer("Reshape", target_shape=(6, 3, 1))], (6, 3), "`ref` with an axis of length 1"),
        ([layer("Cropping1D", cropping=(2, 1))], (6, 3), 'of `ref`: `select: "[:, 2:5]"`'),
        ([layer("AveragePooling1D", pool_size=1, strides=2)], (6, 3), "one step in 2 of"),
    ],
)
def test_outputs_of_another_shape(
    layers: list[LayerSpec], shape: tuple[int, ...], sentence: str
) -> None:
    assert sentence in _sentence_on([SAME], layers, *shape)


@pytest.mark.parametrize(
    ("layers", "shape", "sentence"),
    [
        ([layer("Permute", dims=(2, 1))], (3, 3), "`cand` is `ref` with its axes permuted"),
        ([layer("Rescaling", scale=0.5)], (4,), "`cand` is 0.5 times `ref`"),
    ],
)
def test_outputs_of_one_shape(
    layers: list[LayerSpec], shape: tuple[int, ...], sentence: str
) -> None:
    assert sentence in _sentence_on([SAME], layers, *shape)


def test_reversal_of_time() -> None:
    nodes = (
        NodeSpec("gru", SEQ, ("input",)),
        NodeSpec("both", layer("Permute", dims=(2, 1)), ("gru",)),
        NodeSpec("back", layer("Permute", dims=(2, 1)), ("both",)),
    )
    turned = ModelSpec("turned", "graph", nodes=nodes, outputs=("back",), select="[:, ::-1]")
    assert _between(chain("ref", SEQ), turned, 5, 2) == (
        "`turned` is `ref` with its time steps reversed: "
        '`select: "[:, ::-1]"` on `ref` would make them equal'
    )


def test_one_of_several_outputs() -> None:
    state = layer("GRU", units=3, return_state=True)
    assert _sentence_on([state], [layer("GRU", units=3)], 5, 2) == (
        "`cand` is output 0 of `ref` (they count from 0)"
    )


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [
        # Nearly the mean: the epsilon of a normalisation lies between them.
        (
            [layer("LayerNormalization", epsilon=1e-3)],
            [layer("LayerNormalization", epsilon=1e-4), layer("GlobalAveragePooling1D")],
            (6, 3),
        ),
        ([SEQ], [layer("GRU", units=3, go_backwards=True)], (6, 2)),
        ([SAME], [layer("Cropping1D", cropping=(2, 1)), layer("ReLU")], (6, 3)),
        # Zeros are the mean of zeros, the sum of zeros, their last step: no relation is certain.
        ([layer("ReLU", max_value=0.0)], [layer("ReLU", max_value=0.0), layer("Flatten")], (6, 3)),
    ],
)
def test_outputs_without_a_relation_have_no_sentence(
    one: list[LayerSpec], other: list[LayerSpec], shape: tuple[int, ...]
) -> None:
    assert _sentence_on(one, other, *shape) is None


def test_no_relation_in_training_or_without_a_transfer() -> None:
    dense = layer("Dense", units=3)
    assert _sentence_on([dense], [dense, layer("Dense", units=2)], 6, 3) is None
    pair = chain("ref", SAME), chain("cand", layer("Flatten"))
    assert _between(*pair, 6, 3, training=True) is None


# --- relations hold on every observation ----------------------------------------------------------


def _explained(
    one: list[dict[str, Any]], other: list[dict[str, Any]], given: dict[str, Any]
) -> tuple[str, str]:
    scenario = {"input": given, "models": {"ref": one, "cand": other}}
    (pair,) = compare(scenario).scenarios[0].pairs
    return pair.verdict, pair.explanation


@pytest.mark.parametrize(
    ("one", "other", "given"),
    [
        # They agree, and are constant over time, at every length below 550.
        (
            [{"AveragePooling1D": {"pool_size": 550, "strides": 1, "padding": "same"}}],
            [{"AveragePooling1D": {"pool_size": 650, "strides": 1, "padding": "same"}}],
            {"shape": [None, 1]},
        ),
        # Half of it, but at one value in 60,000.
        (
            [{"Discretization": {"bin_boundaries": [50, 40000]}}, {"Rescaling": 1.0}],
            [{"Discretization": {"bin_boundaries": [50, 40001]}}, {"Rescaling": 0.5}],
            {"shape": [2], "dtype": "int32", "low": 0, "high": 60000},
        ),
        # Twice it, up to a cap that only large inputs meet.
        ([{"ReLU": {}}], [{"ReLU": {"max_value": 500}}, {"Rescaling": 2.0}], {"shape": [3]}),
        # Transposed where they are symmetric: inputs of one step at most differ from 0.
        (
            [{"ReLU": {}}],
            [{"ReLU": {"max_value": 900}}],
            {"shape": [3, 3]},
        ),
    ],
)
def test_a_relation_that_one_probe_refutes_is_not_reported(
    one: list[Any], other: list[Any], given: dict[str, Any]
) -> None:
    verdict, sentence = _explained(one, other, given)
    assert verdict == "different"
    assert "`cand` is" not in sentence
    assert "`ref` is" not in sentence


def test_infinite_values_count_and_once_is_no_relation() -> None:
    import keras

    class Naive(keras.layers.Layer):
        def call(self, given: Any) -> Any:
            return keras.ops.log(1.0 + keras.ops.exp(given))

    models = {"softplus": keras.layers.Activation("softplus"), "naive": Naive()}
    (pair,) = compare(models, inputs=(3,)).scenarios[0].pairs
    assert pair.verdict == "different"
    assert "times" not in pair.explanation


@pytest.mark.parametrize(
    ("factor", "sentence"),
    [(3.0, "`cand` is 3 times `ref`"), (1 / 3, "`cand` is about 0.333333 times `ref`")],
)
def test_a_factor_is_written_as_it_was_verified(factor: float, sentence: str) -> None:
    verdict, text = _explained([{"Rescaling": 1.0}], [{"Rescaling": factor}], {"shape": [3]})
    assert verdict == "different"
    assert sentence in text


def test_a_relation_of_other_shapes_holds_at_every_length() -> None:
    # Steps 2 to 4 at the length of 7 that is tried first, and one more or less at others.
    crop = [{"Cropping1D": [2, 2]}, {"Rescaling": 1.0}]
    pool = [{"Rescaling": 1.0}, {"MaxPooling1D": {"pool_size": 1, "strides": 3}}]
    for other in (crop, pool):
        scenario = {"input": {"shape": [None, 2]}, "models": {"a": [{"Identity": {}}], "b": other}}
        (pair,) = compare(scenario).scenarios[0].pairs
        assert "is steps" not in pair.explanation
        assert "last" not in pair.explanation


def test_a_model_object_has_no_select() -> None:
    import keras

    given = keras.Input((5, 2))
    whole = keras.Model(given, keras.layers.ReLU()(given))
    last = keras.Model(given, keras.layers.ReLU()(given)[:, -1])
    (pair,) = compare({"whole": whole, "last": last}).scenarios[0].pairs
    assert pair.explanation.endswith("`last` is the last step of `whole`.")
