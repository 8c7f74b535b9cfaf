"""The dtypes of policies, inputs and layers in working precision and in float64."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

Precision = Literal["working", "float64"]

_FLOATING = ("float", "bfloat", "mixed_")
_POLICIES = ("DTypePolicy", "Policy", "FloatDTypePolicy")

#: Layers that stay float32: TensorFlow has no float64 kernel for them, or Keras mixes dtypes.
FLOAT32_ONLY = ("AdaptiveAveragePooling3D", "AdaptiveMaxPooling3D", "MelSpectrogram")


def stays_float32(layer_type: str, arguments: Mapping[str, Any]) -> bool:
    """Return whether a layer with these arguments cannot run in float64 on a CPU."""
    if layer_type in FLOAT32_ONLY:
        return True
    if layer_type in ("ConvLSTM1D", "ConvLSTM2D"):
        return arguments.get("data_format") == "channels_first"
    if re.fullmatch(r"Conv(olution)?\dDTranspose", layer_type):
        rates = arguments.get("dilation_rate", 1)
        return any(rate != 1 for rate in (rates if isinstance(rates, (list, tuple)) else [rates]))
    return False


def is_floating(dtype: Any) -> bool:
    """Return whether a dtype or dtype policy is floating, by its name; quantized ones are not."""
    return isinstance(dtype, str) and dtype.startswith(_FLOATING) and "_from_" not in dtype


def layer_dtype(dtype: Any, precision: Precision) -> Any:
    """Return a layer's `dtype` argument in this precision; integer dtypes do not change."""
    if precision == "working":
        return dtype
    if isinstance(dtype, Mapping) and dtype.get("class_name") in _POLICIES:
        return layer_dtype(dtype.get("config", {}).get("name"), precision)
    return "float64" if is_floating(dtype) else dtype


def config_in(config: Any, precision: Precision) -> Any:
    """Return a serialized Keras model in this precision; in "float64" every floating dtype is.

    Quantized policies, which have no float64 form, do not change.
    """
    if precision == "working":
        return config
    if isinstance(config, list):
        return [config_in(item, precision) for item in config]
    if not isinstance(config, Mapping):
        return config
    inner = config.get("config")
    if isinstance(inner, Mapping) and stays_float32(str(config.get("class_name")), inner):
        return {**config, "config": {**inner, "dtype": "float32"}}
    return {
        key: layer_dtype(value, precision)
        if key == "dtype" and layer_dtype(value, precision) == "float64"
        else config_in(value, precision)
        for key, value in config.items()
    }


def config_with_policy(config: Any, policy: str) -> Any:
    """Return a serialized Keras model whose floating layers have this dtype policy.

    Inputs, tensors, initial values and integer layers keep their dtypes.
    """
    if isinstance(config, list):
        return [config_with_policy(item, policy) for item in config]
    if not isinstance(config, Mapping):
        return config
    changed = {key: config_with_policy(item, policy) for key, item in config.items()}
    if _is_layer(config) and layer_dtype(config["config"]["dtype"], "float64") == "float64":
        changed["config"] = {**changed["config"], "dtype": policy}
    return changed


def _is_layer(config: Mapping[str, Any]) -> bool:
    inner = config.get("config")
    return (
        isinstance(inner, Mapping)
        and {"name", "dtype", "trainable"} <= set(inner)
        and config.get("class_name") != "InputLayer"
    )
