"""Exported files are run by their own runtime, and judged on the weights that they hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import layerlens
from layerlens.models.runtimes.foreign import ForeignModel
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from tests.unit.models.runtimes import onnx_files

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
pytestmark = pytest.mark.usefixtures("backend")

STEPS, FEATURES, UNITS = 4, 3, 5


def drawn(model: Any, seed: int = 1) -> Any:
    """Give a model weights of which none is zero or one."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            rng.uniform(0.2, 0.9, w.shape) * (1 if "variance" in v.path else rng.choice([-1, 1]))
            for v, w in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    return model


def saved(folder: Path, *layers: Any, shape: tuple[Any, ...] = (FEATURES,)) -> tuple[str, Any]:
    model = drawn(keras.Sequential([keras.Input(shape), *layers]))
    path = folder / "model.keras"
    model.save(path)
    return str(path), model.get_weights()


def report_of(one: Any, other: Any, **options: Any) -> ScenarioReport:
    (scenario,) = layerlens.compare(str(one), str(other), **options).scenarios
    return scenario


def compared(one: Any, other: Any, **options: Any) -> PairReport:
    scenario = report_of(one, other, **options)
    assert not scenario.errors, scenario.errors
    (pair,) = scenario.pairs
    return pair


# --- dense ----------------------------------------------------------------------------------------


def test_the_same_function_in_float64_too(tmp_path: Path) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    scenario = report_of(path, onnx_files.dense_file(tmp_path / "m.onnx", kernel, bias))
    (pair,) = scenario.pairs
    assert (pair.verdict, pair.strength) == ("equivalent", "tested")
    assert pair.rounding is not None
    assert pair.rounding.float64_max_abs is not None
    assert pair.rounding.float64_max_abs < 1e-14
    runtime = scenario.models[1].runtime
    assert runtime is not None
    assert (runtime.name, runtime.weights, runtime.float64) == ("ONNX Runtime", "named", "widened")
    assert scenario.models[0].runtime is None
    assert "on the weights that it holds" in pair.explanation
    assert pair.causes == ()


def test_one_weight_is_another(tmp_path: Path) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    bias = bias.copy()
    bias[2] += 1e-3
    pair = compared(path, onnx_files.dense_file(tmp_path / "m.onnx", kernel, bias))
    assert pair.verdict == "different"
    assert pair.max_abs == pytest.approx(1e-3, rel=1e-2)
    assert pair.counterexample is not None


def test_the_file_may_be_the_reference(tmp_path: Path) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    right = onnx_files.dense_file(tmp_path / "right.onnx", kernel, bias)
    wrong = onnx_files.dense_file(tmp_path / "wrong.onnx", kernel[::-1].copy(), bias)
    assert compared(right, path).verdict == "equivalent"
    assert compared(wrong, path).verdict == "different"


@pytest.mark.parametrize("batch", [1, 2])
def test_a_fixed_batch_is_filled(tmp_path: Path, batch: int) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    file = onnx_files.dense_file(tmp_path / "m.onnx", kernel, bias, batch=batch)
    assert compared(path, file).verdict == "equivalent"


def test_other_shapes(tmp_path: Path) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    fewer = onnx_files.dense_file(tmp_path / "out.onnx", kernel[:, :-1].copy(), bias[:-1])
    assert compared(path, fewer).verdict == "shape_mismatch"
    narrow = onnx_files.dense_file(tmp_path / "in.onnx", kernel[:-1].copy(), bias)
    pair = compared(path, narrow)
    assert (pair.verdict, "[3] against one of [2]" in pair.explanation) == ("inconclusive", True)


def test_weights_with_fresh_values_are_told(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(FEATURES) for _ in range(2)]
    model = keras.Sequential([keras.Input((FEATURES,)), *layers])
    model.save(tmp_path / "fresh.keras")
    first, _, second, bias = model.get_weights()  # both biases are zero
    nodes = [
        onnx_files.node("MatMul", "x k", "a"),
        onnx_files.node("Add", "a b", "s"),
        onnx_files.node("MatMul", "s l", "m"),
        onnx_files.node("Add", "m b", "y"),
    ]
    weights = {"k": first, "b": bias, "l": second}
    file = onnx_files.written(
        tmp_path / "m.onnx", nodes, weights, {"x": ["n", FEATURES]}, ["n", FEATURES]
    )
    pair = compared(tmp_path / "fresh.keras", file)
    assert (pair.verdict, pair.strength) == ("equivalent", "weak")
    assert [path for path in pair.unseen if "bias" in path]
    assert "with random weights" in pair.explanation


# --- recurrent layers, normalization, activations -------------------------------------------------


def gru(folder: Path) -> tuple[str, Any]:
    return saved(folder, keras.layers.GRU(UNITS), shape=(STEPS, FEATURES))


def test_a_gru_without_a_float64_form(tmp_path: Path) -> None:
    path, weights = gru(tmp_path)
    scenario = report_of(path, onnx_files.gru_file(tmp_path / "m.onnx", *weights, STEPS))
    (pair,) = scenario.pairs
    assert pair.verdict == "equivalent"
    assert scenario.models[1].runtime is not None
    assert pair.max_abs is not None
    assert 0 < pair.max_abs < 1e-6


@pytest.mark.parametrize("fault", ["summed biases", "gate order", "transposed kernel"])
def test_a_gru_that_was_converted_wrongly(tmp_path: Path, fault: str) -> None:
    path, (kernel, recurrent, bias) = gru(tmp_path)
    if fault == "summed biases":
        bias = np.stack([bias[0] + bias[1], np.zeros_like(bias[1])])
    elif fault == "gate order":
        kernel = np.concatenate([np.split(kernel, 3, 1)[n] for n in (1, 0, 2)], 1)
    else:
        recurrent = np.concatenate([part.T for part in np.split(recurrent, 3, 1)], 1)
    file = onnx_files.gru_file(tmp_path / "m.onnx", kernel, recurrent, bias, STEPS)
    assert compared(path, file).verdict == "different"


@pytest.mark.parametrize(("epsilon", "verdict"), [(1e-3, "equivalent"), (1e-5, "different")])
def test_the_epsilon_of_a_normalization(tmp_path: Path, epsilon: float, verdict: str) -> None:
    path, values = saved(tmp_path, keras.layers.BatchNormalization(epsilon=1e-3))
    file = onnx_files.normalized_file(tmp_path / "m.onnx", values, epsilon)
    assert compared(path, file).verdict == verdict


@pytest.mark.parametrize(("form", "verdict"), [("none", "equivalent"), ("tanh", "different")])
def test_both_forms_of_gelu(tmp_path: Path, form: str, verdict: str) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "gelu"))
    assert compared(
        path, onnx_files.gelu_file(tmp_path / "m.onnx", kernel, bias, form)
    ).verdict == (verdict)


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # in the exporter
@pytest.mark.parametrize(("bias", "verdict"), [(1.0, "equivalent"), (0.0, "different")])
def test_an_evaluator_that_gives_another_shape(tmp_path: Path, bias: float, verdict: str) -> None:
    """onnx's reference evaluator loses the batch axis in the loop of a ConvLSTM."""
    pytest.importorskip("tf2onnx", reason="Keras exports ONNX files with it")
    layer = keras.layers.ConvLSTM2D(2, 3, padding="same")
    path, values = saved(tmp_path, layer, shape=(2, 4, 4, 1))
    model = keras.models.load_model(path)
    model.set_weights([*values[:2], values[2] * np.float32(bias)])
    model(np.zeros((1, 2, 4, 4, 1), "float32"))
    model.export(tmp_path / "m.onnx", format="onnx", verbose=False)
    scenario = report_of(path, tmp_path / "m.onnx")
    assert scenario.pairs[0].verdict == verdict, scenario.pairs[0].explanation
    assert scenario.models[1].runtime is not None
    assert scenario.models[1].runtime.float64 == "none"


# --- batches --------------------------------------------------------------------------------------


def batches_run(monkeypatch: pytest.MonkeyPatch, path: str, file: Path) -> list[int]:
    """Return the sizes of the batches that a file is run on, each once for each set of weights."""
    sizes: list[int] = []
    run = ForeignModel.run

    def counted(self: ForeignModel, inputs: Any, *, float64: bool = False) -> Any:
        if not float64:
            sizes.append(len(inputs[0]))
        return run(self, inputs, float64=float64)

    monkeypatch.setattr(ForeignModel, "run", counted)
    assert compared(path, file).verdict == "equivalent"
    return sizes


def test_rounding_is_no_effect_of_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding differs with the batch; probes that run alone would cost ten times as much."""
    path, weights = gru(tmp_path)
    file = onnx_files.gru_file(tmp_path / "m.onnx", *weights, STEPS)
    sizes = batches_run(monkeypatch, path, file)
    assert 2 not in sizes
    assert len(sizes) < 15


def test_probes_run_alone_where_samples_are_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = keras.Input((FEATURES,))
    model = keras.Model(given, given - keras.ops.mean(given, axis=0, keepdims=True))
    model.save(tmp_path / "m.keras")
    nodes = [
        onnx_files.node("ReduceMean", "x", "a", axes=[0]),
        onnx_files.node("Sub", "x a", "y"),
    ]
    rows = {"x": ["n", FEATURES]}
    file = onnx_files.written(tmp_path / "m.onnx", nodes, {}, rows, ["n", FEATURES])
    sizes = batches_run(monkeypatch, str(tmp_path / "m.keras"), file)
    assert sizes.count(2) > 5


# --- inputs ---------------------------------------------------------------------------------------


def test_inputs_by_name_and_channels_in_another_place(tmp_path: Path) -> None:
    pixels = keras.Input((4, 4, 3), name="pixels")
    scale = keras.Input((4, 4, 3), name="scale")
    model = keras.Model([pixels, scale], keras.layers.Subtract()([pixels, scale]))
    model.save(tmp_path / "m.keras")
    channels_first = {"scale": ["n", 3, 4, 4], "pixels": ["n", 3, 4, 4]}
    for first, second, verdict in (
        ("pixels", "scale", "equivalent"),
        ("scale", "pixels", "different"),
    ):
        nodes = [onnx_files.node("Sub", f"{first} {second}", "y")]
        file = onnx_files.written(
            tmp_path / f"{verdict}.onnx", nodes, {}, channels_first, ["n", 3, 4, 4]
        )
        scenario = report_of(tmp_path / "m.keras", file)
        assert scenario.pairs[0].verdict == verdict
        assert "channels in another place" in scenario.pairs[0].explanation


def test_open_lengths_are_tried(tmp_path: Path) -> None:
    layer = keras.layers.Dense(UNITS)
    path, (kernel, bias) = saved(tmp_path, layer, shape=(None, FEATURES))
    nodes = [onnx_files.node("MatMul", "x k", "a"), onnx_files.node("Add", "a b", "y")]
    weights = {"k": kernel, "b": bias}
    opened = onnx_files.written(
        tmp_path / "open.onnx", nodes, weights, {"x": ["n", "t", FEATURES]}, ["n", "t", UNITS]
    )
    fixed = onnx_files.written(
        tmp_path / "fixed.onnx", nodes, weights, {"x": ["n", 6, FEATURES]}, ["n", 6, UNITS]
    )
    seen = compared(path, opened)
    assert seen.verdict == "equivalent"
    assert seen.effort is not None
    told = compared(path, fixed)
    assert told.verdict == "equivalent"
    assert told.effort is not None
    assert seen.effort.runs > told.effort.runs


# --- what cannot be compared ----------------------------------------------------------------------


def test_an_operator_that_onnx_does_not_have(tmp_path: Path) -> None:
    path, _ = saved(tmp_path, keras.layers.Activation("gelu"))
    nodes = [onnx_files.node("Erfc", "x", "y")]
    file = onnx_files.written(
        tmp_path / "m.onnx", nodes, {}, {"x": ["n", FEATURES]}, ["n", FEATURES]
    )
    scenario = report_of(path, file)
    assert scenario.pairs[0].verdict == "build_error"
    error = scenario.models[1].error
    assert error is not None
    assert "the operator `Erfc`" in error.message
    assert error.hint is not None
    assert "erf(x / sqrt(2))" in error.hint


def test_a_model_without_saved_weights(tmp_path: Path) -> None:
    file = onnx_files.dense_file(tmp_path / "m.onnx", np.ones((3, 5), "f4"), np.ones(5, "f4"))
    described = [{"Dense": {"units": 5, "activation": "relu"}}]
    report = layerlens.compare(
        {
            "input": {"shape": [3]},
            "models": {"ours": {"layers": described}, "onnx": {"file": str(file)}},
        }
    )
    (error,) = report.scenarios[0].errors
    assert error.message.startswith("`ours` has no saved weights")
    assert error.hint is not None
    assert "`.keras`" in error.hint


def test_a_callable_that_loads_its_weights(tmp_path: Path) -> None:
    file = onnx_files.dense_file(tmp_path / "m.onnx", np.ones((3, 5), "f4"), np.ones(5, "f4"))

    def built(start: str) -> Any:
        layer = keras.layers.Dense(5, "relu", kernel_initializer=start, bias_initializer="ones")
        return keras.Sequential([keras.Input((3,)), layer])

    def result(start: str) -> Any:
        models = {"ours": built(start), "onnx": str(file)}
        return layerlens.compare(models).scenarios[0]

    assert result("ones").pairs[0].verdict == "equivalent"


def test_two_exported_files(tmp_path: Path) -> None:
    file = onnx_files.dense_file(tmp_path / "m.onnx", np.ones((3, 5), "f4"), np.ones(5, "f4"))
    (error,) = report_of(file, file).errors
    assert "which cannot be compared with each other" in error.message


def test_training_and_changes_are_refused(tmp_path: Path) -> None:
    path, weights = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    file = onnx_files.dense_file(tmp_path / "m.onnx", *weights)
    (error,) = report_of(path, file, mode=["inference", "training"]).errors
    assert "has no outputs in training" in error.message
    changed = {"file": str(file), "dtype": "float16"}
    models = {"a": {"file": path}, "b": changed}
    (error,) = layerlens.compare({"models": models}).scenarios[0].errors
    assert "`dtype` cannot be given to `b`" in error.message


def test_a_tolerance_counts_instead(tmp_path: Path) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    file = onnx_files.dense_file(tmp_path / "m.onnx", kernel, bias + np.float32(1e-4))
    assert compared(path, file, tolerance=(0.0, 1e-3)).verdict == "equivalent"
    assert compared(path, file, tolerance=(0.0, 1e-5)).verdict == "different"


def test_a_slice_of_the_output(tmp_path: Path) -> None:
    path, (kernel, bias) = saved(tmp_path, keras.layers.Dense(UNITS, "relu"))
    wrong = bias.copy()
    wrong[0] += 1
    file = onnx_files.dense_file(tmp_path / "m.onnx", kernel, wrong)
    models = {
        name: {"file": str(one), "select": "[:, 1:]"} for name, one in (("a", path), ("b", file))
    }
    assert layerlens.compare({"models": models}).scenarios[0].pairs[0].verdict == "equivalent"
