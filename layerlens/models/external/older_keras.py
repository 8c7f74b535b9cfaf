"""Convert descriptions of Keras 1 and 2 to the form of Keras 3, with the meaning they had."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras import ops

from layerlens.scenario.keras_catalog import layer_names

#: Arguments of Keras 2 that Keras 3 lacks, with the value that has no effect.
_REMOVED_ARGUMENTS: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN"), ("time_major", False)),
    **dict.fromkeys(
        (
            "Conv1DTranspose",
            "Conv2DTranspose",
            "Conv3DTranspose",
            "DepthwiseConv1D",
            "DepthwiseConv2D",
            "SeparableConv1D",
            "SeparableConv2D",
        ),
        ("groups", 1),
    ),
}

#: Arguments that hold layers.
_INNER_LAYERS = ("layer", "backward_layer", "forward_layer", "cell", "cells")
#: The name under which models built here use `hard_sigmoid` of Keras 2.
HARD_SIGMOID = "keras2_hard_sigmoid"
_GATED = ("LSTM", "LSTMCell", "GRU", "GRUCell")
_CONV_LSTM = ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
#: Keras 2.3 made `sigmoid` the default of LSTM and GRU; ConvLSTM kept `hard_sigmoid`.
_SIGMOID_SINCE = (2, 3)
#: Since this version `UpSampling2D` samples as in Keras 3, with every version of TensorFlow.
_HALF_PIXELS_SINCE = (2, 4)


def keras2_hard_sigmoid(x: Any) -> Any:
    """Return clip(0.2 x + 0.5, 0, 1), which is `hard_sigmoid` of Keras 1 and 2.

    Keras 3 computes relu6(x + 3) / 6, which differs by up to 0.05.
    """
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@dataclass(frozen=True)
class Restored:
    """A description that has in Keras 3 the meaning with which it was saved."""

    config: Mapping[str, Any]
    #: Functions in the description that Keras 3 lacks, by name.
    functions: Mapping[str, Any] = field(default_factory=dict)
    #: The replacements, as remarks for a report.
    notes: tuple[str, ...] = ()
    #: The part of the meaning that could not be restored; None if all of it was.
    unrestored: str | None = None


# --- form -----------------------------------------------------------------------------------------


def in_keras3_form(config: Any) -> Any:
    """Return a description in the form of Keras 3, without restoring changed defaults.

    The input shape of a first layer becomes an InputLayer, and arguments without effect that
    Keras 3 refuses are removed.
    """
    if isinstance(config, list):
        return [in_keras3_form(item) for item in config]
    if not isinstance(config, Mapping):
        return config
    kept = {key: in_keras3_form(item) for key, item in config.items()}
    inner = kept.get("config")
    if kept.get("class_name") == "Sequential" and isinstance(inner, list):
        # Keras before 2.2.3 wrote the list of layers.
        inner = kept["config"] = {"name": None, "layers": inner}
    if not isinstance(inner, dict):
        return kept
    for name in _INNER_LAYERS:
        if name in inner:
            inner[name] = _in_module(inner[name])
    argument, meaningless = _REMOVED_ARGUMENTS.get(str(kept.get("class_name")), (None, None))
    if argument is not None and inner.get(argument) == meaningless:
        del inner[argument]
    layers = inner.get("layers")
    if isinstance(layers, list):
        own_input = _input_layer(layers[0]) if kept.get("class_name") == "Sequential" else None
        inner["layers"] = [
            *([own_input] if own_input is not None else []),
            *(_without_input_shape(layer) for layer in layers),
        ]
    return kept


def _in_module(held: Any) -> Any:
    """Return an inner layer with the module in which Keras 3 looks for its class."""
    if isinstance(held, list):
        return [_in_module(item) for item in held]
    if not isinstance(held, dict) or "module" in held or not isinstance(held.get("config"), dict):
        return held
    name = held.get("class_name")
    if name in ("Model", "Functional"):
        return {**held, "module": "keras.src.models.functional", "class_name": "Functional"}
    if name == "Sequential" or name in layer_names():
        return {**held, "module": "keras" if name == "Sequential" else "keras.layers"}
    return held


def _input_layer(first: Any) -> dict[str, Any] | None:
    """Return an InputLayer for the first layer of a chain, if that has an input shape."""
    if not isinstance(first, dict) or not isinstance(first.get("config"), dict):
        return None
    inner = first["config"]
    if first.get("class_name") == "InputLayer" or "layers" in inner:
        return None
    shape = inner.get("batch_input_shape")
    if shape is None and first.get("class_name") == "Bidirectional":
        held = inner.get("layer")
        given = held.get("config") if isinstance(held, dict) else None
        shape = given.get("batch_input_shape") if isinstance(given, dict) else None
    if shape is None and first.get("class_name") == "Embedding" and "input_length" in inner:
        length = inner["input_length"]
        shape = [None, *(length if isinstance(length, list) else [length])]
    if not isinstance(shape, list):
        return None
    dtype = inner.get("dtype")
    name = f"{inner.get('name', 'first')}_input"
    given = {"batch_shape": shape, "dtype": dtype if isinstance(dtype, str) else "float32"}
    return {"class_name": "InputLayer", "config": {**given, "name": name}}


def _without_input_shape(layer: Any) -> Any:
    """Return a layer without its input shape, which the InputLayer has."""
    if not isinstance(layer, dict) or layer.get("class_name") == "InputLayer":
        return layer
    inner = layer.get("config")
    if not isinstance(inner, dict):
        return layer
    kept = {key: value for key, value in inner.items() if key != "batch_input_shape"}
    if layer.get("class_name") == "Embedding":
        kept.pop("input_length", None)
    for name in ("layer", "backward_layer", "forward_layer"):
        if name in kept:
            kept[name] = _without_input_shape(kept[name])
    return {**layer, "config": kept}


# --- meaning --------------------------------------------------------------------------------------


def is_older(config: Mapping[str, Any], version: str | None) -> bool:
    """Return whether a description is of Keras 1 or 2, by its version or else by its form.

    Keras 3 writes `module` into every description, except in `.h5` files, which have a version.
    """
    if version is None:
        return "module" not in config
    return _numbers(version)[:1] < (3,)


def restore_meaning(config: Mapping[str, Any], version: str | None) -> Restored:
    """Return a description with the meaning it had in the Keras version that wrote it."""
    if not is_older(config, version):
        return Restored(config)
    reader = _Meaning(version)
    found = reader.of(config)
    return Restored(
        found,
        {HARD_SIGMOID: keras2_hard_sigmoid} if reader.hard else {},
        tuple(reader.notes()),
        reader.unrestored,
    )


@dataclass
class _Meaning:
    """Restores the meaning of one description, and records the changes by layer."""

    version: str | None
    hard: dict[str, None] = field(default_factory=dict)
    assumed: dict[str, dict[str, None]] = field(default_factory=dict)
    unrestored: str | None = None

    @property
    def keras(self) -> str:
        return f"Keras {self.version}" if self.version else "Keras 1 or 2 (it names no version)"

    def of(self, config: Any, layer: str = "the model") -> Any:
        if isinstance(config, list):
            return [self.of(item, layer) for item in config]
        if not isinstance(config, Mapping):
            return config
        inner = config.get("config")
        if not isinstance(inner, Mapping) or "class_name" not in config:
            return {key: self._argument(key, value, layer) for key, value in config.items()}
        kind, name = str(config["class_name"]), inner.get("name")
        layer = name if isinstance(name, str) else layer
        full = self._with_defaults(kind, inner, layer)
        self._check(kind, full, layer)
        restored = {key: self._argument(key, value, layer) for key, value in full.items()}
        rest = {k: self.of(v, layer) for k, v in config.items() if k != "config"}
        return {**rest, "config": restored}

    def _argument(self, key: str, value: Any, layer: str) -> Any:
        name = value
        if isinstance(value, Mapping) and value.get("class_name") == "function":
            name = value.get("config")
        if key.endswith("activation") and name == "hard_sigmoid":
            self.hard[layer] = None
            return {
                "module": "builtins",
                "class_name": "function",
                "config": HARD_SIGMOID,
                "registered_name": HARD_SIGMOID,
            }
        return self.of(value, layer)

    def _with_defaults(self, kind: str, inner: Mapping[str, Any], layer: str) -> Mapping[str, Any]:
        """Return a layer's arguments, with the older defaults that Keras 3 has changed."""
        missing: dict[str, Any] = {}
        early = self.version is not None and not self.version.endswith("tf")
        early = early and _numbers(self.version) < _SIGMOID_SINCE
        if kind in _CONV_LSTM or (kind in _GATED and early):
            missing["recurrent_activation"] = "hard_sigmoid"
        if kind in ("GRU", "GRUCell"):
            missing["reset_after"] = False
        missing = {name: value for name, value in missing.items() if name not in inner}
        for name, value in missing.items():
            default = f"`{name}: {str(value).lower()}`"
            self.assumed.setdefault(default, {})[layer] = None
        return {**inner, **missing}

    def _check(self, kind: str, inner: Mapping[str, Any], layer: str) -> None:
        if kind != "UpSampling2D" or inner.get("interpolation") != "bilinear":
            return
        if self.version is None or _numbers(self.version) < _HALF_PIXELS_SINCE:
            self.unrestored = (
                f"`{layer}` of {self.keras} interpolates bilinearly as the TensorFlow beneath it "
                "did, which may be at other places than Keras 3 does"
            )

    def notes(self) -> Iterator[str]:
        if self.hard:
            yield (
                f"the file was saved by {self.keras}, whose `hard_sigmoid` is not that of Keras 3: "
                f"it was restored as clip(0.2 x + 0.5, 0, 1) in {_listed(self.hard)}"
            )
        for default, layers in self.assumed.items():
            yield f"{default} was the default of {self.keras}, and was put into {_listed(layers)}"
        if self.unrestored is not None:
            yield f"what was saved could not be restored: {self.unrestored}"


def _listed(names: Mapping[str, None]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _numbers(version: str | None) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version or "")[:2])
