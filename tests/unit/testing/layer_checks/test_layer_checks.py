from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from layerlens.errors import UsageError
from layerlens.scenario.spec import InputSpec
from layerlens.testing.layer_checks import (
    check_announced_shape,
    check_config,
    check_dtype,
    check_saving,
)

pytestmark = pytest.mark.usefixtures("backend")

STEPS = (InputSpec("input", (None, 4)),)
FLAT = (InputSpec("input", (4,)),)


class Scale(keras.layers.Layer):
    """Multiplies by a weight and adds a shift: as a layer should be written."""

    def __init__(self, shift: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shift = shift

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, x: Any) -> Any:
        return x * self.factor + self.shift

    def compute_output_shape(self, shape: Any) -> Any:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shift": self.shift}


class LeavesOut(Scale):
    def get_config(self) -> dict[str, Any]:
        return keras.layers.Layer.get_config(self)


class AlwaysHalf(Scale):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shift": 0.5}


class NotJson(Scale):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shift": object()}


class TakesNoName(Scale):
    def __init__(self, shift: float = 0.0) -> None:
        super().__init__(shift)


class ForgetsWeights(Scale):
    def load_own_variables(self, store: Any) -> None:
        pass


class Unregistered(Scale):
    def build(self, shape: Any) -> None:
        self.factor = ops.ones((shape[-1],)) * np.random.default_rng().normal()


class Float32(Scale):
    def call(self, x: Any) -> Any:
        return ops.cast(super().call(x), "float32")


class DropsKwargs(Scale):
    def __init__(self, shift: float = 0.0, **kwargs: Any) -> None:
        super().__init__(shift)


class Normalised(Scale):
    """Its epsilon is zero in float16."""

    def call(self, x: Any) -> Any:
        return x * 0 / (ops.abs(x * 0) + 1e-9)


class Coarse(Scale):
    """Works in bfloat16 whatever it was told, but for float64."""

    def call(self, x: Any) -> Any:
        if self.compute_dtype == "float64":
            return super().call(x)
        return ops.cast(ops.cast(super().call(x), "bfloat16"), self.compute_dtype)


class LosesAxis(Scale):
    def compute_output_shape(self, shape: Any) -> Any:
        return shape[:-1]


class Fixed(Scale):
    """Announces the batch and length it was first called with."""

    def compute_output_shape(self, shape: Any) -> Any:
        return (1, 8, 4)


class CannotTell(Scale):
    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0] * 1, *shape[1:])


class Refuses(Scale):
    def call(self, x: Any) -> Any:
        raise ValueError("no, thank you")


def test_a_sound_layer_holds_everywhere() -> None:
    layer = Scale(0.25)
    assert check_config(layer).faults == ()
    assert check_saving(layer, STEPS).faults == ()
    assert check_announced_shape(layer, STEPS).faults == ()
    for dtype in ("float32", "float16", "bfloat16", "mixed_bfloat16", "float64"):
        assert check_dtype(layer, dtype, STEPS).faults == (), dtype


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True)),
        lambda: keras.layers.LayerNormalization(),
        lambda: keras.layers.Conv1D(3, 5, padding="causal", activation="gelu"),
        lambda: keras.layers.Normalization(),  # works something out from its weights
        lambda: keras.layers.GaussianNoise(0.5),  # another each time, in training
    ],
)
def test_keras_own_layers_hold(layer: Any) -> None:
    made = layer()
    assert check_saving(made, STEPS).faults == ()
    assert check_announced_shape(made, STEPS).faults == ()
    for dtype in ("float16", "mixed_bfloat16", "float32"):
        assert check_dtype(made, dtype, STEPS).faults == (), dtype


def test_several_inputs_reach_a_layer_as_it_takes_them() -> None:
    two = (InputSpec("query", (5, 4)), InputSpec("value", (7, 4)))
    attention = keras.layers.MultiHeadAttention(2, 3)
    assert check_announced_shape(attention, two).faults == ()
    assert check_dtype(attention, "float16", two).faults == ()
    assert check_saving(attention, two).faults == ()
    grouped = keras.layers.GroupQueryAttention(2, 4, 2)
    assert check_announced_shape(grouped, two).faults == ()
    same = (InputSpec("a", (4,)), InputSpec("b", (4,)))
    assert check_announced_shape(keras.layers.Concatenate(), same).faults == ()
    words = (InputSpec("input", (None,), "int32", 0, 9),)
    assert check_dtype(keras.layers.Embedding(9, 3), "float16", words).faults == ()


def test_a_model_is_checked_with_its_own_inputs() -> None:
    model = keras.Sequential([keras.Input((4,)), Scale(), keras.layers.Dense(2)])
    assert check_saving(model, ()).faults == ()
    lost = keras.Sequential([keras.Input((4,)), ForgetsWeights(), keras.layers.Dense(2)])
    assert "has other values loaded" in str(check_saving(lost, ()))


# --- what must fail -------------------------------------------------------------------------------


def only(check: Any) -> str:
    (fault,) = check.faults
    return str(fault)


def test_what_a_config_loses_is_told() -> None:
    check = check_config(LeavesOut(0.25, name="mine"))
    assert str(check).splitlines() == [
        "`mine` (LeavesOut) does not come back from its config",
        "  - get_config() leaves out `shift`, an argument of its constructor: made anew it gets "
        "the default, or is refused",
        "  - its `shift` is 0.25; made anew it is 0.0",
    ]
    assert only(check_config(AlwaysHalf(0.25))) == "its `shift` is 0.25; made anew it is 0.5"
    assert only(check_config(NotJson())).startswith("its config cannot be written as JSON: ")
    assert only(check_config(TakesNoName())).startswith("it cannot be made anew from its config: ")


def test_what_a_saved_file_loses_is_told() -> None:
    faults = check_saving(ForgetsWeights(name="mine"), STEPS).faults
    assert faults[0].startswith("weight `mine/factor` has other values loaded, up to 0.")
    assert faults[1].startswith("loaded it computes something else: ")
    assert "values, first at (0, 0, 0), where " in faults[1]
    (told,) = check_saving(LeavesOut(0.25), STEPS).faults
    assert told.startswith("loaded it computes something else: 96 of 96 values, first at (0, 0, 0)")
    assert only(check_saving(Unregistered(), STEPS)).startswith("loaded it computes something else")
    assert "it cannot be saved and loaded: " in only(check_saving(TakesNoName(), STEPS))


def test_what_a_dtype_breaks_is_told() -> None:
    assert only(check_dtype(Float32(), "float16", STEPS)) == "its output is float32, not float16"
    assert only(check_dtype(DropsKwargs(), "bfloat16", STEPS)).startswith(
        "made anew with dtype='bfloat16' its policy is 'float32': "
    )
    assert "values are not finite, first at (0, 0, 0): nan instead of 0" in only(
        check_dtype(Normalised(), "float16", STEPS)
    )
    coarse = only(check_dtype(Coarse(), "float32", STEPS))
    assert coarse.startswith("it is up to 0.0")
    assert "from float64, where rounding explains" in coarse
    assert only(check_dtype(Refuses(), "float16", STEPS)) == "it does not run: no, thank you"
    assert "it cannot be made with dtype='float17'" in only(check_dtype(Scale(), "float17", STEPS))


def test_what_cannot_be_held_against_float64_does_not_pass() -> None:
    volume = (InputSpec("input", (4, 4, 4, 2)),)
    told = only(check_dtype(keras.layers.MaxPooling3D(), "float32", volume))
    assert told.startswith("it does not run in float64 to be compared with: ")


def test_a_shape_that_is_not_returned_is_told() -> None:
    faults = check_announced_shape(LosesAxis(), STEPS).faults
    assert len(faults) == 4
    assert faults[0] == "for (1, 8, 4) it announces (1, 8) and returns (1, 8, 4)"
    fixed = check_announced_shape(Fixed(), STEPS).faults
    assert fixed[0] == "for (2, 13, 4) it announces (1, 8, 4) and returns (2, 13, 4)"
    told = only(check_announced_shape(CannotTell(), STEPS))
    assert told.startswith("compute_output_shape((None, None, 4)) fails: ")
    assert only(check_announced_shape(Refuses(), STEPS)) == "it does not run: no, thank you"


# --- what is left alone, and what makes no sense --------------------------------------------------


def test_the_layer_given_stays_as_it_is() -> None:
    fresh = Scale()
    built = Scale()
    built(np.ones((2, 4), "float32"))
    for layer in (fresh, built):
        check_saving(layer, FLAT)
        check_dtype(layer, "float16", FLAT)
        check_announced_shape(layer, FLAT)
    assert not fresh.built
    np.testing.assert_array_equal(built.factor.numpy(), np.ones(4))
    assert built.compute_dtype == "float32"


def test_a_built_layer_is_tried_with_its_own_weights() -> None:
    layer = Scale()
    layer(np.ones((2, 4), "float32"))
    layer.factor.assign([6e4] * 4)
    assert "are not finite" in only(check_dtype(layer, "float16", FLAT))


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(UsageError, match="a Keras layer or model is needed; received a int"):
        check_config(3)
    with pytest.raises(UsageError, match="is a Scale, which has no input of its own"):
        check_announced_shape(Scale(), ())
