"""The assertions of the fixture, on models, layers and scenario files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import pytest

from layerlens.errors import UsageError
from layerlens.testing.assertions import Assertions

pytestmark = pytest.mark.usefixtures("backend")

SCENARIO = """\
input: {shape: [4]}
models:
  plain: [Dense: 3]
  linear: [Dense: {units: 3, activation: linear}]
  relu: [Dense: {units: 3, activation: relu}]
  wide: [Dense: 5]
expect:
  models:
    plain: {params: 15, output_shape: [null, 3], layers: {dense: {output_shape: [null, 3]}}}
"""


def dense(units: int = 3, activation: str | None = None) -> Any:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation=activation)])


@pytest.fixture
def scenario(tmp_path: Path) -> str:
    path = tmp_path / "dense.yaml"
    path.write_text(SCENARIO)
    return str(path)


def text_of(failed: pytest.ExceptionInfo[AssertionError]) -> str:
    return str(failed.value)


# --- verdicts -------------------------------------------------------------------------------------


def test_equivalent_models_pass_and_the_report_is_returned() -> None:
    report = Assertions().assert_equivalent(dense(), dense)
    assert report.status == "pass"
    assert report.scenarios[0].pairs[0].verdict == "equivalent"


def test_a_difference_is_shown_with_its_counterexample_and_noise_floor() -> None:
    with pytest.raises(AssertionError) as failed:
        Assertions().assert_equivalent(dense(), dense(3, "relu"))
    text = text_of(failed)
    first, *rest = text.splitlines()
    assert first == "✘ reference==candidate[inference]: expected equivalent, received different"
    assert "DIFFERENT, expected equivalent" in text
    assert "  counterexample  simplified from probe" in text
    assert "  rounding        explains up to " in text
    assert "layer (type)" not in text
    assert all(len(line) <= 80 for line in rest)


def test_shapes_and_counts_are_shown_side_by_side() -> None:
    with pytest.raises(AssertionError) as failed:
        Assertions().assert_equivalent(dense(), dense(5))
    text = text_of(failed)
    assert "received shape_mismatch" in text
    assert "(None, 3)" in text
    assert "≠" in text


def test_different_models_pass_and_others_fail() -> None:
    Assertions().assert_different(dense(), dense(3, "relu"))
    with pytest.raises(AssertionError, match="expected different, received equivalent"):
        Assertions().assert_different(dense(), dense())
    with pytest.raises(AssertionError, match="expected different, received shape_mismatch"):
        Assertions().assert_different(dense(), dense(5))


def test_an_inconclusive_verdict_fails_both_assertions(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from layerlens.run import pipeline
    from layerlens.testing import assertions as fixture

    def undecided(scenarios: Any, options: Any) -> Any:
        from layerlens.run.expectations import check_expectations

        report = pipeline.compare_scenarios(scenarios, options)
        (one,) = report.scenarios
        pairs = tuple(replace(pair, verdict="inconclusive") for pair in one.pairs)
        rows = check_expectations(scenarios[0], one.models, pairs, (), options.expect)
        status = "pass" if all(row.held for row in rows) else "fail"
        one = replace(one, pairs=pairs, expectations=rows, status=status)
        return replace(report, scenarios=(one,), status=status)

    monkeypatch.setattr(fixture, "compare_scenarios", undecided)
    for assertion in (Assertions().assert_equivalent, Assertions().assert_different):
        with pytest.raises(AssertionError, match="received inconclusive"):
            assertion(dense(), dense())


def test_inputs_mode_and_transfer_are_passed_to_the_comparison() -> None:
    plain = keras.layers.Dense(3)
    dropped = keras.Sequential([keras.layers.Dense(3), keras.layers.Dropout(0.5)])
    check = Assertions()
    check.assert_equivalent(plain, dropped, inputs=[4])
    with pytest.raises(AssertionError, match=r"reference==candidate\[training\]: expected"):
        check.assert_equivalent(plain, dropped, inputs=[4], mode="training")
    with pytest.raises(AssertionError, match="received different"):
        check.assert_equivalent(dense(), dense(), transfer="none")
    with pytest.raises(UsageError, match="'reference' is a Dense layer, which has no input"):
        check.assert_equivalent(plain, plain)
    assert not plain.built


def test_the_tolerance_of_a_call_replaces_that_of_the_settings() -> None:
    nearly = keras.Sequential([dense(), keras.layers.Rescaling(1.001)])
    wide = Assertions(tolerance=(0.01, 0.01))
    wide.assert_equivalent(dense(), nearly)
    with pytest.raises(AssertionError):
        wide.assert_equivalent(dense(), nearly, tolerance=(1e-6, 0))


# --- scenario files -------------------------------------------------------------------------------


def test_a_scenario_file_is_one_pair_or_all(scenario: str) -> None:
    check = Assertions()
    check.assert_equivalent(scenario, "linear")
    check.assert_different(scenario, "relu")
    check.assert_equivalent(f"{scenario}::linear")
    check.assert_equivalent(f"{scenario}::linear", f"{scenario}::plain")
    with pytest.raises(AssertionError) as failed:
        check.assert_equivalent(scenario)
    assert "plain==relu[inference]: expected equivalent, received different" in text_of(failed)
    assert "plain==wide[inference]: expected equivalent, received shape_mismatch" in text_of(failed)
    assert "plain==linear" not in text_of(failed)
    assert "to reproduce it: layerlens compare" in text_of(failed)


def test_a_python_model_is_compared_with_a_model_of_a_file(scenario: str) -> None:
    check = Assertions()
    check.assert_equivalent(f"{scenario}::relu", dense(3, "relu"))
    check.assert_equivalent(scenario, keras.layers.Dense(3))
    with pytest.raises(AssertionError, match=r"plain==candidate\[inference\]"):
        check.assert_equivalent(scenario, dense(3, "relu"))


# --- shapes, counts, layouts ----------------------------------------------------------------------


def test_wrong_shapes_fail_with_the_layer_table(scenario: str) -> None:
    check = Assertions()
    check.assert_shapes(dense(), (None, 3))
    check.assert_shapes(keras.layers.Dense(3), [None, 7, 3], inputs=[7, 4])
    check.assert_shapes(dense(), dense)
    model = dense()
    check.assert_shapes(model, layers={model.layers[0].name: (None, 3)})
    check.assert_shapes(model, {model.layers[0].name: (None, 3)})
    check.assert_shapes(scenario)
    check.assert_shapes(scenario, {"plain": (None, 3), "wide": (None, 5)})
    check.assert_shapes(f"{scenario}::wide", (None, 5))
    with pytest.raises(AssertionError) as failed:
        check.assert_shapes(dense(), (None, 4))
    assert (
        text_of(failed).splitlines()[0]
        == "model.output_shape: expected (None, 4), received (None, 3)"
    )
    assert re.search(r"dense\w* \(Dense\)  \(None, 3\)$", text_of(failed))
    with pytest.raises(AssertionError, match=r"model.layers.gru.output_shape: .* no such layer"):
        check.assert_shapes(dense(), layers={"gru": (None, 3)})
    with pytest.raises(AssertionError, match=r"wide.output_shape: expected"):
        check.assert_shapes(scenario, {"wide": (None, 4)})
    with pytest.raises(AssertionError, match=r"model.output_shape: expected"):
        check.assert_shapes(dense(), dense(5))


def test_wrong_params_fail_with_the_layer_table(scenario: str) -> None:
    check = Assertions()
    frozen = dense()
    frozen.layers[0].trainable = False
    check.assert_params(dense(), 15)
    check.assert_params(frozen, 15, trainable=0)
    check.assert_params(dense(), dense)
    check.assert_params(scenario)
    check.assert_params(scenario, {"wide": 25})
    with pytest.raises(AssertionError) as failed:
        check.assert_params(dense(), 16)
    assert text_of(failed).splitlines()[0] == "model.params: expected 16, received 15"
    assert "4 inputs × 3 units + 3 biases = 15" in text_of(failed)
    with pytest.raises(AssertionError, match=r"model.trainable_params: expected 15, received 0"):
        check.assert_params(frozen, trainable=15)
    name = frozen.layers[0].name
    with pytest.raises(AssertionError, match=f"model.layers.{name}.params: expected 3"):
        check.assert_params(frozen, {name: 3})


def test_without_expectations_an_assertion_fails(tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text("input: {shape: [4]}\nmodels: {one: [ReLU], other: [ReLU]}\n")
    with pytest.raises(AssertionError, match="nothing was checked: nothing was expected"):
        Assertions().assert_shapes(path)
    with pytest.raises(AssertionError, match="nothing was checked"):
        Assertions().assert_params(dense())


def test_a_model_that_keras_refuses_fails() -> None:
    with pytest.raises(AssertionError) as failed:
        Assertions().assert_shapes(keras.layers.Conv1D(3, 2), (None, 3), inputs=[4])
    assert "Keras refuses model at " in text_of(failed)


def test_models_of_one_layout_pass_and_others_fail() -> None:
    check = Assertions()
    check.assert_same_weights_layout(dense(), dense(3, "relu"))
    check.assert_same_weights_layout(
        keras.layers.LSTM(2), keras.layers.RNN(keras.layers.LSTMCell(2)), inputs=[5, 4]
    )
    with pytest.raises(AssertionError) as failed:
        check.assert_same_weights_layout(dense(), dense(5))
    first = text_of(failed).splitlines()[0]
    assert "candidate.weights[0]: expected" in first
    assert "kernel [4, 3], received" in first
    assert first.endswith("kernel [4, 5]")
    bare = keras.layers.Dense(3, use_bias=False)
    with pytest.raises(AssertionError, match=r"candidate.weights: expected 2, received 1"):
        check.assert_same_weights_layout(keras.layers.Dense(3), bare, inputs=[4])


class Swapped(keras.layers.Layer):
    def __init__(self, names: tuple[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = names

    def build(self, shape: Any) -> None:
        self.one, self.two = (self.add_weight(shape=(shape[-1],), name=n) for n in self.names)

    def call(self, x: Any) -> Any:
        return x * self.one + self.two

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "names": self.names}


def test_swapped_weights_of_one_shape_fail() -> None:
    check = Assertions()
    check.assert_same_weights_layout(
        Swapped(("gamma", "beta")), Swapped(("scale", "shift")), inputs=[4]
    )
    with pytest.raises(AssertionError, match=r"candidate.weights\[0\]: expected"):
        check.assert_same_weights_layout(
            Swapped(("gamma", "beta")), Swapped(("beta", "gamma")), inputs=[4]
        )


# --- checks of custom layers ----------------------------------------------------------------------


class Broken(keras.layers.Layer):
    def __init__(self, rate: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, x: Any) -> Any:
        return keras.ops.cast(x * self.rate, "float32")

    def compute_output_shape(self, shape: Any) -> Any:
        return (*shape, 1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config()


def test_each_check_of_a_layer_is_an_assertion() -> None:
    check, sound = Assertions(), keras.layers.LayerNormalization()
    check.assert_config_round_trip(sound)
    check.assert_saves_and_reloads(sound, inputs=[None, 4])
    check.assert_runs_in(sound, "bfloat16", inputs=[None, 4])
    check.assert_announced_shape(sound, inputs=[None, 4])
    broken = Broken(3.0, name="mine")
    for assertion, words in (
        (lambda: check.assert_config_round_trip(broken), "get_config() leaves out `rate`"),
        (lambda: check.assert_saves_and_reloads(broken, inputs=[4]), "gives a different result"),
        (lambda: check.assert_runs_in(broken, "float16", inputs=[4]), "is float32, not float16"),
        (lambda: check.assert_announced_shape(broken, inputs=[4]), "it announces (1, 4, 1)"),
    ):
        with pytest.raises(AssertionError) as failed:
            assertion()
        assert text_of(failed).startswith("`mine` (Broken) ")
        assert words in text_of(failed)
