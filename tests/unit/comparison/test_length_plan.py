"""Open axes are tried at lengths beyond the receptive fields, or the report says they are not."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens import compare
from layerlens.comparison import by_running
from layerlens.comparison.length_plan import _fallbacks
from layerlens.models.execute import lengths
from layerlens.proof.graphs import Unproved
from layerlens.report.pairs import PairReport
from layerlens.run.pipeline import compare_scenarios
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")

FAR = {"Conv1D": {"filters": 1, "kernel_size": 2, "padding": "causal", "dilation_rate": 600}}
CAPPED = {"one": [FAR, {"ReLU": {"max_value": 6.0}}], "other": [FAR, {"Activation": "relu6"}]}


def judged(models: Any, *shape: int | None, **more: Any) -> PairReport:
    data = {"input": {"shape": list(shape)}, "models": models, **more}
    (scenario,) = compare_scenarios(scenario_from_mapping(data), RunOptions()).scenarios
    assert scenario.errors == ()
    return scenario.pairs[0]


def objects(one: Any, other: Any) -> PairReport:
    (scenario,) = compare({"one": one, "other": other}, inputs=(None, 1)).scenarios
    assert scenario.errors == ()
    return scenario.pairs[0]


def model(*layers: Any) -> Any:
    import keras

    return keras.Sequential([keras.Input((None, 1)), *layers])


def test_shorter_lengths_follow_where_a_length_is_refused() -> None:
    assert list(_fallbacks({1: 400, 2: 9})) == [
        {1: 400, 2: 9},
        {1: 400, 2: 400},
        {1: 200, 2: 9},
        {1: 100, 2: 9},
    ]


def test_a_far_kernel_is_seen_at_the_length_that_reaches_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(by_running, "certify", lambda *_, **__: Unproved("not tried"))
    pair = judged(CAPPED, None, 1)
    assert (pair.verdict, pair.strength, pair.unseen) == ("equivalent", "tested", ())
    assert any("length 603" in row.name for row in pair.probes)


def test_a_kernel_that_no_length_reached_makes_the_pass_weak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(by_running, "certify", lambda *_, **__: Unproved("not tried"))
    monkeypatch.setattr(lengths, "MOST_SCALARS", 500)
    pair = judged(CAPPED, None, 1)
    assert (pair.verdict, pair.strength) == ("equivalent", "weak")
    assert pair.unseen == ("conv1d/kernel",)
    assert "receptive field of the layers is 601 steps" in pair.explanation
    assert "lengths up to 11 were tried" in pair.explanation


def test_a_pool_that_no_length_filled_makes_the_pass_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "MOST_SCALARS", 500)
    pools = [
        {"MaxPooling1D": {"pool_size": n, "strides": 1, "padding": "same"}} for n in (800, 801)
    ]
    pair = judged({"one": [pools[0]], "other": [pools[1]]}, None, 1)
    assert (pair.verdict, pair.strength) == ("equivalent", "weak")
    assert pair.unseen == ("max_pooling1d",)
    assert "receptive field of the layers is 801 steps" in pair.explanation


def test_a_length_that_only_one_model_takes_does_not_hide_where_they_differ() -> None:
    models = {"one": ["GlobalMaxPooling1D"], "other": [{"MaxPooling1D": 40}, "GlobalMaxPooling1D"]}
    assert judged(models, None, 1).verdict == "different"


def test_a_stride_behind_other_strides_is_seen_at_each_remainder() -> None:
    """All lengths up to 64 become 1 there, and so do most beyond the receptive field odd."""
    halved: dict[str, Any] = {"Conv1D": {"filters": 2, "kernel_size": 1, "strides": 2}}
    last = {"filters": 2, "kernel_size": 3, "strides": 2}
    models: dict[str, Any] = {
        "same": [*[halved] * 6, {"Conv1D": {**last, "padding": "same"}}],
        "fixed": [*[halved] * 6, {"ZeroPadding1D": 1}, {"Conv1D": last}],
    }
    assert judged(models, None, 2).verdict == "different"


@pytest.mark.nightly
def test_recurrent_layers_are_given_weights_that_remember() -> None:
    """Others forget the first of 62 steps beyond float64's precision."""
    import keras

    given = keras.Input((None, 1))
    last = keras.Model(given, keras.layers.GRU(2)(given[:, -60:]))
    pair = objects(model(keras.layers.GRU(2)), last)
    assert pair.verdict == "different"
    assert "length 63" in pair.explanation


def test_the_reach_of_a_custom_layer_is_read_from_its_code() -> None:
    import keras

    def last(count: int) -> Any:
        return keras.layers.Lambda(lambda t: keras.ops.sum(t[:, -count:], axis=1), name="last")

    assert objects(model(last(90)), model(last(91))).verdict == "different"
    same = objects(model(last(90)), model(last(90)))
    assert same.verdict == "equivalent"
    assert "receptive field of `last` is unknown" in same.explanation
    assert "lengths up to 91 were tried" in same.explanation
