"""Every floating dtype of a float64 model is float64; others stay."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.build.precision import (
    config_in,
    config_with_policy,
    layer_dtype,
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
