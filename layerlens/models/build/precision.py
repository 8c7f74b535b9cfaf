"""The dtypes of policies, inputs, layers and operations in working precision and in float64.

The dtype policy of a layer says how precisely it computes, so that its rounding is no part of the
function. An operation that converts to half precision, as `keras.ops.cast(x, "float16")` does, is
part of the function if no layer computes in that dtype: the float64 model converts, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from layerlens.numerics.dtype_range import HALF

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


def config_in(config: Any, precision: Precision, computed: Collection[str] | None = None) -> Any:
    """Return a serialized Keras model in this precision; in "float64" every floating dtype is.

    Quantized policies, which have no float64 form, do not change, nor do operations that convert to
    half precision if no layer computes in it.

    Args:
        config: a serialized model or layer.
        precision: "working" changes nothing.
        computed: the dtypes that the layers compute in, if the config is only a part of the model.
    """
    if precision == "working":
        return config
    return _in_float64(config, dtypes_computed_in(config) if computed is None else computed)


def _in_float64(config: Any, computed: Collection[str]) -> Any:
    if isinstance(config, list):
        return [_in_float64(item, computed) for item in config]
    if not isinstance(config, Mapping):
        return config
    inner = config.get("config")
    if isinstance(inner, Mapping) and stays_float32(str(config.get("class_name")), inner):
        return {**config, "config": {**inner, "dtype": "float32"}}
    if _is_operation(config) and narrows(config["config"]["dtype"], _operands(config), computed):
        return config
    return {
        key: layer_dtype(value, "float64")
        if key == "dtype" and layer_dtype(value, "float64") == "float64"
        else _in_float64(value, computed)
        for key, value in config.items()
    }


def narrows(dtype: Any, operands: Collection[str], computed: Collection[str]) -> bool:
    """Return whether an operation rounds to half precision, in which the layers do not compute.

    Args:
        dtype: that of the operation's result.
        operands: the dtypes of the tensors that it is given, in working precision.
        computed: the dtypes that the layers of the model compute in.
    """
    return dtype in HALF and dtype not in computed and set(operands) != {dtype}


def dtypes_computed_in(config: Any) -> frozenset[str]:
    """Return the dtypes that the layers of a serialized Keras model compute in."""
    return frozenset(_computed(config))


def _computed(config: Any) -> Iterator[str]:
    if isinstance(config, list):
        for item in config:
            yield from _computed(item)
    elif isinstance(config, Mapping):
        if _is_layer(config):
            dtype = config["config"]["dtype"]
            named = dtype.get("config", {}).get("name") if isinstance(dtype, Mapping) else dtype
            if isinstance(named, str):
                yield named.split("_from_")[-1].removeprefix("mixed_")
        for item in config.values():
            yield from _computed(item)


def _is_operation(config: Mapping[str, Any]) -> bool:
    """Return whether a part of a serialized model is an operation that has a dtype of its own."""
    inner = config.get("config")
    return (
        isinstance(inner, Mapping)
        and "dtype" in inner
        and "trainable" not in inner
        and "inbound_nodes" in config
        and config.get("class_name") != "InputLayer"
    )


def _operands(operation: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_dtypes_of_tensors(operation["inbound_nodes"]))


def _dtypes_of_tensors(config: Any) -> Iterator[str]:
    if isinstance(config, (list, tuple)):
        for item in config:
            yield from _dtypes_of_tensors(item)
    elif isinstance(config, Mapping):
        if config.get("class_name") in ("__keras_tensor__", "__tensor__"):
            yield str(config["config"].get("dtype"))
        else:
            yield from _dtypes_of_tensors(list(config.values()))


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
