"""Scenarios become one report: every verdict once, and what goes wrong is told beside the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest

from layerlens.errors import UsageError
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.run.pipeline import Progress, compare_paths, compare_scenarios, summarize_paths
from layerlens.run.scenario import run_scenario
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import InputSpec, ModelSpec, Scenario

pytestmark = pytest.mark.usefixtures("backend")

OPTIONS = RunOptions()
DENSE = {"Dense": {"units": 3}}
RELU = {"Dense": {"units": 3, "activation": "relu"}}


def scenario(one: Any, other: Any, *shape: int | None, **more: Any) -> Scenario:
    data = {"input": {"shape": list(shape or (4,))}, "models": {"one": one, "other": other}}
    (found,) = scenario_from_mapping({**data, **more})
    return found


def ran(one: Any, other: Any, *shape: int | None, **more: Any) -> ScenarioReport:
    return run_scenario(scenario(one, other, *shape, **more), OPTIONS)


def pair_of(report: ScenarioReport) -> PairReport:
    assert report.errors == ()
    (pair,) = report.pairs
    return pair


# --- one scenario: every verdict ------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3), (0,), (2, 0)])
def test_outputs_without_elements_decide_nothing(shape: tuple[int, ...]) -> None:
    pair = pair_of(ran(["ReLU"], [{"Activation": "tanh"}], *shape))
    assert pair.verdict == "inconclusive"
    assert "no output element was compared: the outputs are empty" in pair.explanation


def test_equivalent_is_told_with_its_strength_and_why() -> None:
    pair = pair_of(ran([DENSE], [{"Conv1D": {"filters": 3, "kernel_size": 1}}], 5, 4))
    assert (pair.verdict, pair.strength) == ("equivalent", "certified")
    assert pair.explanation.startswith("`other` and `one` compute the same: ")
    assert pair.transfer is not None
    assert pair.transfer.method == "reshape"
    assert pair.transfer.pairs[0] == ("dense/kernel", "conv1d/kernel")
    assert pair.counterexample is None
    assert pair.compared
    assert pair.rounding is not None
    assert pair.probes


def test_different_is_shown_on_an_input() -> None:
    pair = pair_of(ran([DENSE], [RELU]))
    assert (pair.verdict, pair.strength) == ("different", None)
    shown = pair.counterexample
    assert shown is not None
    assert shown.reference < 0
    assert shown.candidate == 0
    assert pair.first_divergence is not None
    assert pair.explanation.startswith("`other` and `one` differ by up to ")
    assert not pair.only_at_initialization


def test_what_holds_on_fresh_weights_only_is_told() -> None:
    norm, relu = "BatchNormalization", "ReLU"
    pair = pair_of(ran([DENSE, norm, relu], [DENSE, relu, norm]))
    assert pair.verdict == "different"
    assert pair.only_at_initialization
    assert "They agree on the initial weights only." in pair.explanation


def test_shapes_are_told_before_weights() -> None:
    pair = pair_of(ran([DENSE], [{"Dense": {"units": 2}}]))
    assert pair.verdict == "shape_mismatch"
    assert pair.explanation.startswith(
        "`one` gives (None, 3) and `other` gives (None, 2), so their outputs cannot be compared "
        "element by element."
    )
    assert pair.max_abs is None
    assert pair.compared is None


def test_weights_without_a_partner_are_told_before_values() -> None:
    bare = {"Dense": {"units": 3, "use_bias": False}}
    pair = pair_of(ran([DENSE], [bare]))
    assert pair.verdict == "param_mismatch"
    assert "`other` has 3 params fewer than `one` (12 against 15)" in pair.explanation
    assert pair.transfer is not None
    assert pair.transfer.unmatched == ("dense/bias",)


def test_what_keras_refuses_is_told_with_its_layer() -> None:
    report = ran([DENSE], [{"LSTM": 3}])
    assert pair_of(report).verdict == "build_error"
    assert pair_of(report).explanation.startswith("Keras refuses `other` at layer `lstm`: ")
    assert report.models[0].error is None
    assert report.models[1].error is not None
    assert report.status == "pass"  # a result, not a fault


def test_nothing_compared_is_never_a_pass() -> None:
    empty = {"layers": [DENSE], "select": "[:, 0:0]"}
    pair = pair_of(ran(empty, empty))
    assert pair.verdict == "inconclusive"
    assert pair.strength is None
    assert "no output element was compared" in pair.explanation


def test_training_is_judged_on_its_own() -> None:
    more: dict[str, Any] = {"modes": ["inference", "training"]}
    dropout = {"Dropout": {"rate": 0.5}}
    inference, training = ran([DENSE], [DENSE, dropout], **more).pairs
    assert (inference.mode, inference.verdict) == ("inference", "equivalent")
    assert (training.mode, training.verdict) == ("training", "different")
    inference, training = ran([DENSE, dropout], [DENSE, dropout], **more).pairs
    assert (training.mode, training.verdict) == ("training", "equivalent")


def test_random_outputs_are_judged_by_distribution_where_streams_cannot_be_lined_up() -> None:
    drop = {"Dropout": {"rate": 0.5}}
    idle = {"Dropout": {"rate": 1e-30}}  # takes the first stream, and does nothing with it
    spatial = {"SpatialDropout1D": {"rate": 0.5}}
    alike = pair_of(ran([drop], [idle, drop], 6, 4, modes=["training"]))
    assert (alike.verdict, alike.strength) == ("equivalent", "weak")
    assert pair_of(ran([drop], [spatial], 6, 4, modes=["training"])).verdict == "different"


def test_words_are_compared() -> None:
    lookups = [{"StringLookup": {"vocabulary": ["a", end], "invert": True}} for end in "bc"]
    words: dict[str, Any] = {"input": {"shape": [2], "dtype": "int64", "low": 0, "high": 3}}
    assert pair_of(ran([lookups[0]], [lookups[0]], **words)).verdict == "equivalent"
    assert pair_of(ran([lookups[0]], [lookups[1]], **words)).verdict == "different"


@pytest.mark.parametrize("select", ["[0]", "[0, 1]", "[-1:]"])
def test_a_slice_may_take_samples(select: str) -> None:
    plain, capped = (
        {"layers": [layer], "select": select} for layer in ("ReLU", {"ReLU": {"max_value": 6.0}})
    )
    assert pair_of(ran(plain, plain)).verdict == "equivalent"
    assert pair_of(ran(plain, capped)).verdict == "different"


# --- called as people call it ---------------------------------------------------------------------


@keras.saving.register_keras_serializable("running")
class Fickle(keras.layers.Layer):  # type: ignore[misc]
    """Computes, or does, something else when it is traced."""

    def __init__(self, fails: bool = False, **more: Any) -> None:
        super().__init__(**more)
        self.fails = fails

    def call(self, inputs: Any) -> Any:
        if hasattr(inputs, "numpy") or isinstance(inputs, keras.KerasTensor):
            return inputs
        if self.fails:
            raise RuntimeError("it cannot be traced")
        return 2.0 * inputs

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "fails": self.fails}


def given(name: str, fails: bool) -> ModelSpec:
    model = keras.Sequential([keras.Input((4,)), Fickle(fails)])
    return ModelSpec(name, "object", given=model)


def of_objects(*models: ModelSpec) -> ScenarioReport:
    inputs = (InputSpec("input", (4,)),)
    return run_scenario(Scenario("<python>", "t", models, models[0].name, inputs=inputs), OPTIONS)


def test_a_model_that_changes_with_the_way_it_is_called_differs_even_from_itself() -> None:
    pair = pair_of(of_objects(given("one", False), given("other", False)))
    assert pair.verdict == "different"
    assert pair.explanation.startswith("`one` changes its own result when called eagerly")
    assert pair.counterexample is not None
    assert pair.counterexample.execution == "eager"


def test_a_model_that_cannot_be_called_is_a_build_error_of_that_execution() -> None:
    report = of_objects(given("one", True), given("other", True))
    pair = pair_of(report)
    assert pair.verdict == "build_error"
    assert "builds but cannot be called traced with" in pair.explanation
    assert "it cannot be traced" in pair.explanation
    assert report.models[0].error is not None


# --- expectations, scripts, faults ----------------------------------------------------------------


def test_expectations_decide_the_status() -> None:
    assert ran([DENSE], [DENSE], expect={"verdicts": {"other": "equivalent"}}).status == "pass"
    failed = ran([DENSE], [RELU], expect={"verdicts": {"other": "equivalent"}})
    assert failed.status == "fail"
    assert [row.held for row in failed.expectations] == [False]


def test_a_script_is_given_for_what_there_is_to_show() -> None:
    told: list[tuple[str, str]] = []

    def listen(pair: PairReport, script: str) -> None:
        told.append((pair.candidate, script))

    run_scenario(scenario([DENSE], [RELU]), OPTIONS, listen)
    ((candidate, script),) = told
    assert candidate == "other"
    compile(script, "script.py", "exec")
    told.clear()
    run_scenario(scenario([DENSE], [DENSE]), OPTIONS, listen)
    assert told == []


def test_too_large_a_model_is_refused_before_it_is_made() -> None:
    report = run_scenario(scenario([DENSE], [DENSE]), replace(OPTIONS, memory_limit=8))
    assert report.status == "error"
    (error,) = report.errors
    assert "memory" in error.message
    assert error.hint
    assert run_scenario(scenario([DENSE], [DENSE]), OPTIONS).status == "pass"


def test_a_fault_of_its_own_is_told_as_that_and_the_others_still_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide = Trial._decide

    def failing(self: Any, built: Any, candidate: str, mode: Any) -> Any:
        if self.scenario.title == "bad":
            built = None
        return decide(self, built, candidate, mode)

    monkeypatch.setattr(Trial, "_decide", failing)
    good = scenario([DENSE], [DENSE])
    report = compare_scenarios([replace(good, title="bad"), good], OPTIONS)
    assert report.status == "error"
    assert [one.status for one in report.scenarios] == ["error", "pass"]
    (error,) = report.scenarios[0].errors
    assert error.internal
    assert error.message.startswith("layerlens itself failed here: TypeError at trial.py:")


# --- files ----------------------------------------------------------------------------------------

GOOD = "title: good\ninput: {shape: [4]}\nmodels: {one: [Dense: 3], other: [Dense: 3]}\n"
BAD = "title: bad\ninput: {shape: [4]}\nmodels: {one: [Dens: 3], other: [Dense: 3]}\n"
MATRIX = (
    "input: {shape: [4]}\nmodels: {one: [Dense: 3], other: [Dense: '${units}']}\n"
    "matrix: {units: [3, 2]}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"a.yaml": GOOD, "b.yaml": BAD, "c.yml": MATRIX}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_file_at_fault_does_not_keep_the_others_from_running(folder: Path) -> None:
    told: list[Progress] = []
    report = compare_paths([folder], OPTIONS, told.append)
    assert report.status == "error"
    assert [(Path(one.path).name, one.cell, one.status) for one in report.scenarios] == [
        ("a.yaml", None, "pass"),
        ("b.yaml", None, "error"),
        ("c.yml", {"units": 3}, "pass"),
        ("c.yml", {"units": 2}, "pass"),
    ]
    (error,) = report.scenarios[1].errors
    assert (Path(str(error.file)).name, error.line, error.column) == ("b.yaml", 3, 16)
    assert [one.pairs[0].verdict for one in report.scenarios[2:]] == [
        "equivalent",
        "shape_mismatch",
    ]
    assert [(one.done, one.total) for one in told] == [(0, 3), (1, 3), (2, 3)]


def test_the_expected_verdict_counts_where_a_file_has_none(folder: Path) -> None:
    wanted = RunOptions(expect="shape_mismatch")
    report = compare_paths([folder / "c.yml", folder / "a.yaml"], wanted)
    assert report.status == "fail"
    assert [one.status for one in report.scenarios] == ["fail", "pass", "fail"]


def test_a_path_without_scenarios_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        compare_paths([tmp_path], OPTIONS)


def test_summaries_take_saved_models_too(folder: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    (folder / "saved.json").write_text(model.to_json())
    report = summarize_paths([folder / "a.yaml", folder / "saved.json"], OPTIONS)
    assert report.status == "pass"
    assert [[model.params for model in one.models] for one in report.scenarios] == [[15, 15], [15]]
    assert all(one.pairs == () for one in report.scenarios)
