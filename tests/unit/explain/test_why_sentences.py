"""Sentences on why a pair differs or agrees: padding, sizes of graphs, layers and results."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.report.run import ScenarioReport
from layerlens.run.scenario import run_scenario, summarize_scenario
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from tests.unit.tables.explained import EXPLAIN, TOKENS, masked, pair_of, ran

pytestmark = pytest.mark.usefixtures("backend")

# --- padding ----------------------------------------------------------------------------------


def test_a_difference_at_padded_steps_only(padded: ScenarioReport) -> None:
    found = pair_of(padded).masked
    assert found is not None
    assert (found.model, found.layer) == ("a", "simple_rnn")
    assert (found.valid.max_abs, found.valid.mismatched) == (0, 0)
    assert found.padded.mismatched > 0
    assert found.padded.float64_max_abs == pytest.approx(found.padded.max_abs, rel=1e-3)
    pair = pair_of(padded)
    assert found.valid.compared + found.padded.compared == pair.compared
    assert found.padded.mismatched == pair.mismatched


@pytest.mark.nightly
def test_a_difference_at_valid_steps() -> None:
    pair = pair_of(ran({"a": masked(), "b": masked(activation="relu")}, TOKENS, RunOptions()))
    assert pair.masked is not None
    assert pair.masked.valid.mismatched > 0


def test_without_a_mask_steps_are_not_separated(wrapped: ScenarioReport) -> None:
    assert pair_of(wrapped).masked is None


# --- graphs -----------------------------------------------------------------------------------


def test_traced_graphs_are_counted(wrapped: ScenarioReport) -> None:
    td, dense = wrapped.models
    assert td.graph_ops is not None
    assert dense.graph_ops is not None
    assert td.graph_ops > 5 * dense.graph_ops
    assert td.layers[0].graph_ops is None  # layers only where that is asked for
    assert td.multiply_adds == dense.multiply_adds == 40 * 3 * 2


def test_a_summary_traces_nothing_unless_asked() -> None:
    (scenario,) = scenario_from_mapping(
        {
            "input": {"shape": [4, 3]},
            "models": {
                "a": [{"Dense": 2}],
                "b": [{"TimeDistributed": {"layer": {"Dense": 2}}}],
            },
        }
    )
    plain, _ = summarize_scenario(scenario, RunOptions()).models
    traced, wrapped = summarize_scenario(scenario, RunOptions(graph=True)).models
    assert (plain.graph_ops, plain.layers[0].graph_ops) == (None, None)
    assert traced.graph_ops
    assert traced.layers[0].graph_ops
    assert wrapped.layers[0].graph_ops
    assert wrapped.layers[0].graph_ops > traced.layers[0].graph_ops
    assert plain.multiply_adds == traced.multiply_adds == 24


# --- the sentences ----------------------------------------------------------------------------


def test_sentences_on_an_equivalent_pair(wrapped: ScenarioReport) -> None:
    pair = pair_of(wrapped)
    td, dense = wrapped.models
    assert pair.why[:2] == (
        "In `dense` and `td`, no layer has the same configuration, both have 8 params and both "
        "return (None, 40, 2).",
        "What differs: `dense` (Dense) replaces `time_distributed` (TimeDistributed).",
    )
    assert f"all {pair.compared:,} outputs compared agree, and exact arithmetic" in pair.why[2]
    sizes = f"`td` computes it with a graph of {td.graph_ops:,} operations, `dense` with "
    assert f"{sizes}{dense.graph_ops:,}" in pair.why[3]


def test_sentences_on_a_different_pair(padded: ScenarioReport) -> None:
    pair = pair_of(padded)
    assert pair.why[1] == (
        "What differs: `simple_rnn` has zero_output_for_mask true (in `a` false)."
    )
    assert pair.why[2].startswith(f"So {pair.mismatched:,} of {pair.compared:,} outputs differ")
    first = "all of them at padded steps; they first differ at `simple_rnn`, with the same inputs"
    assert first in pair.why[2]


def test_a_refusal_has_its_remedy() -> None:
    report = ran({"a": [{"Dense": 2}], "b": [{"Flatten": {}}, {"GRU": {"units": 2}}]})
    assert pair_of(report).why[0].startswith("Keras refuses `b` at `gru`")
    given = {"shape": [8, 1], "dtype": "uint8"}
    conv = {"Conv1D": {"filters": 2, "kernel_size": 3}}
    report = ran({"a": [{"Rescaling": 1.0}, conv], "b": [conv]}, given)
    assert pair_of(report).why[0] == (
        "`b` builds, but `conv1d` fails when it is called, so its outputs could not be compared."
    )
    assert "receives uint8" in pair_of(report).why[1]


def test_a_failure_in_one_mode_does_not_change_the_other() -> None:
    import keras

    from layerlens import compare

    class Picky(keras.layers.Layer):
        def call(self, given: Any, training: bool = False) -> Any:
            return keras.ops.reshape(given, (3, -1)) if training else given

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    models = {"a": keras.layers.Identity(), "b": Picky()}
    report = compare(models, inputs=(4,), mode=("inference", "training"))
    calm, failed = report.scenarios[0].pairs
    assert calm.verdict == "equivalent"
    assert "fails" not in " ".join(calm.why)
    assert failed.verdict != "equivalent"


def test_counts_of_trained_params_are_named_if_only_they_differ() -> None:
    one = [{"Dense": 3}, {"Dense": 2}]
    other = [{"Dense": {"units": 3, "trainable": False}}, {"Dense": 2}]
    text = " ".join(pair_of(ran({"open": one, "frozen": other}, options=RunOptions())).why)
    assert (
        "No count of params differs, only how many are trained: 8 of 20 in `frozen` and 20 in "
        "`open`." in text
    )
    assert "The params differ by" not in text


def test_layers_of_unknown_configuration_are_not_called_the_same() -> None:
    import keras

    from layerlens import compare

    class Scale(keras.layers.Layer):
        def __init__(self, by: float):
            super().__init__()
            self.by = by

        def call(self, given: Any) -> Any:
            return given * self.by

        def get_config(self) -> Any:
            raise NotImplementedError

    (pair,) = compare({"a": Scale(1.0), "b": Scale(2.0)}, inputs=(3,)).scenarios[0].pairs
    text = " ".join(pair.why)
    assert "all layers have the same configuration" not in text
    assert "`scale` and `scale_1` have no known configuration." in text


def test_measured_steps_are_reported() -> None:
    models = {
        "a": [{"Dense": 2}],
        "b": [{"Conv1D": {"filters": 2, "kernel_size": 3, "padding": "causal"}}],
    }
    report = ran(models, options=RunOptions(deps=True))
    assert any(
        "an output step of `dense` in `a` depends only on its own input step, one of `conv1d` in "
        "`b` on its own and earlier input steps" in sentence[:1].lower() + sentence[1:]
        for sentence in pair_of(report).why
    )
    (row,) = report.diffs[0].layers
    assert "mixes" in row.differs


def test_a_tolerance_and_the_mode_are_named() -> None:
    (scenario,) = scenario_from_mapping(
        {
            "input": {"shape": [3]},
            "tolerance": {"rtol": 0.1, "atol": 0.1},
            "modes": ["inference", "training"],
            "models": {
                "a": [{"Activation": "sigmoid"}],
                "b": [{"Activation": "hard_sigmoid"}],
                "c": [{"Activation": "tanh"}, {"Dropout": 0.5}],
            },
        }
    )
    near, _, far, _ = run_scenario(scenario, EXPLAIN).pairs
    assert near.why[2].endswith("outputs compared agree within the tolerance.")
    text = far.why[-1]
    assert text.startswith("To make them agree in inference, in `c`: set `activation: sigmoid`")
    assert "agree within the tolerance; not needed was: remove `dropout`" in text
