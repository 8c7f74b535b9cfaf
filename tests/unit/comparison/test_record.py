"""What is recorded of a model, and what of it is left out to keep a file small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerlens
from layerlens.comparison.recording_plan import PLANS, plans_within
from layerlens.errors import UnsafeCodeError, UsageError
from layerlens.models.external.recording_file import read_recording

pytestmark = pytest.mark.usefixtures("backend")


def dense(units: int = 3) -> Any:
    import keras

    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])


def test_a_model_keeps_its_weights_and_its_file_tells_of_it(tmp_path: Path) -> None:
    model = dense()
    before = model.get_weights()
    found = layerlens.record(model, tmp_path / "golden.npz", seed=5)
    np.testing.assert_equal(model.get_weights(), before)
    recording = read_recording(found.path)
    np.testing.assert_equal(recording.weights["initial"], before)
    assert found.weights == tuple(recording.weights) == ("initial", "drawn", "gentle")
    assert found.samples == recording.samples
    assert found.bytes == (tmp_path / "golden.npz").stat().st_size
    assert (recording.seed, recording.exact, found.is_reduced) == (5, True, False)
    assert recording.versions.layerlens == layerlens.__version__


def test_outputs_are_those_of_the_model(tmp_path: Path) -> None:
    model = dense()
    path = tmp_path / "golden.npz"
    layerlens.record(model, path)
    recording = read_recording(path)
    run = recording.runs[0]
    inputs = recording.batches[run.batch].inputs[0]
    np.testing.assert_allclose(run.outputs["eager"][0], model(inputs), rtol=1e-5, atol=1e-5)
    kernel, bias = (array.astype("f8") for array in recording.weights["initial"])
    np.testing.assert_allclose(run.float64[0], inputs.astype("f8") @ kernel + bias, rtol=1e-13)


def test_recording_again_changes_nothing(tmp_path: Path) -> None:
    model, path = dense(), tmp_path / "golden.npz"
    assert not layerlens.record(model, path).is_unchanged
    content = path.read_bytes()
    assert layerlens.record(model, path).is_unchanged
    assert path.read_bytes() == content


def test_less_is_recorded_within_a_smaller_limit(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    whole = layerlens.record(dense(), path)
    smaller = layerlens.record(dense(), path, max_bytes=whole.bytes // 2)
    assert smaller.bytes <= whole.bytes // 2
    assert smaller.is_reduced
    assert len(smaller.weights) <= len(whole.weights)
    assert smaller.samples < whole.samples


def test_a_model_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"its recording takes .* may take 2\.0 KB") as caught:
        layerlens.record(dense(), tmp_path / "golden.npz", max_bytes=2000)
    assert "--max-size" in str(caught.value)
    with pytest.raises(UsageError, match="its weights alone take 2"):
        layerlens.record(dense(1000), tmp_path / "golden.npz", max_bytes=2000)
    assert not list(tmp_path.iterdir())


def test_plans_go_by_the_size_of_the_weights() -> None:
    assert plans_within(100, 400) == PLANS
    assert [plan.kinds for plan in plans_within(100, 250)] == [1, 1, 0]
    assert plans_within(100, 99) == ()


def test_random_outputs_are_refused(tmp_path: Path) -> None:
    import keras
    from keras import layers, ops

    class Noisy(layers.Layer):
        def call(self, x: Any) -> Any:
            return x + keras.random.normal(ops.shape(x))

    model = keras.Sequential([keras.Input((3,)), Noisy()])
    with pytest.raises(UsageError, match="its outputs are random in inference"):
        layerlens.record(model, tmp_path / "golden.npz")
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_one_function_is_refused(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf
    from keras import layers

    class Twofold(layers.Layer):
        def call(self, x: Any) -> Any:
            return x if tf.executing_eagerly() else 2 * x

    model = keras.Sequential([keras.Input((3,)), Twofold()])
    with pytest.raises(UsageError, match="its outputs when called eagerly differ"):
        layerlens.record(model, tmp_path / "golden.npz")
    assert not list(tmp_path.iterdir())


def test_words_as_outputs_are_refused(tmp_path: Path) -> None:
    import keras
    from keras import layers

    words = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    model = keras.Sequential([keras.Input((2,), dtype="int64"), words])
    with pytest.raises(UsageError, match="cannot be recorded: it returns"):
        layerlens.record(model, tmp_path / "golden.npz")


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.zeros(2))
    content = path.read_bytes()
    with pytest.raises(UsageError, match="it is not a recording"):
        layerlens.record(dense(), path)
    with pytest.raises(UsageError, match=r"ends in \.npz"):
        layerlens.record(dense(), tmp_path / "golden.keras")
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["data.npz"]


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    with pytest.raises(UsageError, match="which is not a model"):
        layerlens.record(3, path)
    with pytest.raises(UsageError, match="max_bytes=0 is not a size"):
        layerlens.record(dense(), path, max_bytes=0)
    layerlens.record(dense(), path)
    with pytest.raises(UsageError, match="is a recording already"):
        layerlens.record(path, tmp_path / "copy.npz")


def test_a_layer_with_the_shape_of_its_input(tmp_path: Path) -> None:
    import keras

    found = layerlens.record(keras.layers.Dense(2), tmp_path / "golden.npz", inputs=[3])
    assert read_recording(found.path).inputs[0].shape == (3,)


def test_code_needs_leave(tmp_path: Path) -> None:
    import keras

    saved = tmp_path / "model.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)]).save(saved)
    with pytest.raises(UnsafeCodeError):
        layerlens.record(saved, tmp_path / "golden.npz")
    assert not (tmp_path / "golden.npz").exists()
