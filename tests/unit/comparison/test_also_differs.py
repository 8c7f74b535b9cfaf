"""Each difference besides the output is shown by a pair that has it and one that does not."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerlens.comparison.also_differs import _clearly_differ, also_differs
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

STEPS = input_of(5, 3)
VECTOR = input_of(4)
TOKENS = input_of(5, dtype="int32", low=0, high=6)


def asides(
    one: ModelSpec, other: ModelSpec, given: InputSpec, *, training: bool = False
) -> set[str]:
    work = prepared(one, other, given, training=training)
    inputs = work.generic_inputs(), work.padded_inputs()
    both = work.reference, work.candidate
    return set(also_differs(*both, work.main_values(), *inputs, work.transfer))


def of(*layers: LayerSpec, **more: Any) -> ModelSpec:
    return chain("m", *layers, **more)


@pytest.mark.parametrize("far", [0, 9])
def test_a_difference_in_one_block_of_an_array_is_found(
    far: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerlens.numerics.arrays.BLOCK", 4)
    one, other = np.ones(10), np.ones(10)
    assert not _clearly_differ(one, other)
    other[far] += 1e-3
    assert _clearly_differ(one, other)
    one[4] = other[4] = 1e6  # to which the difference is relative
    assert not _clearly_differ(one, other)


DENSE = layer("Dense", units=4)
NOTHING = layer("Activation", activation="linear")


# --- the mask passed on ---------------------------------------------------------------------------


def test_a_mask_that_only_one_passes_on_is_found() -> None:
    assert "mask" in asides(of(layer("Masking")), of(NOTHING), STEPS)
    embed = layer("Embedding", input_dim=6, output_dim=2)
    masked = layer("Embedding", input_dim=6, output_dim=2, mask_zero=True)
    assert "mask" in asides(of(embed), of(masked), TOKENS)


def test_two_masks_that_differ_are_found() -> None:
    one, other = layer("Masking"), layer("Masking", mask_value=1.0)
    assert "mask" in asides(of(one, DENSE), of(other, DENSE), STEPS)


def test_the_same_mask_or_one_that_is_used_up_is_not() -> None:
    assert "mask" not in asides(of(layer("Masking"), DENSE), of(layer("Masking"), DENSE), STEPS)
    pool = layer("GlobalMaxPooling1D")
    assert "mask" not in asides(of(layer("Masking"), pool), of(pool), STEPS)


# --- gradients ------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("asides")
class Stopped(keras.layers.Layer):  # type: ignore[misc]
    """The identity, through which no gradient flows."""

    def call(self, inputs: Any) -> Any:
        return keras.ops.stop_gradient(inputs)


@keras.saving.register_keras_serializable("asides")
class Cleaned(keras.layers.Layer):  # type: ignore[misc]
    """The identity on whatever is finite."""

    def call(self, inputs: Any) -> Any:
        return keras.ops.where(keras.ops.isfinite(inputs), inputs, 0 * keras.ops.ones_like(inputs))


def given(*layers: Any) -> ModelSpec:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4), *layers])
    return ModelSpec("m", "object", given=model)


def test_a_stopped_gradient_is_found_although_the_outputs_agree() -> None:
    assert asides(given(Stopped()), given(keras.layers.Identity()), VECTOR) == {"gradients"}
    assert asides(given(Stopped()), given(Stopped()), VECTOR) == set()


def test_gradients_by_the_weights_count_as_well() -> None:
    assert "gradients" in asides(of(DENSE), of(DENSE, layer("ReLU")), VECTOR)
    assert "gradients" not in asides(
        of(DENSE, layer("ReLU")), of(layer("Dense", units=4, activation="relu")), VECTOR
    )


def test_gradients_that_exist_in_float32_only_are_compared_there() -> None:
    image = input_of(4, 4, 1)

    def resized(**more: Any) -> ModelSpec:
        return of(layer("Resizing", height=2, width=2, antialias=True, **more))

    assert "gradients" not in asides(resized(), resized(), image)
    assert "gradients" in asides(resized(), resized(interpolation="bicubic"), image)


# --- state ----------------------------------------------------------------------------------------


def test_moving_statistics_that_training_leaves_elsewhere_are_found() -> None:
    slow = layer("BatchNormalization", momentum=0.99)
    fast = layer("BatchNormalization", momentum=0.5)
    assert "state" in asides(of(slow), of(fast), VECTOR, training=True)
    assert "state" not in asides(of(slow), of(slow), VECTOR, training=True)
    assert "state" not in asides(of(slow), of(fast), VECTOR)  # inference writes none


def test_a_state_that_only_one_keeps_is_found() -> None:
    plain, kept = (
        layer("SimpleRNN", units=3, stateful=stateful) for stateful in (False, True)
    )  # fmt: skip
    assert "state" in asides(of(plain), of(kept), STEPS)
    assert "state" not in asides(of(kept), of(kept), STEPS)
    assert "state" not in asides(of(plain), of(plain), STEPS)


# --- losses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "regular",
    [
        {"kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.1}}},
        {"activity_regularizer": {"class_name": "L1", "config": {"l1": 0.1}}},
    ],
)
def test_a_loss_that_only_one_adds_is_found(regular: dict[str, Any]) -> None:
    regularised = of(layer("Dense", units=4, **regular))
    assert "losses" in asides(of(DENSE), regularised, VECTOR)
    assert "losses" not in asides(regularised, regularised, VECTOR)


@keras.saving.register_keras_serializable("test_asides")
class Float32Only(keras.regularizers.Regularizer):  # type: ignore[misc]
    """Works in one precision alone, as Keras' own L1 does before 3.15."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, weight: Any) -> Any:
        import tensorflow as tf

        return tf.multiply(tf.constant(self.factor), tf.reduce_sum(tf.square(weight)))

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor}


def test_a_loss_that_has_no_float64_is_compared_in_working_precision() -> None:
    def regularised(factor: float) -> ModelSpec:
        one = keras.layers.Dense(3, kernel_regularizer=Float32Only(factor))
        model = keras.Sequential([keras.Input((4,)), one])
        return ModelSpec("m", "object", given=model)

    assert asides(regularised(0.1), regularised(0.2), VECTOR) == {"losses"}
    assert asides(regularised(0.1), regularised(0.1), VECTOR) == set()


def test_two_losses_that_differ_are_found() -> None:
    one, other = (of(layer("ActivityRegularization", l2=l2)) for l2 in (0.1, 0.2))
    assert asides(one, other, VECTOR) == {"losses"}
    assert asides(one, one, VECTOR) == set()


# --- dtype ----------------------------------------------------------------------------------------


def test_another_output_dtype_is_found() -> None:
    half = of(layer("ReLU"), dtype="float16")
    assert asides(of(layer("ReLU")), half, VECTOR) == {"dtype"}
    assert asides(half, half, VECTOR) == set()


# --- NaN and infinities ---------------------------------------------------------------------------


def test_nan_that_only_one_passes_on_is_found() -> None:
    assert "non_finite" in asides(given(), given_first(Cleaned()), VECTOR)
    assert "non_finite" not in asides(given_first(Cleaned()), given_first(Cleaned()), VECTOR)


def given_first(*layers: Any) -> ModelSpec:
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(4)])
    return ModelSpec("m", "object", given=model)


def test_nothing_differs_between_equal_models() -> None:
    assert asides(of(DENSE, layer("Dropout", rate=0.5)), of(DENSE), VECTOR) == set()
