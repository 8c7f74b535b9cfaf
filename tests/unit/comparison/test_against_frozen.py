"""A model is judged by what was recorded: never a false difference, never a false pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import layerlens
from layerlens.models.external.recording_file import read_recording, recording_bytes
from layerlens.numerics.recording import RecordedRun, Recording
from layerlens.report.pairs import PairReport

pytestmark = pytest.mark.usefixtures("backend")

Build = Callable[[], Any]


def sequential(*layers: Any, shape: tuple[int | None, ...], **how: Any) -> Any:
    import keras

    return keras.Sequential([keras.Input(shape, **how), *layers])


def against(path: Path, model: Any, **how: Any) -> PairReport:
    report = layerlens.compare({"golden": path, "model": model}, allow_code=True, **how)
    (scenario,) = report.scenarios
    assert not scenario.errors, scenario.errors
    return scenario.pairs[0]


def recorded(tmp_path: Path, model: Any, **how: Any) -> Path:
    path = tmp_path / "golden.npz"
    layerlens.record(model, path, allow_code=True, **how)
    return path


@cache
def content_of(build: Build) -> bytes:
    """Return the recording of a model that several tests record."""
    with TemporaryDirectory() as folder:
        return recorded(Path(folder), build()).read_bytes()


def recorded_once(tmp_path: Path, build: Build) -> Path:
    path = tmp_path / "golden.npz"
    path.write_bytes(content_of(build))
    return path


# --- unchanged functions --------------------------------------------------------------------------


def gru(**how: Any) -> Any:
    from keras import layers

    return sequential(
        layers.GRU(4, return_sequences=True, **how),
        layers.Dropout(0.5),
        layers.Dense(3),
        shape=(6, 3),
    )


def stateful() -> Any:
    import keras
    from keras import layers

    given = keras.Input(batch_shape=(4, 5, 2))
    return keras.Sequential([given, layers.LSTM(3, stateful=True, return_sequences=True)])


def masked_tokens() -> Any:
    from keras import layers

    table = layers.Embedding(11, 4, mask_zero=True)
    return sequential(table, layers.LSTM(3), shape=(5,), dtype="int32")


def any_length() -> Any:
    from keras import layers

    both = layers.Bidirectional(layers.GRU(3, return_sequences=True))
    return sequential(both, layers.GlobalMaxPooling1D(), shape=(None, 2))


def two_by_name() -> Any:
    import keras
    from keras import layers

    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    joined = layers.Concatenate()([layers.Dense(3)(a), layers.Dense(2)(b)])
    outputs = {"p": layers.Dense(2, name="p")(joined), "q": layers.Dense(1, name="q")(joined)}
    return keras.Model({"b": b, "a": a}, outputs)


def normalized() -> Any:
    from keras import layers

    return sequential(layers.Dense(4), layers.BatchNormalization(), shape=(3,))


def half() -> Any:
    import keras
    from keras import layers

    policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    return sequential(layers.Dense(4, activation="gelu", dtype=policy), shape=(3,))


@pytest.mark.parametrize(
    "build", [gru, stateful, masked_tokens, any_length, two_by_name, normalized, half]
)
def test_an_unchanged_model_passes(tmp_path: Path, build: Build) -> None:
    pair = against(recorded_once(tmp_path, build), build())
    assert (pair.verdict, pair.strength, pair.unseen) == ("equivalent", "tested", ())
    assert pair.effort is not None
    assert pair.effort.plan == "recording"
    assert pair.certificate is None


def test_another_implementation_of_the_same_function_passes(tmp_path: Path) -> None:
    pair = against(recorded_once(tmp_path, gru), gru(unroll=True))
    assert (pair.verdict, pair.strength) == ("equivalent", "tested")


def test_several_lengths_are_recorded(tmp_path: Path) -> None:
    path = recorded_once(tmp_path, any_length)
    lengths = {batch.inputs[0].shape[1] for batch in read_recording(path).batches}
    assert len(lengths) >= 4


def test_integers_stay_within_their_domain(tmp_path: Path) -> None:
    path = recorded_once(tmp_path, masked_tokens)
    values = np.concatenate([b.inputs[0].ravel() for b in read_recording(path).batches])
    assert (values.min(), values.max()) == (0, 10)


def test_inputs_are_paired_by_name(tmp_path: Path) -> None:
    import keras
    from keras import layers

    def build(swapped: bool) -> Any:
        a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
        difference = layers.Subtract()([layers.Dense(2, name="first")(a), b[:, :2]])
        return keras.Model([b, a] if swapped else [a, b], difference)

    path = recorded(tmp_path, build(swapped=False))
    pair = against(path, build(swapped=True))
    assert (pair.verdict, pair.inputs and pair.inputs.method) == ("equivalent", "by_name")
    models = {"model": build(swapped=True), "golden": path}
    (scenario,) = layerlens.compare(models).scenarios
    assert scenario.pairs[0].verdict == "equivalent"


def moved(recording: Recording, working: float, double: float) -> Recording:
    """Return a recording whose outputs were rounded otherwise, by so many relative steps."""
    rng = np.random.default_rng(0)

    def shaken(array: Any, size: float) -> Any:
        if array.dtype.kind != "f":
            return array
        return (array * (1 + size * rng.uniform(-1, 1, array.shape))).astype(array.dtype)

    def run(one: RecordedRun) -> RecordedRun:
        return replace(
            one,
            outputs={
                name: tuple(shaken(array, working) for array in outputs)
                for name, outputs in one.outputs.items()
            },
            float64=tuple(shaken(array, double) for array in one.float64),
        )

    return replace(recording, runs=tuple(map(run, recording.runs)))


@pytest.mark.parametrize("build", [gru, half, any_length])
def test_the_rounding_of_another_machine_is_no_difference(tmp_path: Path, build: Build) -> None:
    path = recorded_once(tmp_path, build)
    other = moved(read_recording(path), 2.0**-9 if build is half else 2.0**-21, 2.0**-50)
    path.write_bytes(recording_bytes(other))
    assert against(path, build()).verdict == "equivalent"


def test_what_shows_in_float64_alone_is_a_difference(tmp_path: Path) -> None:
    path = recorded_once(tmp_path, normalized)
    path.write_bytes(recording_bytes(moved(read_recording(path), 0.0, 1e-6)))
    assert against(path, normalized()).verdict == "different"


# --- changed functions ----------------------------------------------------------------------------


def gate(activation: str) -> Any:
    import keras
    from keras import layers

    class Gate(layers.Layer):
        def __init__(self, **how: Any) -> None:
            super().__init__(**how)
            self.inner = layers.Dense(2, activation=activation)

        def build(self, shape: Any) -> None:
            self.inner.build(shape)

        def call(self, x: Any) -> Any:
            return x * self.inner(x)

    return keras.Sequential([keras.Input((2,)), Gate()])


def test_a_custom_layer_whose_code_changed(tmp_path: Path) -> None:
    path = recorded(tmp_path, gate("sigmoid"))
    assert against(path, gate("sigmoid")).verdict == "equivalent"
    pair = against(path, gate("tanh"))
    assert (pair.verdict, pair.strength) == ("different", None)
    shown = pair.counterexample
    assert shown is not None
    assert shown.reference != shown.candidate
    assert np.shape(shown.input) == (1, 2)
    assert "was recorded with Keras" in pair.explanation


def test_a_difference_that_the_saved_weights_hide(tmp_path: Path) -> None:
    from keras import layers

    def build(activation: str) -> Any:
        return sequential(
            layers.Dense(3, activation=activation, kernel_initializer="zeros"), shape=(3,)
        )

    path = recorded(tmp_path, build("relu"))
    run = read_recording(path).runs[0]
    assert not run.float64[0].any()  # as `gelu` would have given
    assert against(path, build("gelu")).verdict == "different"


def test_as_the_candidate(tmp_path: Path) -> None:
    path = recorded(tmp_path, gate("sigmoid"))
    for activation, verdict in (("sigmoid", "equivalent"), ("tanh", "different")):
        models = {"model": gate(activation), "golden": path}
        (scenario,) = layerlens.compare(models, allow_code=True).scenarios
        (pair,) = scenario.pairs
        assert pair.verdict == verdict
        assert pair.transfer is not None
        assert [one for one, _ in pair.transfer.pairs] == [
            weight.path for layer in scenario.models[0].layers for weight in layer.weights
        ]


def test_shapes_come_before_weights(tmp_path: Path) -> None:
    from keras import layers

    path = recorded_once(tmp_path, gru)
    shorter = sequential(layers.GRU(4), layers.Dense(3), shape=(6, 3))
    assert against(path, shorter).verdict == "shape_mismatch"
    assert against(path, gru(reset_after=False)).verdict == "param_mismatch"
    longer = sequential(layers.GRU(4, return_sequences=True), layers.Dense(3), shape=(7, 3))
    assert against(path, longer).verdict == "shape_mismatch"


def test_other_inputs_decide_nothing(tmp_path: Path) -> None:
    from keras import layers

    path = recorded(tmp_path, sequential(layers.GlobalMaxPooling1D(), shape=(6, 3)))
    pair = against(path, sequential(layers.GlobalMaxPooling1D(), shape=(7, 3)))
    assert pair.verdict == "inconclusive"


def test_a_model_that_refuses_what_was_recorded(tmp_path: Path) -> None:
    import keras
    from keras import layers

    class Even(layers.Layer):
        def call(self, x: Any) -> Any:
            if x.shape[0] is not None and x.shape[0] % 2:
                raise ValueError("an even batch is needed")
            return x

    path = recorded(tmp_path, keras.Sequential([keras.Input((3,)), layers.Identity()]))
    pair = against(path, keras.Sequential([keras.Input((3,)), Even()]))
    assert pair.verdict == "build_error"
    assert "an even batch is needed" in pair.explanation


def test_a_model_that_became_random(tmp_path: Path) -> None:
    import keras
    from keras import layers, ops

    class Noisy(layers.Layer):
        def call(self, x: Any) -> Any:
            return x + keras.random.normal(ops.shape(x))

    path = recorded(tmp_path, keras.Sequential([keras.Input((3,)), layers.Identity()]))
    assert against(path, keras.Sequential([keras.Input((3,)), Noisy()])).verdict == "different"


# --- what the verdict rests on --------------------------------------------------------------------


def test_weights_that_the_probes_cannot_see_are_named(tmp_path: Path) -> None:
    import keras
    from keras import layers, ops

    def build() -> Any:
        given = keras.Input((4,))
        return keras.Model(given, ops.argmax(layers.Dense(3, name="classes")(given), -1))

    pair = against(recorded(tmp_path, build()), build())
    assert (pair.verdict, pair.strength) == ("equivalent", "weak")
    assert "classes/kernel" in pair.unseen


def test_numbers_whose_inputs_were_not_recorded_are_named(tmp_path: Path) -> None:
    from keras import layers

    path = recorded(tmp_path, sequential(layers.ReLU(), shape=(3,)))
    pair = against(path, sequential(layers.ReLU(max_value=25000.0, name="capped"), shape=(3,)))
    assert (pair.verdict, pair.strength, pair.unseen) == ("equivalent", "weak", ("capped",))
    # With the cap recorded, inputs beyond it are as well.
    path = recorded(tmp_path, sequential(layers.ReLU(max_value=25000.0), shape=(3,)))
    assert against(path, sequential(layers.ReLU(), shape=(3,))).verdict == "different"


def test_a_factor_that_float32_hardly_tells_apart_is_not_passed(tmp_path: Path) -> None:
    from keras import layers

    path = recorded(tmp_path, sequential(layers.Rescaling(0.1), shape=(3,)))
    pair = against(path, sequential(layers.Rescaling(0.10000001), shape=(3,)))
    assert pair.verdict == "inconclusive"


def test_half_precision_that_leaves_its_range(tmp_path: Path) -> None:
    from keras import layers

    def build(dtype: str) -> Any:
        return sequential(layers.Rescaling(1e-9, dtype=dtype), shape=(3,))

    pair = against(recorded(tmp_path, build("float32")), build("mixed_float16"))
    assert pair.verdict == "different"
    assert "leaves the range of half precision" in pair.explanation
    pair = against(recorded(tmp_path, build("mixed_float16")), build("float32"))
    assert pair.verdict == "inconclusive"
    assert "which a recording does not hold" in pair.explanation


def test_a_layer_that_counts_its_samples(tmp_path: Path) -> None:
    import keras
    from keras import layers, ops

    class Counting(layers.Layer):
        def call(self, x: Any) -> Any:
            return ops.where(ops.equal(ops.shape(x)[0], 9), 2 * x, x)

    path = recorded(tmp_path, keras.Sequential([keras.Input((3,)), Counting()]))
    assert against(path, sequential(layers.Identity(), shape=(3,))).verdict == "different"


def test_samples_that_depend_on_their_batch(tmp_path: Path) -> None:
    import keras
    from keras import layers, ops

    class ByGreatest(layers.Layer):
        def __init__(self, least: float) -> None:
            super().__init__()
            self.least = least

        def call(self, x: Any) -> Any:
            return x / ops.maximum(ops.max(ops.abs(x)), self.least)

    def build(least: float) -> Any:
        return keras.Sequential([keras.Input((2,)), ByGreatest(least)])

    # Next to the other probes of its batch, none is so small.
    path = recorded(tmp_path, build(1e-3))
    assert against(path, build(1e-3)).verdict == "equivalent"
    assert against(path, build(1e-4)).verdict == "different"


def test_without_transfer_the_model_keeps_its_own_weights(tmp_path: Path) -> None:
    import keras
    from keras import layers

    def build(value: float) -> Any:
        dense = layers.Dense(2, kernel_initializer=keras.initializers.Constant(value))
        return sequential(dense, shape=(3,))

    path = recorded(tmp_path, build(1.0))
    assert against(path, build(2.0)).verdict == "equivalent"
    assert against(path, build(1.0), transfer="none").verdict == "equivalent"
    pair = against(path, build(2.0), transfer="none")
    assert pair.verdict == "different"
    assert "kept its own weights" in pair.explanation


def test_a_tolerance_replaces_the_rounding(tmp_path: Path) -> None:
    path = recorded_once(tmp_path, normalized)
    changed = moved(read_recording(path), 1e-3, 1e-3)
    path.write_bytes(recording_bytes(changed))
    assert against(path, normalized()).verdict == "different"
    assert against(path, normalized(), tolerance=(1e-2, 1e-3)).verdict == "equivalent"


def test_other_dtypes_are_reported_beside_the_verdict(tmp_path: Path) -> None:
    import keras
    from keras import layers

    def build(dtype: str) -> Any:
        return sequential(layers.Dense(2, dtype=dtype), shape=(3,))

    pair = against(recorded(tmp_path, build("float32")), build("mixed_float16"))
    assert (pair.verdict, pair.also_differs) == ("equivalent", ("dtype",))
    assert keras.config.dtype_policy().name == "float32"


def test_the_runtime_is_reported(tmp_path: Path) -> None:
    path = recorded_once(tmp_path, normalized)
    (scenario,) = layerlens.compare({"golden": path, "model": normalized()}).scenarios
    golden, model = scenario.models
    assert golden.runtime is not None
    assert (golden.runtime.name, golden.runtime.weights) == ("recording", "frozen")
    assert golden.runtime.float64 == "native"
    assert model.runtime is None
    assert golden.params == model.params
    report = layerlens.summary(path)
    assert report.scenarios[0].models[0].params == model.params
