"""Repairs: the fewest changes that make a candidate agree, found by trying them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from layerlens.explain.repair import find_repair, read_back
from layerlens.report.diffs import LayerChange, ModelsDiff
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import LayerSpec, ModelSpec
from layerlens.vocabulary import Verdict
from tests.unit.tables.explained import pair_of, ran

pytestmark = pytest.mark.usefixtures("backend")


def test_the_one_argument_that_matters_is_found(padded: ScenarioReport) -> None:
    text = pair_of(padded).why[-1]
    change = "remove `zero_output_for_mask` in `simple_rnn`"
    assert text.startswith(f"To make them agree, in `b`: {change} (tried: all ")


def test_changes_that_do_not_matter_are_listed_as_not_needed() -> None:
    def gru(**more: Any) -> list[Any]:
        return [{"GRU": {"units": 2, **more}}, {"Dense": 2}]

    report = ran({"a": gru(), "b": [*gru(reset_after=False, dropout=0.5)[:1], {"Dense": 2}]})
    pair = pair_of(report)
    assert pair.verdict == "param_mismatch"
    text = pair.why[-1]
    assert "in `b`: remove `reset_after` in `gru` (tried" in text
    assert "not needed was: remove `dropout` in `gru`" in text


def test_layers_are_added_left_out_and_changed() -> None:
    one = [{"Dense": 3}, {"LayerNormalization": {}}, {"Activation": "relu"}]
    other = [{"Dense": 3}, {"Activation": "elu"}, {"Dropout": 0.5}]
    text = pair_of(ran({"a": one, "b": other})).why[-1]
    assert "add `LayerNormalization` after `dense`" in text
    assert "set `activation: relu` in `activation`" in text
    assert "not needed was: remove `dropout` (Dropout)" in text


def test_arguments_inside_a_wrapper_and_nodes_of_a_graph() -> None:
    def model(kind: str) -> dict[str, Any]:
        inner = {"Dense": {"units": 2, "activation": kind}}
        return {
            "graph": {
                "td": {"TimeDistributed": {"layer": inner}, "from": ["input"]},
                "sum": {"Add": {}, "from": ["td", "td"]},
            },
            "outputs": ["sum"],
        }

    text = pair_of(ran({"a": model("relu"), "b": model("elu")})).why[-1]
    assert "set `activation: relu` in the `layer` of `td` (tried" in text


@pytest.mark.nightly
def test_a_wrapper_stays_if_only_its_inner_layer_differs() -> None:
    relu = {"Dense": {"units": 2, "activation": "relu"}}
    elu = {"Dense": {"units": 2, "activation": "elu"}}
    for one, other in (
        ([relu], [{"TimeDistributed": {"layer": elu}}]),
        ([{"TimeDistributed": {"layer": relu}}], [elu]),
    ):
        text = pair_of(ran({"a": one, "b": other})).why[-1]
        assert "in `b`: set `activation: relu` in `" in text
        assert "not needed was: replace `" in text


def test_no_repair_is_claimed_if_the_references_layers_do_not_suffice() -> None:
    one = {"layers": [{"Dense": 2}], "select": "[:, -1]"}
    other = {"layers": [{"Dense": {"units": 2, "activation": "relu"}}], "select": "[:, 0]"}
    pair = pair_of(ran({"a": one, "b": other}))
    assert pair.verdict == "different"
    assert not any("To make them agree" in sentence for sentence in pair.why)


def test_nothing_is_tried_without_the_option() -> None:
    models = {"a": [{"Dense": 2}], "b": [{"Dense": {"units": 2, "activation": "relu"}}]}
    why = pair_of(ran(models, options=RunOptions())).why
    assert why
    assert not any("To make them agree" in sentence for sentence in why)


@pytest.mark.parametrize(
    ("one", "other", "given"),
    [
        # At one step the windows are alike; only an activation would seem to differ.
        (
            [{"AveragePooling1D": {"pool_size": 3, "strides": 1, "padding": "same"}}, "ReLU"],
            [{"AveragePooling1D": {"pool_size": 5, "strides": 1, "padding": "same"}}, "Identity"],
            {"shape": [None, 1]},
        ),
        # One value in 60,000 meets the boundary.
        (
            [{"Discretization": {"bin_boundaries": [50, 40000]}}, {"Rescaling": 1.0}],
            [{"Discretization": {"bin_boundaries": [50, 40001]}}, {"Rescaling": 0.5}],
            {"shape": [2], "dtype": "int32", "low": 0, "high": 60000},
        ),
        # A cap that only large inputs meet.
        (
            [{"ReLU": {"max_value": 900}}, {"Rescaling": 1.0}],
            [{"ReLU": {"max_value": 901}}, {"Rescaling": 2.0}],
            {"shape": [2]},
        ),
    ],
)
def test_a_change_that_few_inputs_show_is_needed(
    one: list[Any], other: list[Any], given: dict[str, Any]
) -> None:
    pair = pair_of(ran({"a": one, "b": other}, given))
    assert pair.verdict == "different"
    text = pair.why[-1]
    assert text.count("set `") + text.count("replace `") == 2
    assert "not needed" not in text
    assert "not known to be needed" not in text


def test_given_weights_are_left_out_with_their_layer() -> None:
    given = {"bn/gamma": [3, 1], "bn/beta": [0, 1]}
    scaled = {"layers": [{"BatchNormalization": {"name": "bn"}}, "ReLU"], "weights": given}
    pair = pair_of(ran({"bare": ["ReLU"], "scaled": scaled}, {"shape": [2]}))
    text = pair.why[-1]
    assert "remove `bn` (BatchNormalization) and its `weights:` (`bn/gamma`, `bn/beta`)" in text


def test_a_trial_that_cannot_be_built_is_not_an_error() -> None:
    # Made as the reference is, the layer has no bias to give values to.
    one = [{"Dense": {"units": 2, "use_bias": False}}, {"Dense": 2}]
    other = {"layers": [{"Dense": 2}, {"Dense": 2}], "weights": {"dense/bias": [0, 1]}}
    report = ran({"a": one, "b": other}, {"shape": [2]})
    assert pair_of(report).verdict == "different"
    assert not any("To make them agree" in sentence for sentence in pair_of(report).why)


@pytest.mark.nightly
def test_a_list_of_cells_is_written_as_yaml() -> None:
    def rnn(cell: Any) -> list[Any]:
        return [{"TimeDistributed": {"layer": {"RNN": {"cell": cell}}}}]

    cell = {"SimpleRNNCell": 2}
    models = {"two": rnn([cell, cell]), "one": rnn(cell)}
    text = pair_of(ran(models, {"shape": [2, 2, 2]})).why[-1]
    set_ = "set `cell: [{SimpleRNNCell: {units: 2}}, {SimpleRNNCell: {units: 2}}]`"
    assert f"{set_} at the `layer` of `time_distributed` (tried" in text


@pytest.mark.parametrize(
    "layer",
    [
        LayerSpec("ReLU"),
        LayerSpec("Dense", {"units": 4, "kernel_initializer": "he_normal", "use_bias": False}),
        LayerSpec("Reshape", {"target_shape": (-1, 3)}),
        LayerSpec("Rescaling", {"scale": 1e-07, "offset": float("-inf")}),
        LayerSpec("StringLookup", {"vocabulary": ("true", "1", "a b", "ü: [", "\x1b\u2028", "")}),
        LayerSpec("Normalization", {"axis": None, "mean": (1.0, 2.5), "variance": 1.0}),
        LayerSpec(
            "TimeDistributed",
            {"layer": LayerSpec("Bidirectional", {"layer": LayerSpec("LSTM", {"units": 2})})},
        ),
        LayerSpec(
            "Dense",
            {
                "units": 2,
                "kernel_initializer": {"class_name": "RandomNormal", "config": {"stddev": 0.1}},
            },
        ),
    ],
)
def test_a_written_layer_is_read_as_the_same_layer(layer: LayerSpec) -> None:
    assert _without_places(read_back(layer)) == layer


def _without_places(value: Any) -> Any:
    if isinstance(value, LayerSpec):
        given = {name: _without_places(item) for name, item in value.arguments.items()}
        return LayerSpec(value.type, given)
    return tuple(map(_without_places, value)) if isinstance(value, tuple) else value


# --- trials judged by hand ------------------------------------------------------------------------


def layers(name: str, *specs: LayerSpec) -> ModelSpec:
    return ModelSpec(name, "layers", layers=specs)


def rows(*names: str) -> tuple[LayerChange, ...]:
    return tuple(LayerChange("changed", name, name, n, n) for n, name in enumerate(names))


REFERENCE = layers(
    "a",
    LayerSpec("Dense", {"units": 2, "activation": "relu"}),
    LayerSpec("Dropout", {"rate": 0.5}),
)
CANDIDATE = layers("b", LayerSpec("Dense", {"units": 2}), LayerSpec("Dropout", {"rate": 0.1}))
DIFF = ModelsDiff("a", "b", rows("dense", "dropout"))
TABLE = ModelReport("b", None, None, None, None, ())


def judged(verdict: Verdict) -> PairReport:
    return PairReport("a", "b", "inference", verdict, None, "")


def test_changes_without_effect_are_unneeded() -> None:
    tried: list[ModelSpec] = []

    def judge(changed: ModelSpec) -> PairReport:
        tried.append(changed)
        right = changed.layers[0].arguments.get("activation") == "relu"
        return judged("equivalent" if right else "different")

    repair = find_repair(REFERENCE, CANDIDATE, TABLE, DIFF, judge)
    assert repair is not None
    assert repair.changes == ("set `activation: relu` in `dense`",)
    assert repair.unneeded == ("set `rate: 0.5` in `dropout`",)
    assert repair.unsettled == ()
    assert repair.report.verdict == "equivalent"
    assert len(tried) == len({repr(spec) for spec in tried})  # each candidate is judged once


def test_a_change_without_a_verdict_is_unsettled() -> None:
    def judge(changed: ModelSpec) -> PairReport:
        whole = [dict(layer.arguments) for layer in changed.layers]
        all_made = whole == [dict(layer.arguments) for layer in REFERENCE.layers]
        return judged("equivalent" if all_made else "inconclusive")

    repair = find_repair(REFERENCE, CANDIDATE, TABLE, DIFF, judge)
    assert repair is not None
    assert len(repair.changes) == 2
    assert repair.unsettled == repair.changes


@pytest.mark.parametrize("verdict", ["different", "inconclusive"])
def test_without_an_equivalent_trial_there_is_no_repair(verdict: Verdict) -> None:
    assert find_repair(REFERENCE, CANDIDATE, TABLE, DIFF, lambda _: judged(verdict)) is None
    assert find_repair(REFERENCE, CANDIDATE, TABLE, DIFF, lambda _: None) is None


def test_models_without_layers_to_change_are_not_tried() -> None:
    def judge(_: ModelSpec) -> PairReport:
        raise AssertionError("nothing is to be judged")

    other = replace(CANDIDATE, form="object")
    assert find_repair(REFERENCE, other, TABLE, DIFF, judge) is None
    assert find_repair(REFERENCE, REFERENCE, TABLE, DIFF, judge) is None
