"""Make a Keras layer from its description, inner layers first."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from layerlens.errors import UnsafeCodeError
from layerlens.models.build.allow_list import argument_parts
from layerlens.models.build.precision import Precision, layer_dtype, stays_float32
from layerlens.models.build.python_callable import find_python
from layerlens.scenario.allowed_classes import CODE_LAYERS, is_registered
from layerlens.scenario.spec import LayerSpec

_ALLOW = "if you trust the scenario, allow its code with `--allow-code`"


@dataclass(frozen=True, slots=True)
class LayerMaker:
    """Makes Keras layers in one precision."""

    precision: Precision
    #: Makes the model of a description that stands in the place of a layer, with a name for it.
    make_model: Callable[[LayerSpec, str | None, LayerMaker], Any]

    def make(self, spec: LayerSpec, name: str | None = None) -> Any:
        """Make a Keras layer, its inner layers and cells first, in Python's order of evaluation.

        `name` is used unless the arguments give one. Raises whatever Keras raises.
        """
        if spec.model is not None:
            return self.make_model(spec, spec.arguments.get("name", name), self)
        arguments = {key: self._made(key, value) for key, value in spec.arguments.items()}
        if spec.type == "Lambda" and isinstance(arguments.get("function"), str):
            arguments["function"] = find_python(arguments["function"], spec.where)
        if name is not None:
            arguments.setdefault("name", name)
        if self.precision == "float64" and stays_float32(spec.type, arguments):
            arguments["dtype"] = "float32"
        elif "dtype" in arguments:
            arguments["dtype"] = layer_dtype(arguments["dtype"], self.precision)
        return getattr(keras.layers, spec.type)(**arguments)

    def _made(self, key: str, value: Any) -> Any:
        if isinstance(value, LayerSpec):
            return self.make(value)
        if isinstance(value, Mapping):
            return {inner: self._made(inner, item) for inner, item in value.items()}
        if isinstance(value, (list, tuple)) and any(isinstance(item, LayerSpec) for item in value):
            layers = [self._made(key, item) for item in value]
            # A wrapper holds one layer: several in its place are a chain.
            return keras.Sequential(layers) if key.endswith("layer") else layers
        return value


def automatic_name(layer_type: str, error: BaseException | None = None) -> str:
    """Return the name of the layer that failed with `error`, or else that of the next layer."""
    kind = getattr(keras.layers, layer_type, getattr(keras, layer_type, keras.layers.Layer))
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
