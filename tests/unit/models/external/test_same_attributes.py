"""A copy that lost an argument is noticed by its attributes, whatever its outputs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerlens.models.external.same_attributes import carry_attributes, has_same_attributes

pytestmark = pytest.mark.usefixtures("backend")


class Clip(keras.layers.Layer):  # type: ignore[misc]
    def __init__(self, limit: Any = 100.0, **more: Any) -> None:
        super().__init__(**more)
        self._limit = limit

    def call(self, inputs: Any) -> Any:
        return inputs if isinstance(self._limit, dict) else keras.ops.minimum(inputs, self._limit)


def chain(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((3,)), *layers])


def test_private_attributes_of_the_users_own_classes_count() -> None:
    assert has_same_attributes(chain(Clip(5.0)), chain(Clip(5.0)))
    assert not has_same_attributes(chain(Clip(5.0)), chain(Clip()))
    assert not has_same_attributes(chain(Clip(np.ones(3))), chain(Clip(np.zeros(3))))
    assert not has_same_attributes(chain(Clip({"upper": [5.0]})), chain(Clip({"upper": [6.0]})))


def test_every_layer_of_the_original_needs_one_of_its_class() -> None:
    assert has_same_attributes(Clip(5.0), chain(Clip(6.0), Clip(5.0)))
    assert not has_same_attributes(chain(Clip(5.0), Clip(5.0)), chain(Clip(6.0), Clip(5.0)))
    assert not has_same_attributes(chain(Clip(5.0)), chain(keras.layers.Dense(3)))


def test_what_was_set_on_a_layer_of_keras_counts() -> None:
    changed = keras.layers.Dense(3)
    changed.supports_masking = False
    assert not has_same_attributes(chain(changed), chain(keras.layers.Dense(3)))


def test_names_dtypes_and_training_do_not_count() -> None:
    model, other = chain(keras.layers.Dense(3, name="a")), chain(keras.layers.Dense(3, name="b"))
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 3)), np.ones((2, 3)), validation_split=0.5, verbose=0)
    assert has_same_attributes(model, other)
    assert has_same_attributes(chain(Clip(dtype="float16")), chain(Clip(dtype="float64")))


class Bound:
    def __init__(self, upper: float) -> None:
        self.upper = upper


def test_objects_and_tensors_that_a_layer_holds_count() -> None:
    for kind in (Bound, keras.ops.convert_to_tensor):
        assert has_same_attributes(chain(Clip({"upper": kind(5.0)})), Clip({"upper": kind(5.0)}))
        assert not has_same_attributes(
            chain(Clip({"upper": kind(5.0)})), Clip({"upper": kind(5.1)})
        )


def test_what_a_copy_has_lost_is_carried_over() -> None:
    original, copy = chain(Clip(5.0), Clip({"upper": Bound(5.0)})), chain(Clip(), Clip({}))
    carry_attributes(original, copy)
    assert has_same_attributes(original, copy)
    assert copy.layers[1]._limit["upper"] is not original.layers[1]._limit["upper"]
    np.testing.assert_array_equal(copy(np.full((1, 3), 9.0)), np.full((1, 3), 5.0))


def test_attributes_of_layers_of_keras_are_not_carried_over() -> None:
    original, copy = chain(keras.layers.ReLU(5.0)), chain(keras.layers.ReLU())
    carry_attributes(original, copy)
    assert not has_same_attributes(original, copy)
