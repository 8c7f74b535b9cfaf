"""What would not fit in memory is refused, with the size, before it is tried."""

from __future__ import annotations

import pytest

import layerlens
from layerlens.models.build import memory
from layerlens.models.build import symbolic as drafting
from layerlens.models.build.memory import comparing_beyond_memory


def test_inputs_that_do_not_fit_are_refused_before_anything_is_run() -> None:
    models = {"one": ["ReLU"], "other": [{"Activation": "relu"}]}
    (scenario,) = layerlens.compare({"input": {"shape": [10**9]}, "models": models}).scenarios
    assert scenario.status == "error"
    (error,) = scenario.errors
    assert "comparing `one` and `other` needs at least 1.4 TB of memory" in error.message
    assert "3,000,000,000 input and output values" in error.message
    assert "layerlens summary" in str(error.hint)


def test_the_free_memory_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(None, 1000), (None, None, 10), (None, 10)]  # 1,020 values
    for free, fits in ((1020 * 480, True), (1020 * 480 - 1, False), (None, True)):
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        assert (comparing_beyond_memory(["a"], 0, shapes, None) is None) == fits


def test_weights_that_fit_once_and_not_as_often_as_comparing_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = {"one": [{"Dense": 40}], "other": [{"Dense": 40}, {"Activation": "linear"}]}
    scenario = {"input": {"shape": [50]}, "models": models}
    for free, fits in ((10**6, True), (2 * 2040 * 40, False)):
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        (report,) = layerlens.compare(scenario).scenarios
        assert (report.status == "unchecked") == fits
    (error,) = report.errors
    assert "163.2 KB for their 4,080 params" in error.message


def test_models_that_cannot_be_run_here_are_refused_while_they_are_drafts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drafting.Draft, "allocate", _must_not)
    rows = {"Embedding": {"input_dim": 10**9, "output_dim": 1}}
    models = {"one": [rows], "other": [rows, {"Activation": "linear"}]}
    scenario = {"input": {"shape": [4], "dtype": "int32"}, "models": models}
    (report,) = layerlens.compare(scenario).scenarios
    (error,) = report.errors
    assert "comparing `one` and `other` needs at least 80.0 GB" in error.message


def test_models_that_need_not_run_are_compared_at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafting.Draft, "allocate", _must_not)
    wide, wider = ({"Dense": {"units": 10**6, "use_bias": bias}} for bias in (False, True))
    models = {"one": [wide], "other": [wider], "third": [{"Dense": 10**5}]}
    report = layerlens.compare({"input": {"shape": [10**5]}, "models": models}, explain=True)
    (scenario,) = report.scenarios
    assert [pair.verdict for pair in scenario.pairs] == ["param_mismatch", "shape_mismatch"]
    assert [model.params for model in scenario.models] == [10**11, 10**11 + 10**6, 10**10 + 10**5]


def test_large_models_that_fit_are_made_and_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerlens.run.trial._LARGE_BYTES", 100)
    models = {"one": [{"Dense": 40}], "other": [{"Dense": 40}], "small": ["ReLU", {"Dense": 3}]}
    (scenario,) = layerlens.compare({"input": {"shape": [5]}, "models": models}).scenarios
    assert [pair.verdict for pair in scenario.pairs] == ["equivalent", "shape_mismatch"]
    stateful = {"GRU": {"units": 4, "stateful": True}}
    models = {"one": [stateful], "other": [stateful, {"Activation": "linear"}]}
    (scenario,) = layerlens.compare({"input": {"shape": [3, 5]}, "models": models}).scenarios
    assert scenario.pairs[0].verdict == "equivalent"


def _must_not(self: object) -> None:
    raise AssertionError("nothing is to be allocated")


def test_samples_to_train_on_that_do_not_fit_are_refused_before_they_are_drawn() -> None:
    models = {"one": [{"Dense": 2}], "other": [{"Dense": 2}, {"Activation": "linear"}]}
    fit = {"loss": "mse", "optimizer": "sgd", "samples": 2**63}
    scenario = {"input": {"shape": [4]}, "models": models, "fit": fit}
    (report,) = layerlens.compare(scenario).scenarios
    (error,) = report.errors
    assert not error.internal
    assert "9,223,372,036,854,775,808 samples of 6 values" in error.message
    assert "885.4 EB" in error.message
