"""Working precision and float64: the dtype that a policy, an input or a layer has in each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

Precision = Literal["working", "float64"]

_FLOATING = ("float", "bfloat", "mixed_")
_POLICIES = ("DTypePolicy", "Policy", "FloatDTypePolicy")

#: TensorFlow has no float64 kernel for these, or Keras mixes dtypes in them: they stay float32.
FLOAT32_ONLY = ("AdaptiveAveragePooling3D", "AdaptiveMaxPooling3D", "MelSpectrogram")


def stays_float32(layer_type: str, arguments: Mapping[str, Any]) -> bool:
    """Say whether a layer with these arguments can only run in float32 at most (on a CPU)."""
    if layer_type in FLOAT32_ONLY:
        return True
    if layer_type in ("ConvLSTM1D", "ConvLSTM2D"):
        return arguments.get("data_format") == "channels_first"
    if re.fullmatch(r"Conv(olution)?\dDTranspose", layer_type):
        rates = arguments.get("dilation_rate", 1)
        return any(rate != 1 for rate in (rates if isinstance(rates, (list, tuple)) else [rates]))
    return False


def is_floating(dtype: Any) -> bool:
    """Say whether a dtype or dtype policy, by its name, is a floating one."""
    return isinstance(dtype, str) and dtype.startswith(_FLOATING)


def layer_dtype(dtype: Any, precision: Precision) -> Any:
    """Return a layer's `dtype` argument in this precision; integer dtypes stay."""
    if precision == "working":
        return dtype
    if isinstance(dtype, Mapping) and dtype.get("class_name") in _POLICIES:
        return layer_dtype(dtype.get("config", {}).get("name"), precision)
    return "float64" if is_floating(dtype) else dtype


def config_in(config: Any, precision: Precision) -> Any:
    """Return a serialised Keras model in this precision: every floating `dtype` in it is float64.

    Quantised policies stay: they have no float64 form.
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
    """Return a serialised Keras model whose floating layers have this dtype policy.

    Inputs, tensors and initial values keep their dtypes; so do integer layers.
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
