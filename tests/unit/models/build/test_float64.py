"""A float64 twin computes what the model computes, also where TensorFlow has no float64 kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec
from tests.unit.tables.every_layer import CASES, VARIANTS, Case, layer

SIGNAL = (InputSpec("x", (4, 9)),)
IMAGE = (InputSpec("x", (4, 8, 9)),)
VOLUME = (InputSpec("x", (7, 6, 5, 4)),)
FIRST = {"data_format": "channels_first"}
KERNEL = {"filters": 3, "kernel_size": 3}

#: Each refuses float64 on a CPU where it is only told to use it.
WITHOUT_KERNEL = [
    Case(layer("Conv1D", **KERNEL, **FIRST, activation="softmax"), SIGNAL),
    Case(layer("Conv1D", **KERNEL, **FIRST, padding="causal", dilation_rate=2), SIGNAL),
    Case(
        layer("Conv2D", **KERNEL, **FIRST, strides=2, padding="same", activation="softmax"), IMAGE
    ),
    Case(layer("Conv2D", filters=4, kernel_size=2, groups=2, **FIRST), IMAGE),
    Case(layer("Conv1DTranspose", **KERNEL, **FIRST, strides=2), SIGNAL),
    Case(layer("Conv2DTranspose", **KERNEL, **FIRST, use_bias=False), IMAGE),
    *[
        Case(layer(kind, **more, kernel_size=3, strides=strides, padding=padding), IMAGE)
        for kind, more in (
            ("DepthwiseConv2D", {"depth_multiplier": 2, "activation": "softmax", **FIRST}),
            ("DepthwiseConv2D", {"activation": "tanh"}),
            ("SeparableConv2D", {"filters": 3}),
        )
        for strides, padding in (((1, 2), "same"), ((3, 2), "valid"))
    ],
    Case(layer("TimeDistributed", layer=layer("Conv1D", **KERNEL, **FIRST)), IMAGE),
    *[
        Case(layer(kind, pool_size=(2, 3, 2), padding=padding, **more), VOLUME)
        for kind in ("MaxPooling3D", "AveragePooling3D")
        for padding in ("valid", "same")
        for more in ({}, FIRST, {"strides": (1, 2, 1)})
    ],
]
#: Keras compiles these at every call.
COMPILED = [
    *[
        Case(layer("Conv1D", filters=6, kernel_size=2, **more), (InputSpec("x", (9, 6)),))
        for more in (
            {"groups": 6, "padding": "causal", "dilation_rate": 2, "activation": "tanh"},
            {"groups": 2, "padding": "causal", "use_bias": False},
            {"groups": 3, **FIRST, "padding": "same", "strides": 2},
        )
    ],
    *[
        Case(layer("Conv2D", filters=8, kernel_size=(3, 2), **more), (InputSpec("x", (8, 9, 4)),))
        for more in (
            {"groups": 4, "activation": "softmax"},
            {"groups": 4, "padding": "same", "strides": 2, **FIRST, "activation": "softmax"},
            {"groups": 4, "padding": "same", "strides": (2, 1)},
            {"groups": 4, "dilation_rate": (2, 3), "padding": "same"},
            {"groups": 2, "padding": "same", "strides": 2},
            {"groups": 2, "dilation_rate": 2},
        )
    ],
    Case(layer("Conv3D", filters=4, kernel_size=2, groups=4, strides=2), VOLUME),
    Case(layer("Conv3D", filters=7, kernel_size=2, groups=7, **FIRST), VOLUME),
    Case(layer("Conv3D", **KERNEL, **FIRST, padding="same", activation="softmax"), VOLUME),
    Case(
        layer("TimeDistributed", layer=layer("Conv1D", filters=6, kernel_size=2, groups=3)),
        (InputSpec("x", (4, 8, 6)),),
    ),
]
#: And these stay in float32: told by the precision of what they give.
STAY_FLOAT32 = [
    Case(layer("Conv2DTranspose", **KERNEL, dilation_rate=2), IMAGE),
    Case(layer("ConvLSTM1D", filters=2, kernel_size=2, **FIRST), IMAGE),
    Case(layer("AdaptiveMaxPooling3D", output_size=3), VOLUME),
]


def twin(spec: LayerSpec, inputs: tuple[InputSpec, ...]) -> tuple[Any, Any, Any]:
    """Return a call of a layer and one of its twin, on the same weights and random input."""
    model = ModelSpec("m", "layers", layers=(spec,))
    working, double = (
        build_model(model, inputs, precision=precision) for precision in ("working", "float64")
    )
    assert isinstance(working, Built)
    assert isinstance(double, Built)
    random = np.random.default_rng(0)
    for one, other in zip(working.model.weights, double.model.weights, strict=True):
        value = random.uniform(0.1, 1.0, one.shape).astype("float32")
        one.assign(value)
        other.assign(value)
    x = random.normal(size=(2, *inputs[0].shape)).astype("float32")

    def run_working() -> Any:
        import tensorflow as tf

        try:
            return working.model(x).numpy()
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError) as error:
            # Where TensorFlow leaves oneDNN off, as on processors without AVX-512 VNNI.
            told = ("NHWC", "dilation rates", "equal length strides")
            if any(text in str(error) for text in told):
                pytest.skip("TensorFlow has no kernel for the layer itself on this processor")
            raise

    return run_working, lambda: double.model(x.astype("float64")).numpy(), double


@pytest.mark.parametrize(
    "case", [*WITHOUT_KERNEL, *COMPILED, *STAY_FLOAT32], ids=lambda case: case.id
)
def test_the_twin_agrees_with_the_model(case: Case) -> None:
    run_working, run_twin, _ = twin(*case)
    single, double = run_working(), run_twin()
    assert single.shape == double.shape
    np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", [*WITHOUT_KERNEL, *COMPILED], ids=lambda case: case.id)
def test_the_twin_is_really_float64(case: Case) -> None:
    _, run_twin, _ = twin(*case)
    double = run_twin()
    assert double.dtype == "float64"
    if case.layer.type != "MaxPooling3D":  # which only picks from the input
        assert (double.astype("float32") != double).any()


@pytest.mark.parametrize("case", COMPILED, ids=lambda case: case.id)
def test_nothing_in_a_twin_is_compiled(case: Case) -> None:
    import tensorflow as tf

    _, _, built = twin(*case)
    spec = tf.TensorSpec((None, *case.inputs[0].shape), "float64")
    text = str(tf.function(built.model).get_concrete_function(spec).graph.as_graph_def())
    assert "_XlaMustCompile" not in text


@pytest.mark.parametrize("case", COMPILED, ids=lambda case: case.id)
def test_a_twin_has_gradients(case: Case) -> None:
    import tensorflow as tf

    _, _, built = twin(*case)
    x = tf.random.stateless_normal((2, *case.inputs[0].shape), (1, 2), dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(built.model(x) ** 2)
    for gradient in tape.gradient(total, [x, *built.model.trainable_weights]):
        assert np.isfinite(gradient.numpy()).all()
        assert gradient.numpy().any()


def test_the_twin_keeps_names_types_and_settings() -> None:
    _, _, built = twin(*WITHOUT_KERNEL[2])
    (row,) = built.report.layers
    assert (row.name, row.type) == ("conv2d", "Conv2D")
    assert built.model.layers[1].data_format == "channels_first"
    assert built.model.layers[1].activation.__name__ == "softmax"


#: Given what is refused when it is called, in every precision.
UNREADY = {"Discretization": "num_bins"}


@pytest.mark.parametrize("case", [*CASES, *VARIANTS], ids=lambda case: case.id)
def test_every_twin_runs(case: Case) -> None:
    if case.layer.type == "Equalization" or UNREADY.get(case.layer.type) in case.layer.arguments:
        pytest.skip("refused in every precision")
    built = build_model(
        ModelSpec("m", "layers", layers=(case.layer,)), case.inputs, precision="float64"
    )
    assert isinstance(built, Built)
    arrays = [array_for(item, built.batch_size or 2) for item in case.inputs]
    for training in (False, True):
        built.model(arrays[0] if len(arrays) == 1 else arrays, training=training)


def array_for(item: InputSpec, size: int) -> Any:
    import tensorflow as tf

    shape = (size, *(length or 3 for length in item.shape))
    if item.dtype == "string":
        return tf.fill(shape, "a")
    return tf.ones(shape, item.dtype if item.is_integer else "float64")
