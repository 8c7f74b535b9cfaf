"""The models of a scenario are built in working precision, in float64 and with other numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from layerlens.errors import ScenarioError, UnsafeCodeError
from layerlens.fault_codes import Code
from layerlens.models.build.request import Built, Refused
from layerlens.models.variants import ModelVariants, input_names
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, Scenario

pytestmark = pytest.mark.usefixtures("backend")

X = np.ones((1, 3), "float32")


def model(name: str, kind: str = "Rescaling", **arguments: object) -> ModelSpec:
    return ModelSpec(name, "layers", layers=(LayerSpec(kind, arguments),))


def variants(*models: ModelSpec) -> ModelVariants:
    inputs = (InputSpec("x", (3,)),)
    return ModelVariants(
        Scenario("s.yaml", "s", models, models[0].name, inputs=inputs), RunOptions()
    )


def test_every_model_is_built_in_the_order_of_the_file() -> None:
    built = variants(
        model("one", scale=0.3), model("bad", "LSTM", units=2), model("two", scale=0.5)
    ).build_all(allocate=False)
    assert list(built) == ["one", "bad", "two"]
    assert isinstance(built["bad"], Refused)
    assert input_names(built["one"]) == ("x",)
    assert input_names(built["bad"]) == ()


def test_the_float64_form_is_built_once() -> None:
    both = variants(model("one", scale=0.3))
    working = both.build_all()["one"]
    assert isinstance(working, Built)
    assert both.built_in_float64(working) is None
    double = both.in_float64(working)
    assert isinstance(double, Built)
    assert double.precision == "float64"
    assert both.in_float64(working) is double
    assert both.built_in_float64(working) is double


def test_numbers_are_changed_where_there_are_any() -> None:
    both = variants(model("one", scale=0.3), model("plain", "Flatten"))
    built = both.build_all()
    one, plain = built["one"], built["plain"]
    assert isinstance(one, Built)
    assert isinstance(plain, Built)
    doubled = both.with_numbers(one, lambda number: 2 * number)
    assert doubled is not None
    np.testing.assert_allclose(doubled.model(X), 0.6 * X, rtol=1e-12)
    assert both.with_numbers(plain, lambda number: 2 * number) is None


def test_another_candidate_shares_the_float64_form_of_the_model() -> None:
    both = variants(model("one", scale=0.3), model("two", scale=0.5))
    one = both.build_all()["one"]
    assert isinstance(one, Built)
    other = both.with_candidate(one, model("third", scale=0.7))
    assert [spec.name for spec in other.scenario.models] == ["one", "third"]
    assert other.in_float64(one) is both.in_float64(one)


def test_the_code_in_all_saved_models_is_refused_at_once(tmp_path: Path) -> None:
    code = {"class_name": "Lambda", "config": {"function": "os:getcwd"}}
    files = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"class_name": "Sequential", "config": {"layers": [code]}}))
        files.append(ModelSpec(name, "file", file=str(path)))
    with pytest.raises(ScenarioError) as caught:
        variants(model("plain", "Flatten"), *files).build_all()
    assert [fault.code for fault in caught.value.faults] == [Code.CODE_NOT_ALLOWED] * 2
    with pytest.raises(UnsafeCodeError):
        variants(model("plain", "Flatten"), files[0]).build_all()
