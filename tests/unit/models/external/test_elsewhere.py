"""A model runs on another backend of Keras, or in another interpreter, with the same weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import pytest

import layerlens
from layerlens.report.run import ScenarioReport

pytestmark = pytest.mark.usefixtures("backend")

HERE = {"here": {"python": sys.executable}}
LAYERS = [{"GRU": {"units": 3}}, {"Dense": {"units": 2, "activation": "tanh"}}]
HARD = [{"GRU": {"units": 3, "recurrent_activation": "hard_sigmoid"}}, *LAYERS[1:]]


def report_of(models: Any, *, allow_code: bool = True, **keys: Any) -> ScenarioReport:
    data = {"input": {"shape": [4, 2]}, "models": models, **keys}
    if data["input"] is None:
        del data["input"]
    (scenario,) = layerlens.compare(data, allow_code=allow_code).scenarios
    return scenario


def test_the_same_model_and_another_one_in_another_process() -> None:
    models = {
        "ours": {"layers": LAYERS},
        "same": {"like": "ours", "runtime": "here"},
        "hard": {"layers": HARD, "runtime": "here"},
        "small": {"layers": [{"GRU": {"units": 2}}, *LAYERS[1:]], "runtime": "here"},
    }
    scenario = report_of(models, runtimes=HERE)
    same, hard, small = scenario.pairs
    assert (same.verdict, same.strength) == ("equivalent", "tested")
    assert same.rounding is not None
    assert same.rounding.float64_max_abs is not None
    assert same.rounding.float64_max_abs < 1e-14
    assert "several sets of weights" in same.explanation
    assert hard.verdict == "different"
    assert small.verdict == "param_mismatch"
    runtime = scenario.models[1].runtime
    assert runtime is not None
    assert (runtime.name, runtime.weights, runtime.float64) == (
        "Keras on TensorFlow",
        "open",
        "native",
    )
    assert scenario.models[1].params == scenario.models[0].params
    assert runtime.python == sys.version.split()[0]


def test_a_file_that_the_interpreter_reads(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu")])
    model.save(tmp_path / "ours.keras")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu")])
    other.save(tmp_path / "other.keras")
    models = {
        "before": {"file": str(tmp_path / "ours.keras"), "runtime": "here"},
        "ours": {"file": str(tmp_path / "ours.keras")},
        "other": {"file": str(tmp_path / "other.keras")},
    }
    verdicts = [pair.verdict for pair in report_of(models, input=None, runtimes=HERE).pairs]
    assert verdicts == ["equivalent", "equivalent"]  # the weights of the first are carried over
    own = report_of(models, input=None, runtimes=HERE, transfer="none").pairs
    assert [pair.verdict for pair in own] == ["equivalent", "different"]


def test_an_interpreter_needs_permission() -> None:
    models = {"ours": {"layers": LAYERS}, "same": {"like": "ours", "runtime": "here"}}
    (error,) = report_of(models, allow_code=False, runtimes=HERE).errors
    assert "model `same` starts" in error.message
    assert error.hint is not None
    assert "--allow-code" in error.hint
    models["same"] = {"like": "ours", "runtime": {"backend": "torch"}}
    (error,) = report_of(models, allow_code=False).errors
    assert "model `same` runs on torch" in error.message


def test_an_interpreter_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "bare").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "bare").chmod(0o755)
    models = {"ours": {"layers": LAYERS}, "same": {"like": "ours", "runtime": "here"}}
    bare = {"here": {"python": str(tmp_path / "bare")}}
    (error,) = report_of(models, runtimes=bare).errors
    assert "ended without an answer (exit status 3)" in error.message


def test_a_backend_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerlens.models.external.permitted_runtime.version_of", lambda name: None)
    models = {"a": {"layers": LAYERS}, "b": {"like": "a", "runtime": {"backend": "jax"}}}
    (error,) = report_of(models).errors
    assert error.message == "model `b` needs jax, which is not installed"
    assert error.hint == "pip install 'layerlens[jax]'"


def test_on_jax() -> None:
    pytest.importorskip("jax", reason="the extra `jax` is not installed")
    jax = {"backend": "jax"}
    models = {
        "ours": {"layers": LAYERS},
        "same": {"like": "ours", "runtime": jax},
        "hard": {"layers": HARD, "runtime": jax},
    }
    scenario = report_of(models, allow_code=False)
    assert [pair.verdict for pair in scenario.pairs] == ["equivalent", "different"]
    assert scenario.pairs[0].rounding is not None
    assert scenario.pairs[0].rounding.float64_max_abs is not None
    assert scenario.pairs[0].rounding.float64_max_abs < 1e-12
    assert scenario.models[1].runtime is not None
    assert scenario.models[1].runtime.name == "Keras on JAX"
