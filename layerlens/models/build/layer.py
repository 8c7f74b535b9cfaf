"""Make a Keras layer from its description, inner layers first."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from typing import Any

import keras

from layerlens.errors import UnsafeCodeError
from layerlens.models.build.allow_list import argument_parts, is_registered
from layerlens.models.build.precision import Precision, layer_dtype, stays_float32
from layerlens.models.build.python_callable import find_python
from layerlens.scenario.allowed_classes import CODE_LAYERS
from layerlens.scenario.spec import LayerSpec

_ALLOW = "if you trust the scenario, allow its code with `--allow-code`"


def make_layer(spec: LayerSpec, precision: Precision, name: str | None = None) -> Any:
    """Make a Keras layer, its inner layers and cells first, in Python's order of evaluation.

    `name` is used unless the arguments give one. Raises whatever Keras raises.
    """
    arguments = {key: _made(key, value, precision) for key, value in spec.arguments.items()}
    if spec.type == "Lambda" and isinstance(arguments.get("function"), str):
        arguments["function"] = find_python(arguments["function"], spec.where)
    if name is not None:
        arguments.setdefault("name", name)
    if precision == "float64" and stays_float32(spec.type, arguments):
        arguments["dtype"] = "float32"
    elif "dtype" in arguments:
        arguments["dtype"] = layer_dtype(arguments["dtype"], precision)
    return getattr(keras.layers, spec.type)(**arguments)


def automatic_name(layer_type: str, error: BaseException | None = None) -> str:
    """Return the name of the layer that failed with `error`, or else that of the next layer."""
    kind = getattr(keras.layers, layer_type)
    for frame, _ in traceback.walk_tb(error.__traceback__ if error else None):
        failed = frame.f_locals.get("self")
        # A layer that failed in its constructor may have a name already.
        name = getattr(failed, "name", None) if type(failed) is kind else None
        if isinstance(name, str):
            return name
    return str(type(kind.__name__, (keras.layers.Layer,), {})().name)


def refuse_code_layers(layers: Iterable[LayerSpec]) -> None:
    """Refuse the first layer that is code, or has code or a file as an argument.

    Raises:
        UnsafeCodeError: an argument is not on the allow-list, or the layer runs code.
    """
    for layer in layers:
        if layer.type in CODE_LAYERS:
            raise UnsafeCodeError(f"`{layer.type}` runs its own code", layer.where, _ALLOW)
        for name, part in argument_parts(layer, is_registered):
            raise UnsafeCodeError(
                f"`{part.place}` of `{layer.type}` {part.what}",
                layer.places.get(name, layer.where),
                f"{part.hint}; or {_ALLOW}",
            )


def _made(key: str, value: Any, precision: Precision) -> Any:
    if isinstance(value, LayerSpec):
        return make_layer(value, precision)
    if isinstance(value, Mapping):
        return {inner: _made(inner, item, precision) for inner, item in value.items()}
    if isinstance(value, (list, tuple)) and any(isinstance(item, LayerSpec) for item in value):
        layers = [_made(key, item, precision) for item in value]
        # A wrapper holds one layer: several in its place are a chain.
        return keras.Sequential(layers) if key.endswith("layer") else layers
    return value
