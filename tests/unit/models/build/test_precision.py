"""Every floating dtype of a float64 model is float64; others stay."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.build.precision import (
    config_in,
    config_with_policy,
    layer_dtype,
    narrows,
    stays_float32,
)
from layerlens.scenario.spec import InputSpec
from tests.unit.models.build.models import SEQUENCE, build, chain
from tests.unit.tables.every_layer import layer


def test_float64_reaches_dtypes_that_were_asked_for() -> None:
    spec = chain(
        layer("Dense", units=3, dtype="float16"),
        layer("TimeDistributed", layer=layer("Dense", units=2, dtype="mixed_bfloat16")),
        layer("CategoryEncoding", num_tokens=3, dtype="int32"),
        dtype="bfloat16",
    )
    working = build(chain(*spec.layers[:2], dtype="bfloat16"), SEQUENCE)
    assert {weight.dtype for weight in working.model.weights} == {"float16", "float32"}
    double = build(chain(*spec.layers[:2], dtype="bfloat16"), SEQUENCE, precision="float64")
    assert {weight.dtype for weight in double.model.weights} == {"float64"}
    assert double.model.inputs[0].dtype == "float64"
    tokens = (InputSpec("input", (4,), "int32", 0, 3),)
    assert (
        build(chain(spec.layers[2]), tokens, precision="float64").model.inputs[0].dtype == "int32"
    )


@pytest.mark.parametrize(
    ("dtype", "double"),
    [
        ("float16", "float64"),
        ("mixed_bfloat16", "float64"),
        ("float8_from_mixed_bfloat16", "float8_from_mixed_bfloat16"),
        ("int32", "int32"),
        (None, None),
        ({"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}, "float64"),
        ({"class_name": "QuantizedDTypePolicy", "config": {}}, None),
    ],
)
def test_a_floating_dtype_is_float64(dtype: Any, double: Any) -> None:
    assert layer_dtype(dtype, "working") == dtype
    assert layer_dtype(dtype, "float64") == (dtype if double is None else double)


@pytest.mark.parametrize(
    ("kind", "arguments", "stays"),
    [
        ("MelSpectrogram", {}, True),
        ("ConvLSTM2D", {"data_format": "channels_first"}, True),
        ("ConvLSTM2D", {"data_format": "channels_last"}, False),
        ("Conv2DTranspose", {"dilation_rate": [1, 2]}, True),
        ("Conv2DTranspose", {"dilation_rate": 1}, False),
        ("Dense", {}, False),
    ],
)
def test_layers_without_a_float64_kernel_stay_float32(
    kind: str, arguments: dict[str, Any], stays: bool
) -> None:
    assert stays_float32(kind, arguments) is stays
    config = {"class_name": kind, "config": {"dtype": "float16", **arguments}}
    expected = "float32" if stays else "float64"
    assert config_in(config, "float64")["config"]["dtype"] == expected
    assert config_in(config, "working") is config


def test_a_policy_replaces_that_of_floating_layers_alone() -> None:
    def described(kind: str, dtype: str) -> dict[str, Any]:
        return {"class_name": kind, "config": {"name": "n", "trainable": True, "dtype": dtype}}

    layers = [
        described("Dense", "float32"),
        described("CategoryEncoding", "int32"),
        described("InputLayer", "float32"),
    ]
    changed = config_with_policy({"layers": layers}, "float16")["layers"]
    assert [one["config"]["dtype"] for one in changed] == ["float16", "int32", "float32"]
    assert layers[0]["config"]["dtype"] == "float32"


@pytest.mark.parametrize(
    ("dtype", "operands", "computed", "rounds"),
    [
        ("float16", ["float32"], ["float32"], True),
        ("bfloat16", ["float32"], ["float16"], True),
        ("float16", ["int32"], [], True),
        ("bfloat16", [], ["float32"], True),  # a constant
        ("float16", ["float32"], ["float32", "float16"], False),
        ("float16", ["float16"], ["float32"], False),
        ("float32", ["float64"], ["float64"], False),
        ("int8", ["float32"], ["float32"], False),
        (None, ["float32"], ["float32"], False),
    ],
)
def test_only_half_precision_that_no_layer_computes_in_narrows(
    dtype: Any, operands: list[str], computed: list[str], rounds: bool
) -> None:
    assert narrows(dtype, operands, computed) is rounds


@pytest.mark.parametrize(
    ("policy", "dtypes"),
    [
        ("float32", ["float16", "float64", "float64"]),
        ("mixed_float16", ["float64", "float64", "float64"]),
        ("mixed_bfloat16", ["float16", "float64", "float64"]),
    ],
)
@pytest.mark.usefixtures("backend")
def test_operations_convert_to_half_precision_if_no_layer_computes_in_it(
    policy: str, dtypes: list[str]
) -> None:
    import keras

    inputs = keras.Input((4,))
    rounded = keras.ops.cast(keras.ops.cast(inputs, "float16"), "float16")
    outputs = keras.ops.cast(keras.layers.Dense(2, dtype=policy)(rounded), "float32")
    config = keras.saving.serialize_keras_object(keras.Model(inputs, outputs))
    double = config_in(config, "float64")["config"]["layers"]
    casts = [one["config"]["dtype"] for one in double if one["class_name"] == "Cast"]
    assert casts == dtypes
    assert config_in(config, "working") == config
    # A part of a model in which other layers compute in half precision.
    parts = config_in(config, "float64", ["float16"])["config"]["layers"]
    assert {one["config"]["dtype"] for one in parts if one["class_name"] == "Cast"} == {"float64"}
