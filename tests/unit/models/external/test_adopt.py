"""Models from files, functions and objects: their weights come along, nothing of them changes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from layerlens.errors import (
    MemoryLimitError,
    ModelFileError,
    ScenarioError,
    UnsafeCodeError,
    Where,
)
from layerlens.models.build.request import Built, Refused
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import InputSpec, ModelSpec

INPUTS = (InputSpec("input", (8, 3)),)
X = np.random.default_rng(0).normal(size=(2, 8, 3)).astype("float32")


def a_model() -> Any:
    inputs = keras.Input((None, 3), name="sequence")
    hidden = keras.layers.GRU(4, return_sequences=True)(inputs)
    outputs = keras.layers.Dense(2)(keras.layers.BatchNormalization()(hidden))
    model = keras.Model(inputs, outputs)
    random = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(random.uniform(0.1, 1.0, weight.shape))
    model.compile("sgd", "mse")
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return a_model()


def build(spec: ModelSpec, inputs: tuple[InputSpec, ...] = INPUTS, **how: Any) -> Built:
    result = build_model(spec, inputs, **how)
    assert isinstance(result, Built), result.report.error
    return result


def given(thing: Any, **more: Any) -> ModelSpec:
    return ModelSpec("m", "object", given=thing, **more)


def python(target: str, folder: Path, **args: Any) -> ModelSpec:
    where = Where(str(folder / "scenario.yaml"), 3, 5)
    (folder / "scenario.yaml").touch()
    return ModelSpec("m", "python", python=target, args=args, where=where)


def error_of(result: Built | Refused) -> Any:
    assert isinstance(result, Refused)
    assert result.report.error is not None
    return result.report.error


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_a_saved_model_keeps_its_weights_in_both_precisions(
    model: Any, tmp_path: Path, name: str
) -> None:
    model.save(tmp_path / name)
    spec = ModelSpec("m", "file", file=str(tmp_path / name))
    working, double = build(spec), build(spec, precision="float64")
    expected = model(X).numpy()
    np.testing.assert_array_equal(working.model(X), expected)
    assert double.model(X).dtype == "float64"
    np.testing.assert_allclose(double.model(X), expected, rtol=1e-5)
    assert {weight.dtype for weight in double.model.weights} == {"float64"}
    # The scenario's length takes the place of the one left open, and its name stays.
    assert working.report.output_shape == (None, 8, 2)
    assert (working.inputs[0].name, double.inputs[0].dtype) == ("input", "float32")
    assert working.report.layers[0].name.startswith("gru")
    assert not build(spec, allocate=False).allocated


def test_without_a_scenario_the_models_own_inputs_are_used(model: Any, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(model.to_json())
    built = build(ModelSpec("m", "file", file=str(tmp_path / "m.json")), ())
    assert built.inputs == (InputSpec("sequence", (None, 3)),)
    assert built.report.output_shape == (None, None, 2)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            (InputSpec("input", (3,)),),
            "has shape (None, None, 3), but the scenario gives (None, 3)",
        ),
        ((InputSpec("input", (8, 4)),), "but the scenario gives (None, 8, 4)"),
        ((InputSpec("input", (8, 3), "int32"),), "is float32, but the scenario gives int32"),
        (INPUTS * 2, "the model takes 1 input (`sequence` (None, None, 3)), but the scenario"),
    ],
)
def test_inputs_that_do_not_fit_a_model_are_a_refusal(
    model: Any, inputs: tuple[InputSpec, ...], message: str
) -> None:
    error = error_of(build_model(given(model), inputs))
    assert message in error.message
    assert error.hint


def test_a_model_of_keras_2_is_made_where_keras_3_can(tmp_path: Path) -> None:
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "old",
            "layers": [
                {
                    "class_name": "InputLayer",
                    "config": {"batch_input_shape": [None, 8, 3], "name": "i", "dtype": "float32"},
                },
                {"class_name": "LSTM", "config": {"name": "l", "units": 2, "time_major": False}},
            ],
        },
        "keras_version": "2.9.0",
    }
    path = tmp_path / "old.json"
    path.write_text(json.dumps(config))
    assert build(ModelSpec("m", "file", file=str(path))).report.params == 48
    config["config"]["layers"][1]["config"]["units"] = -1  # type: ignore[index]
    path.write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match=r"old.json cannot be loaded as a model"):
        build_model(ModelSpec("m", "file", file=str(path)), INPUTS)


def test_a_large_file_is_measured_before_it_is_loaded(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "m.keras")
    spec = ModelSpec("m", "file", file=str(tmp_path / "m.keras"))
    with pytest.raises(MemoryLimitError):
        build_model(spec, INPUTS, memory_limit=100)
    assert build(spec, allocate=False, memory_limit=100).report.params == model.count_params()


# --- objects --------------------------------------------------------------------------------------


def test_an_object_is_copied_and_stays_as_it_was(model: Any) -> None:
    before = [weight.numpy() for weight in model.weights]
    nodes = len(model.layers[1]._inbound_nodes)
    built = build(given(model))
    assert not built.is_original
    np.testing.assert_array_equal(built.model(X), model(X))
    for weight in built.model.weights:
        weight.assign(weight * 0)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    assert len(model.layers[1]._inbound_nodes) == nodes


def test_a_layer_is_put_on_the_scenarios_inputs() -> None:
    layer = keras.layers.Dense(2)
    assert build(given(layer)).report.params == 8
    assert not layer.built
    layer(X)
    layer.bias.assign([1, 2])
    for precision in ("working", "float64"):
        built = build(given(layer), precision=precision)
        assert (built.precision, built.is_original) == (precision, False)
        np.testing.assert_allclose(built.model(X), layer(X), rtol=1e-5, atol=1e-6)
    assert layer._inbound_nodes == []


def test_a_model_with_named_inputs_is_called_with_a_list() -> None:
    given_inputs = {"b": keras.Input((3,), name="b"), "a": keras.Input((4,), name="a")}
    left = keras.layers.Dense(2, name="left")(given_inputs["a"])
    model = keras.Model(given_inputs, {"x": left, "y": given_inputs["b"]})
    inputs = (InputSpec("b", (3,)), InputSpec("a", (4,)))
    built = build(given(model), inputs)
    assert [item.name for item in built.inputs] == ["b", "a"]  # Keras' own order is another
    a, b = np.ones((2, 4), "float32"), np.zeros((2, 3), "float32")
    outputs = built.model([b, a])
    np.testing.assert_array_equal(outputs[0], model({"a": a, "b": b})["x"])
    assert built.report.output_shape == ((None, 2), (None, 3))


def test_a_policy_reaches_the_layers_of_a_finished_model() -> None:
    model = keras.Sequential([keras.Input((8, 3)), keras.layers.Dense(2)])
    built = build(given(model, dtype="float16"))
    assert built.model(X).dtype == "float16"
    assert build(given(model, dtype="float16"), precision="float64").model(X).dtype == "float64"


class Scale(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, factor: float = 1.0, **more: Any) -> None:
        super().__init__(**more)
        self.factor = factor

    def build(self, shape: Any) -> None:
        self.weight = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, x: Any) -> Any:
        return x * self.factor * self.weight


class Honest(Scale):
    def get_config(self) -> Any:
        return {**super().get_config(), "factor": self.factor}


class Forgetful(Scale):
    def get_config(self) -> Any:
        return {**super().get_config(), "factor": 1.0}


class Hidden(Forgetful):
    """Its factor is in no attribute."""

    def __init__(self, factor: float = 1.0, **more: Any) -> None:
        super().__init__(**more)
        self.scaled = lambda x: x * factor

    def call(self, x: Any) -> Any:
        return self.scaled(x) * self.weight


class Silent(Scale):
    def get_config(self) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("kind", "copied"), [(Honest, True), (Forgetful, True), (Hidden, False), (Silent, False)]
)
def test_an_unfaithful_copy_is_not_used(kind: Any, copied: bool) -> None:
    model = keras.Sequential([keras.Input((8, 3)), kind(1.0001)])
    for precision in ("working", "float64"):
        built = build(given(model), precision=precision)
        assert built.is_original is not copied
        assert built.precision == (precision if copied else "working")
        np.testing.assert_allclose(built.model(X), X * 1.0001, rtol=1e-6)


class HighUp(Scale):
    """What its `get_config` leaves out shows beyond a million alone."""

    def __init__(self, limit: float = 1e6, **more: Any) -> None:
        super().__init__(**more)
        self.limit = limit

    def call(self, x: Any) -> Any:
        return keras.ops.minimum(super().call(x), self.limit)

    def get_config(self) -> Any:
        return {"name": self.name}


@pytest.mark.parametrize("is_built", [True, False])
def test_an_argument_is_not_lost_although_few_outputs_show_it(
    is_built: bool,
) -> None:
    for limit, copied in ((1e6, True), (2e6, is_built)):
        layer = HighUp(limit)
        if is_built:
            layer(X)
        built = build(given(layer))
        assert built.is_original is not copied
        assert built.model(X * 0 + 5e6)[0, 0, 0] == limit


def gate(limit: float) -> Any:
    """Return a new class that is registered as `shop>Gate`, as two runs of one cell give."""

    class Gate(Scale):
        def call(self, x: Any) -> Any:
            return keras.ops.minimum(super().call(x), limit)

    return keras.saving.register_keras_serializable("shop")(Gate)


@pytest.mark.parametrize("precision", ["working", "float64"])
def test_of_two_classes_with_one_name_the_objects_own_is_used(precision: Any) -> None:
    first, last = gate(4.0), gate(400.0)
    for kind, limit in ((first, 4.0), (last, 400.0)):
        model = keras.Sequential([keras.Input((8, 3)), kind()])
        for one in (kind(), model):
            built = build(given(one), precision=precision)
            assert (built.precision, built.is_original) == (precision, False)
            assert built.model(X * 0 + 1000)[0, 0, 0] == limit
    both = keras.Sequential([keras.Input((8, 3)), last(), first()])
    built = build(given(both), precision=precision)
    assert built.is_original  # one name cannot mean both
    assert built.model(X * 0 + 1000)[0, 0, 0] == 4


def relu(x: Any) -> Any:
    return keras.ops.minimum(x, 4.0)


def test_a_function_with_the_name_of_one_of_keras_is_not_taken_for_it() -> None:
    built = build(given(keras.layers.Activation(relu)))
    assert built.model(X * 0 + 1000)[0, 0, 0] == 4


@pytest.mark.parametrize("precision", ["working", "float64"])
def test_what_was_changed_on_an_object_is_kept(precision: Any) -> None:
    replaced = keras.layers.Dense(3)
    replaced.call = lambda inputs: inputs * 2
    attention = keras.layers.MultiHeadAttention(2, 2)
    x = keras.Input((8, 3))
    scaled = keras.Model(x, attention(x, x))
    attention._inverse_sqrt_key_dim *= 9
    for changed in (replaced, keras.Sequential([keras.Input((8, 3)), replaced]), scaled):
        built = build(given(changed), precision=precision)
        assert built.precision == "working"
        np.testing.assert_allclose(built.model(X), changed(X), rtol=1e-5)


FACTOR = 2.5


def test_functions_keep_their_globals() -> None:
    model = keras.Sequential([keras.Input((8, 3)), keras.layers.Lambda(lambda x: x * FACTOR)])
    built = build(given(model), precision="float64")
    assert (built.is_original, built.precision) == (False, "float64")
    np.testing.assert_allclose(built.model(X), X * FACTOR, rtol=1e-5)


def test_state_from_adapt_is_copied() -> None:
    lookup = keras.layers.StringLookup()
    lookup.adapt(np.array(["b", "b", "a"]))
    normal = keras.layers.Normalization()
    normal.adapt(X)
    text = (InputSpec("text", (1,), "string"),)
    model = keras.Sequential([keras.Input((1,), dtype="string"), lookup])
    words = np.array([["a"], ["b"], ["c"]])
    np.testing.assert_array_equal(build(given(model), text).model(words), model(words))
    model = keras.Sequential([keras.Input((8, 3)), normal])
    for precision in ("working", "float64"):
        built = build(given(model), precision=precision)
        np.testing.assert_allclose(built.model(X), model(X), rtol=1e-4, atol=1e-6)


class ArrayVariable(keras.layers.Layer):  # type: ignore[misc]
    def build(self, shape: Any) -> None:
        self.weight = keras.Variable(np.ones(shape[-1], "float32"), name="weight")

    def call(self, x: Any) -> Any:
        return x + self.weight


class Unbuilt(keras.Sequential):  # type: ignore[misc]
    """Tells that it is not built yet as Keras 3.5 does; later ones raise AttributeError."""

    @property
    def outputs(self) -> Any:
        if self._functional is None:
            raise ValueError("no defined outputs yet")
        return self._functional.outputs


def test_a_sequential_that_is_not_built_is_put_on_the_scenarios_inputs() -> None:
    for kind in (keras.Sequential, Unbuilt):
        built = build(given(kind([keras.layers.Dense(2), keras.layers.Dropout(0.5)])))
        assert built.report.output_shape == (None, 8, 2)


def test_a_layer_that_cannot_be_drafted_is_no_refusal() -> None:
    model = keras.Sequential([keras.Input((8, 3)), ArrayVariable()])
    built = build(given(model))
    np.testing.assert_allclose(built.model(X), X + 1)


def test_another_type_is_an_error() -> None:
    with pytest.raises(ScenarioError, match="model `m` is of type int; a Keras model or layer"):
        build_model(given(3), INPUTS)


# --- python ---------------------------------------------------------------------------------------

MODULE = """
import keras
print("a word on standard output")
def make(units=3):
    return keras.Sequential([keras.Input((8, 3)), keras.layers.Dense(units)])
def layer():
    return keras.layers.LSTM(2)
def refused():
    return keras.Sequential([keras.Input((3,)), keras.layers.LSTM(2)])
def leave():
    raise SystemExit(3)
def junk():
    return {"a": 1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop_models.py").write_text(MODULE)
    return tmp_path


def test_a_function_is_called_from_the_scenarios_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = list(sys.path)
    spec = python("shop_models:make", folder, units=5)
    assert build(spec, allow_code=True).report.params == 20
    assert build(spec, allow_code=True, precision="float64").precision == "float64"
    assert build(python("shop_models:layer", folder), allow_code=True).report.params == 48
    assert "shop_models" not in sys.modules
    assert sys.path == path
    printed = capsys.readouterr()
    assert (printed.out, "a word" in printed.err) == ("", True)


def test_two_folders_may_have_a_module_of_the_same_name(tmp_path: Path) -> None:
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "shop_models.py").write_text(f"{MODULE}\ndef own(): return make({number})")
    for number in (1, 2):
        spec = python("shop_models:own", tmp_path / str(number))
        assert build(spec, allow_code=True).report.output_shape == (None, 8, number)


def test_code_runs_only_with_permission(folder: Path) -> None:
    with pytest.raises(
        UnsafeCodeError, match=r"scenario.yaml:3:5: LL405 model `m` runs the Python code"
    ):
        build_model(python("shop_models:make", folder), INPUTS)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("shop_models:mak", "module `shop_models` has no `mak`; did you mean `make`?"),
        ("shop_model:make", "there is no module `shop_model`; looked in"),
        ("shop_models:keras", "is of type module; a callable is needed"),
        ("shop_models:junk", "`shop_models:junk` returned what is of type dict"),
        ("shop_models", 'is not of the form "module:callable"'),
    ],
)
def test_a_wrong_callable_is_an_error(folder: Path, target: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        build_model(python(target, folder), INPUTS, allow_code=True)
    assert message in str(caught.value)
    with pytest.raises(ScenarioError, match=r"`args:` do not fit `shop_models:make\(units=3\)`"):
        build_model(python("shop_models:make", folder, unit=1), INPUTS, allow_code=True)


def test_what_keras_refuses_inside_a_function_is_a_refusal(folder: Path) -> None:
    error = error_of(build_model(python("shop_models:refused", folder), INPUTS, allow_code=True))
    assert "expected ndim=3, found ndim=2" in error.message
    assert "raised ValueError at shop_models.py:9" in error.hint
    error = error_of(build_model(python("shop_models:leave", folder), INPUTS, allow_code=True))
    assert "ended the program with exit status 3" in error.message


def test_an_error_of_keras_alone_names_no_place_in_layerlens() -> None:
    """The hint names the last line of the user's own code; here there is none."""
    spec = ModelSpec("m", "python", python="keras.layers:Dense", args={"units": -1})
    refused = build_model(spec, (InputSpec("x", (4,)),), allow_code=True)
    assert isinstance(refused, Refused)
    assert refused.report.error is not None
    assert refused.report.error.hint == "`keras.layers:Dense` raised ValueError"
