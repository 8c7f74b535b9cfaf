"""Two models that are built and compared: every verdict once."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from layerlens.report.run import ScenarioReport
from layerlens.run.scenario import run_scenario
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import InputSpec, ModelSpec, Scenario
from tests.unit.tables.two_models import DENSE, RELU, pair_of, run_two

pytestmark = pytest.mark.usefixtures("backend")

OPTIONS = RunOptions()


@pytest.mark.parametrize("shape", [(0, 3), (0,), (2, 0)])
def test_outputs_without_elements_decide_nothing(shape: tuple[int, ...]) -> None:
    pair = pair_of(run_two(["ReLU"], [{"Activation": "tanh"}], *shape))
    assert pair.verdict == "inconclusive"
    assert "no output element was compared: the outputs are empty" in pair.explanation


def test_equivalent_is_told_with_its_strength_and_why() -> None:
    pair = pair_of(run_two([DENSE], [{"Conv1D": {"filters": 3, "kernel_size": 1}}], 5, 4))
    assert (pair.verdict, pair.strength) == ("equivalent", "certified")
    assert pair.explanation.startswith("`other` and `one` compute the same: ")
    assert pair.transfer is not None
    assert pair.transfer.method == "reshape"
    assert pair.transfer.pairs[0] == ("dense/kernel", "conv1d/kernel")
    assert pair.counterexample is None
    assert pair.compared
    assert pair.rounding is None  # nothing was measured in float64
    assert pair.probes


def test_different_is_shown_on_an_input() -> None:
    pair = pair_of(run_two([DENSE], [RELU]))
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
    pair = pair_of(run_two([DENSE, norm, relu], [DENSE, relu, norm]))
    assert pair.verdict == "different"
    assert pair.only_at_initialization
    assert "They agree only on the initial weights." in pair.explanation


def test_shapes_are_told_before_weights() -> None:
    pair = pair_of(run_two([DENSE], [{"Dense": {"units": 2}}]))
    assert pair.verdict == "shape_mismatch"
    assert pair.explanation.startswith(
        "`one` gives (None, 3) and `other` gives (None, 2), so their outputs cannot be compared "
        "element by element."
    )
    assert pair.max_abs is None
    assert pair.compared is None


def test_weights_without_a_partner_are_told_before_values() -> None:
    bare = {"Dense": {"units": 3, "use_bias": False}}
    pair = pair_of(run_two([DENSE], [bare]))
    assert pair.verdict == "param_mismatch"
    assert "`other` has 3 params fewer than `one` (12 against 15)" in pair.explanation
    assert pair.transfer is not None
    assert pair.transfer.unmatched == ("dense/bias",)


def test_what_keras_refuses_is_told_with_its_layer() -> None:
    report = run_two([DENSE], [{"LSTM": 3}])
    assert pair_of(report).verdict == "build_error"
    assert pair_of(report).explanation.startswith("Keras refuses `other` at layer `lstm`: ")
    assert report.models[0].error is None
    assert report.models[1].error is not None
    assert report.status == "unchecked"  # a result, not a fault


def test_nothing_compared_is_never_a_pass() -> None:
    empty = {"layers": [DENSE], "select": "[:, 0:0]"}
    pair = pair_of(run_two(empty, empty))
    assert pair.verdict == "inconclusive"
    assert pair.strength is None
    assert "no output element was compared" in pair.explanation


def test_training_is_judged_on_its_own() -> None:
    more: dict[str, Any] = {"modes": ["inference", "training"]}
    dropout = {"Dropout": {"rate": 0.5}}
    inference, training = run_two([DENSE], [DENSE, dropout], **more).pairs
    assert (inference.mode, inference.verdict) == ("inference", "equivalent")
    assert (training.mode, training.verdict) == ("training", "different")
    inference, training = run_two([DENSE, dropout], [DENSE, dropout], **more).pairs
    assert (training.mode, training.verdict) == ("training", "equivalent")


def test_random_outputs_are_judged_by_distribution_where_streams_cannot_be_lined_up() -> None:
    drop = {"Dropout": {"rate": 0.5}}
    idle = {"Dropout": {"rate": 1e-30}}  # takes the first stream, and does nothing with it
    spatial = {"SpatialDropout1D": {"rate": 0.5}}
    alike = pair_of(run_two([drop], [idle, drop], 6, 4, modes=["training"]))
    assert (alike.verdict, alike.strength) == ("equivalent", "weak")
    assert pair_of(run_two([drop], [spatial], 6, 4, modes=["training"])).verdict == "different"


def test_words_are_compared() -> None:
    lookups = [{"StringLookup": {"vocabulary": ["a", end], "invert": True}} for end in "bc"]
    words: dict[str, Any] = {"input": {"shape": [2], "dtype": "int64", "low": 0, "high": 3}}
    assert pair_of(run_two([lookups[0]], [lookups[0]], **words)).verdict == "equivalent"
    assert pair_of(run_two([lookups[0]], [lookups[1]], **words)).verdict == "different"


@pytest.mark.parametrize("select", ["[0]", "[0, 1]", "[-1:]"])
def test_a_slice_may_take_samples(select: str) -> None:
    plain, capped = (
        {"layers": [layer], "select": select} for layer in ("ReLU", {"ReLU": {"max_value": 6.0}})
    )
    assert pair_of(run_two(plain, plain)).verdict == "equivalent"
    assert pair_of(run_two(plain, capped)).verdict == "different"


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
    assert pair.explanation.startswith("`one` returns a different result when called eagerly")
    assert pair.counterexample is not None
    assert pair.counterexample.execution == "eager"


def test_a_model_that_cannot_be_called_is_a_build_error_of_that_execution() -> None:
    report = of_objects(given("one", True), given("other", True))
    pair = pair_of(report)
    assert pair.verdict == "build_error"
    assert "builds but cannot be called traced with" in pair.explanation
    assert "it cannot be traced" in pair.explanation
    assert report.models[0].error is not None
