from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layerlens.comparison.examination import Examination
from layerlens.comparison.probe_plan import examine
from layerlens.explain.difference_check import DifferenceCheck
from layerlens.explain.shrink import as_seen, shrink
from layerlens.numerics.judge import judge
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.report.pairs import Counterexample
from layerlens.scenario.spec import InputSpec, ModelSpec, NodeSpec, Tolerance
from tests.unit.tables.pairs import Seen, chain, input_of, layer, seen, sides

pytestmark = pytest.mark.usefixtures("backend")


def _shrunk(found: Seen, **more: Any) -> Counterexample:
    return shrink(
        found.reference,
        found.candidate,
        found.weights_reference,
        found.weights_candidate,
        found.witness,
        residue=False,
        **more,
    )


def _compared(*layers: Any, **more: Any) -> Seen:
    return seen(chain("one", layers[0]), chain("other", layers[1]), *more.pop("inputs"), **more)


def test_a_slope_leaves_one_round_entry() -> None:
    found = _compared(
        layer("LeakyReLU", negative_slope=0.3),
        layer("LeakyReLU", negative_slope=0.2),
        inputs=[input_of(8)],
    )
    shown = _shrunk(found)
    assert sorted(shown.input[0]) == [-1.0, *[0.0] * 7]
    assert shown.index == (0, shown.input[0].index(-1.0))
    assert (shown.reference, shown.candidate) == (
        pytest.approx(-0.3, abs=1e-6),
        pytest.approx(-0.2, abs=1e-6),
    )


def test_the_values_are_those_of_the_models_at_that_index() -> None:
    found = _compared(
        layer("MaxPooling2D"), layer("AveragePooling2D", pool_size=2), inputs=[input_of(8, 8, 2)]
    )
    shown = _shrunk(found)
    given = [np.asarray(shown.input, "float32")]
    for side, value in ((found.reference, shown.reference), (found.candidate, shown.candidate)):
        output = side.run((), given, "working", shown.execution).outputs[0]
        assert output[shown.index] == value
    assert np.count_nonzero(given[0]) == 1


def test_a_threshold_keeps_the_size_it_needs() -> None:
    found = _compared(layer("ReLU"), layer("ReLU", max_value=100.0), inputs=[input_of(300)])
    (value,) = [v for v in _shrunk(found).input[0] if v]
    assert value > 100.0
    assert float(f"{value:.0e}") == value


def test_integers_stay_in_their_range() -> None:
    found = seen(
        chain(
            "one",
            layer("Embedding", input_dim=9, output_dim=3, mask_zero=True),
            layer("GlobalAveragePooling1D"),
        ),
        chain(
            "other", layer("Embedding", input_dim=9, output_dim=3), layer("GlobalAveragePooling1D")
        ),
        InputSpec("input", (5,), "int32", low=0, high=9),
    )
    shown = _shrunk(found)
    assert all(isinstance(token, int) and 0 <= token < 9 for token in shown.input[0])
    assert 0 in shown.input[0]


def _graph(name: str, kind: str) -> ModelSpec:
    node = NodeSpec("out", layer(kind), ("left", "right"))
    return ModelSpec(name, "graph", nodes=(node,), outputs=("out",))


def test_several_inputs_are_a_mapping_by_name() -> None:
    found = seen(
        _graph("one", "Add"),
        _graph("other", "Subtract"),
        input_of(4, name="left"),
        input_of(4, name="right"),
    )
    shown = _shrunk(found)
    assert list(shown.input) == ["left", "right"]
    assert sorted(map(abs, shown.input["right"][0])) == [0.0, 0.0, 0.0, 1.0]
    assert shown.input["left"] == [[0.0] * 4]


def test_a_batch_of_dependent_samples_keeps_two() -> None:
    """Training statistics of one sample alone hide the epsilon: its variance is zero."""
    found = _compared(
        layer("BatchNormalization", epsilon=1e-3),
        layer("BatchNormalization", epsilon=0.1),
        inputs=[input_of(3)],
        training=True,
    )
    shown = _shrunk(found)
    assert len(shown.input) == 2
    assert shown.reference != pytest.approx(shown.candidate, rel=1e-3)


def test_a_counterexample_breaks_the_tolerance() -> None:
    found = _compared(
        layer("Rescaling", scale=1.0),
        layer("Rescaling", scale=1.0, offset=0.5),
        inputs=[input_of(3)],
        tolerance=Tolerance(0.0, 0.4),
    )
    shown = _shrunk(found, tolerance=Tolerance(0.0, 0.4))
    assert (shown.input, shown.reference, shown.candidate) == ([[0.0] * 3], 0.0, 0.5)


def test_rounding_is_not_made_a_counterexample() -> None:
    """A measurement stands behind every counterexample: a wrong witness comes back untouched."""
    found = _compared(layer("ReLU"), layer("ReLU", max_value=6.0), inputs=[input_of(3)])
    twin = replace(found, candidate=found.reference)
    assert (
        DifferenceCheck(
            twin.reference, twin.candidate, (), (), twin.witness, residue=False
        ).first_difference(found.witness.observation.batch.inputs)
        is None
    )
    assert _shrunk(twin) == as_seen(found.witness, found.reference.built.inputs)


def test_the_search_ends_within_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    found = seen(
        chain("one", layer("Dense", units=8), layer("ReLU"), layer("Dense", units=8)),
        chain(
            "other", layer("Dense", units=8), layer("ReLU", max_value=3.0), layer("Dense", units=8)
        ),
        input_of(40),
    )
    contests = []
    start = DifferenceCheck.__post_init__
    monkeypatch.setattr(
        DifferenceCheck, "__post_init__", lambda self: (start(self), contests.append(self))[0]
    )
    _shrunk(found)
    assert 0 < contests[0].calls < 130


def _eager_doubles(found: Any) -> Any:
    """Make both precisions of a side add one when called eagerly, as some layers stray."""
    import keras
    import tensorflow as tf

    @keras.saving.register_keras_serializable("layerlens-tests")
    class Wayward(keras.layers.Layer):
        def call(self, given: Any) -> Any:
            return given + 1.0 if tf.executing_eagerly() else given

    def wayward(built: Any) -> Any:
        dtype = built.model.inputs[0].dtype
        given = keras.Input((3,), dtype=dtype)
        return replace(built, model=keras.Model(given, Wayward(dtype=dtype)(given)))

    for runner in (found.working, found.float64):
        runner.built = wayward(runner.built)
    return found


def test_a_model_that_differs_when_called_eagerly_has_both_its_values() -> None:
    one, other = sides(
        chain("one", layer("Identity")), chain("other", layer("Identity")), input_of(3)
    )
    _eager_doubles(other), _eager_doubles(one)
    examination = Examination(one, other, pair_weights((), ()), 0)
    witness = judge(examine(examination).observations).witness
    assert witness is not None
    assert witness.inconsistent == "reference"
    shown = shrink(one, other, (), (), witness, residue=False)
    assert (shown.execution, shown.index) == ("eager", (0, 0))
    assert (shown.input, shown.reference, shown.candidate) == ([[0.0] * 3], 0.0, 1.0)
