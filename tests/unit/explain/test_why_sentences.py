"""Why a pair is as it is: what was tried, padding apart, sizes of graphs, and the sentences."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.explain.repair import read_back
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.run.scenario import run_scenario, summarize_scenario
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import LayerSpec

pytestmark = pytest.mark.usefixtures("backend")

EXPLAIN = RunOptions(explain=True)
TOKENS = {"shape": [6], "dtype": "int32", "low": 0, "high": 5}


def ran(models: dict[str, Any], given: Any = None, options: RunOptions = EXPLAIN) -> ScenarioReport:
    data = {"input": given or {"shape": [4, 3]}, "models": models}
    (scenario,) = scenario_from_mapping(data)
    report = run_scenario(scenario, options)
    assert report.errors == ()
    return report


def pair_of(report: ScenarioReport) -> PairReport:
    (pair,) = report.pairs
    return pair


def masked(**more: Any) -> list[Any]:
    return [
        {"Embedding": {"input_dim": 5, "output_dim": 2, "mask_zero": True}},
        {"SimpleRNN": {"units": 2, "return_sequences": True, **more}},
    ]


@pytest.fixture(scope="module")
def padded() -> ScenarioReport:
    return ran({"a": masked(), "b": masked(zero_output_for_mask=True)}, TOKENS)


@pytest.fixture(scope="module")
def wrapped() -> ScenarioReport:
    one = [{"TimeDistributed": {"layer": {"Dense": 2}}}]
    return ran({"td": one, "dense": [{"Dense": 2}]}, {"shape": [40, 3]})


# --- padding ----------------------------------------------------------------------------------


def test_a_difference_at_padded_steps_alone_is_told_as_that(padded: ScenarioReport) -> None:
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
def test_a_difference_at_valid_steps_is_told_too() -> None:
    pair = pair_of(ran({"a": masked(), "b": masked(activation="relu")}, TOKENS, RunOptions()))
    assert pair.masked is not None
    assert pair.masked.valid.mismatched > 0


def test_without_a_mask_there_is_nothing_to_tell_apart(wrapped: ScenarioReport) -> None:
    assert pair_of(wrapped).masked is None


# --- graphs -----------------------------------------------------------------------------------


def test_graphs_are_counted_where_they_were_traced(wrapped: ScenarioReport) -> None:
    td, dense = wrapped.models
    assert td.graph_ops is not None
    assert dense.graph_ops is not None
    assert td.graph_ops > 5 * dense.graph_ops
    assert td.layers[0].graph_ops is None  # layers only where that is asked for
    assert td.multiply_adds == dense.multiply_adds == 40 * 3 * 2


def test_a_loop_counts_once_and_its_body_counts() -> None:
    from layerlens.models.build.request import Built
    from layerlens.models.build_model import build_model
    from layerlens.models.execute.graph_size import with_graph_sizes
    from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec

    def size(steps: int, **more: Any) -> int:
        spec = ModelSpec("m", "layers", layers=(LayerSpec("SimpleRNN", {"units": 2, **more}),))
        built = build_model(spec, (InputSpec("x", (steps, 3)),))
        assert isinstance(built, Built)
        traced = with_graph_sizes(built.report, built)
        assert traced.graph_ops is not None
        assert traced.layers[0].graph_ops is not None
        return traced.graph_ops

    assert size(5) == size(50) > 40
    assert size(10, unroll=True) > 1.5 * size(5, unroll=True)


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


# --- what would mend it -----------------------------------------------------------------------


def test_the_one_argument_that_matters_is_found_by_trying(padded: ScenarioReport) -> None:
    told = pair_of(padded).why[-1]
    change = "leave out `zero_output_for_mask` at `simple_rnn`"
    assert told.startswith(f"To make them agree, in `b`: {change} (tried: all ")


def test_what_does_not_matter_is_not_asked_for() -> None:
    def gru(**more: Any) -> list[Any]:
        return [{"GRU": {"units": 2, **more}}, {"Dense": 2}]

    report = ran({"a": gru(), "b": [*gru(reset_after=False, dropout=0.5)[:1], {"Dense": 2}]})
    pair = pair_of(report)
    assert pair.verdict == "param_mismatch"
    told = pair.why[-1]
    assert "in `b`: leave out `reset_after` at `gru` (tried" in told
    assert "not needed was: leave out `dropout` at `gru`" in told


def test_layers_are_put_in_taken_out_and_replaced() -> None:
    one = [{"Dense": 3}, {"LayerNormalization": {}}, {"Activation": "relu"}]
    other = [{"Dense": 3}, {"Activation": "elu"}, {"Dropout": 0.5}]
    told = pair_of(ran({"a": one, "b": other})).why[-1]
    assert "add `LayerNormalization` after `dense`" in told
    assert "set `activation: relu` at `activation`" in told
    assert "not needed was: leave out `dropout` (Dropout)" in told


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

    told = pair_of(ran({"a": model("relu"), "b": model("elu")})).why[-1]
    assert "set `activation: relu` at the `layer` of `td` (tried" in told


@pytest.mark.nightly
def test_a_wrapper_stays_where_the_layer_in_it_is_what_differs() -> None:
    relu = {"Dense": {"units": 2, "activation": "relu"}}
    elu = {"Dense": {"units": 2, "activation": "elu"}}
    for one, other in (
        ([relu], [{"TimeDistributed": {"layer": elu}}]),
        ([{"TimeDistributed": {"layer": relu}}], [elu]),
    ):
        told = pair_of(ran({"a": one, "b": other})).why[-1]
        assert "in `b`: set `activation: relu` at `" in told
        assert "not needed was: write `" in told


def test_what_even_the_references_layers_do_not_mend_is_not_claimed() -> None:
    one = {"layers": [{"Dense": 2}], "select": "[:, -1]"}
    other = {"layers": [{"Dense": {"units": 2, "activation": "relu"}}], "select": "[:, 0]"}
    pair = pair_of(ran({"a": one, "b": other}))
    assert pair.verdict == "different"
    assert not any("To make them agree" in sentence for sentence in pair.why)


def test_nothing_is_tried_unless_asked(padded: ScenarioReport) -> None:
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
    told = pair.why[-1]
    assert told.count("set `") + told.count("write `") == 2
    assert "not needed" not in told
    assert "not settled" not in told


def test_weights_that_are_given_go_with_their_layer() -> None:
    given = {"bn/gamma": [3, 1], "bn/beta": [0, 1]}
    scaled = {"layers": [{"BatchNormalization": {"name": "bn"}}, "ReLU"], "weights": given}
    pair = pair_of(ran({"bare": ["ReLU"], "scaled": scaled}, {"shape": [2]}))
    told = pair.why[-1]
    assert "leave out `bn` (BatchNormalization) and its `weights:` (`bn/gamma`, `bn/beta`)" in told


def test_a_trial_that_cannot_be_made_is_no_fault_of_the_file() -> None:
    # Made as the reference is, the layer has no bias to give values to.
    one = [{"Dense": {"units": 2, "use_bias": False}}, {"Dense": 2}]
    other = {"layers": [{"Dense": 2}, {"Dense": 2}], "weights": {"dense/bias": [0, 1]}}
    report = ran({"a": one, "b": other}, {"shape": [2]})
    assert pair_of(report).verdict == "different"
    assert not any("To make them agree" in sentence for sentence in pair_of(report).why)


@pytest.mark.nightly
def test_what_is_set_can_be_typed_in() -> None:
    def rnn(cell: Any) -> list[Any]:
        return [{"TimeDistributed": {"layer": {"RNN": {"cell": cell}}}}]

    cell = {"SimpleRNNCell": 2}
    models = {"two": rnn([cell, cell]), "one": rnn(cell)}
    told = pair_of(ran(models, {"shape": [2, 2, 2]})).why[-1]
    set_ = "set `cell: [{SimpleRNNCell: {units: 2}}, {SimpleRNNCell: {units: 2}}]`"
    assert f"{set_} at the `layer` of `time_distributed` (tried" in told


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
def test_what_is_written_is_read_as_the_same_layer(layer: LayerSpec) -> None:
    assert _without_places(read_back(layer)) == layer


def _without_places(value: Any) -> Any:
    if isinstance(value, LayerSpec):
        given = {name: _without_places(item) for name, item in value.arguments.items()}
        return LayerSpec(value.type, given)
    return tuple(map(_without_places, value)) if isinstance(value, tuple) else value


# --- the sentences ----------------------------------------------------------------------------


def test_an_equivalent_pair_is_told_from_its_own_figures(wrapped: ScenarioReport) -> None:
    pair = pair_of(wrapped)
    td, dense = wrapped.models
    assert pair.why[:2] == (
        "In `dense` and `td` no layer is configured the same, both have 8 params and both give "
        "(None, 40, 2).",
        "What differs: `dense` (Dense) stands for `time_distributed` (TimeDistributed).",
    )
    assert f"all {pair.compared:,} outputs compared agree, and exact arithmetic" in pair.why[2]
    sizes = f"`td` takes a graph of {td.graph_ops:,} operations for it, `dense` one of "
    assert f"{sizes}{dense.graph_ops:,}" in pair.why[3]


def test_a_different_pair_says_where(padded: ScenarioReport) -> None:
    pair = pair_of(padded)
    assert pair.why[1] == (
        "What differs: `simple_rnn` has zero_output_for_mask true (in `a` false)."
    )
    assert pair.why[2].startswith(f"So {pair.mismatched:,} of {pair.compared:,} outputs differ")
    assert "all of them at padded steps; they part at `simple_rnn`, fed the same" in pair.why[2]


def test_what_keras_refuses_is_told_with_what_mends_it() -> None:
    report = ran({"a": [{"Dense": 2}], "b": [{"Flatten": {}}, {"GRU": {"units": 2}}]})
    assert pair_of(report).why[0].startswith("Keras refuses `b` at `gru`")
    given = {"shape": [8, 1], "dtype": "uint8"}
    conv = {"Conv1D": {"filters": 2, "kernel_size": 3}}
    report = ran({"a": [{"Rescaling": 1.0}, conv], "b": [conv]}, given)
    assert pair_of(report).why[0] == (
        "`b` builds, but `conv1d` fails when it is called, so its outputs could not be compared."
    )
    assert "is given uint8" in pair_of(report).why[1]


def test_a_failure_beside_one_model_says_nothing_of_another_pair() -> None:
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


def test_how_many_params_are_trained_is_told_where_only_that_differs() -> None:
    one = [{"Dense": 3}, {"Dense": 2}]
    other = [{"Dense": {"units": 3, "trainable": False}}, {"Dense": 2}]
    told = " ".join(pair_of(ran({"open": one, "frozen": other}, options=RunOptions())).why)
    assert (
        "No count of params differs, only how many are trained: 8 of 20 in `frozen` and 20 in "
        "`open`." in told
    )
    assert "In params that is" not in told


def test_layers_that_do_not_tell_their_configuration_are_not_called_alike() -> None:
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
    told = " ".join(pair.why)
    assert "every layer is configured the same" not in told
    assert "`scale` and `scale_1` do not tell their configuration." in told


def test_steps_are_told_where_they_were_measured() -> None:
    models = {
        "a": [{"Dense": 2}],
        "b": [{"Conv1D": {"filters": 2, "kernel_size": 3, "padding": "causal"}}],
    }
    report = ran(models, options=RunOptions(deps=True))
    assert any(
        "an output step of `dense` in `a` depends on its own input step alone, one of `conv1d` in "
        "`b` on its own and earlier input steps" in sentence[:1].lower() + sentence[1:]
        for sentence in pair_of(report).why
    )
    (row,) = report.diffs[0].layers
    assert "mixes" in row.differs


def test_a_tolerance_and_several_modes_are_told_as_what_the_judgement_holds_for() -> None:
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
    told = far.why[-1]
    assert told.startswith("To make them agree in inference, in `c`: set `activation: sigmoid`")
    assert "agree within the tolerance; not needed was: leave out `dropout`" in told
