"""Translate the description of a model of Keras 1 or 2 into one of Keras 3 that means the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras import ops

from layerlens.models.external.older.arguments import (
    axes_order,
    put_axes_order,
    translate_arguments,
)
from layerlens.models.external.older.graph import (
    MODELS,
    functional,
    record_of_models,
    sequential,
)
from layerlens.models.external.older.layers import (
    check_layer,
    composed_layer,
    is_gone,
    merge_layer,
    renamed_class,
)
from layerlens.models.external.older.objects import HARD_SIGMOID, is_object, translate_object
from layerlens.models.external.older.operations import is_operation, without_operations
from layerlens.models.external.older.record import (
    Inexpressible,
    MalformedError,
    Place,
    Record,
    mapping_at,
    numbers,
    text_at,
    valid_name,
)
from layerlens.scenario.allowed_classes import HIDDEN_LAYERS
from layerlens.scenario.keras_catalog import layer_names
from layerlens.scenario.older_names import CONV_LSTM, CONVOLUTIONS, GATED

#: Arguments that hold layers.
_INNER_LAYERS = ("layer", "backward_layer", "forward_layer", "cell", "cells")
_OBJECT_KEYS = ("module", "class_name", "config", "registered_name")
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
class Translation:
    """A description that has in Keras 3 the meaning with which it was saved."""

    config: Mapping[str, Any]
    #: Functions in the description that Keras 3 lacks, by name.
    functions: Mapping[str, Any] = field(default_factory=dict)
    #: What was changed, as remarks for a report.
    notes: tuple[str, ...] = ()
    #: The part of the meaning that could not be restored; None if all of it was.
    unrestored: str | None = None
    #: The parts that no layer of Keras 3 expresses.
    faults: tuple[Inexpressible, ...] = ()
    #: The models that stand for one older layer → its class.
    composed: Mapping[str, str] = field(default_factory=dict)
    #: Layers whose output shape the file tells → that shape, without the batch axis.
    shapes: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)


def is_older(config: Mapping[str, Any], version: str | None) -> bool:
    """Return whether a description is of Keras 1 or 2, by its version or else by its form.

    Keras 3 writes `module` into every description, except in `.h5` files, which have a version.
    """
    if version is None:
        return "module" not in config
    return numbers(version)[:1] < (3,)


def translate(
    config: Mapping[str, Any],
    version: str | None,
    backend: str | None = None,
    *,
    with_weights: bool = False,
) -> Translation:
    """Return a description in the form of Keras 3 with the meaning of the version that wrote it.

    `backend` is the one named in the file; `with_weights` says that its weights are used too.

    Raises:
        MalformedError: no version of Keras wrote such a description.
    """
    if not is_older(config, version):
        return Translation(with_modules(config))
    record = Record(version)
    translator = _Translator(record, axes_order(config))
    found = translator.layer(config, ())
    if with_weights:
        translator.tell_kernels(backend)
    return Translation(
        found,
        {HARD_SIGMOID: keras2_hard_sigmoid} if record.hard else {},
        tuple(record.notes()),
        next(iter(record.lost), None),
        tuple(record.faults),
        record.composed,
        record.shapes,
    )


def with_modules(config: Any) -> Any:
    """Return a description in which the private layers of Keras' own models name their module.

    `.h5` files name no modules, and Keras looks for such a layer in no other way.
    """
    if isinstance(config, list):
        return [with_modules(item) for item in config]
    if not isinstance(config, Mapping):
        return config
    kept = {key: with_modules(item) for key, item in config.items()}
    name = kept.get("class_name")
    if isinstance(name, str) and name in HIDDEN_LAYERS and "module" not in kept:
        return {**kept, "module": HIDDEN_LAYERS[name], "registered_name": name}
    return kept


@dataclass
class _Translator:
    """Walks through one description."""

    record: Record
    #: The order of axes on which its layers agree.
    order: str | None
    #: Convolutions whose kernel is larger than one → the order of their axes.
    kernels: dict[str, str | None] = field(default_factory=dict)

    def layer(
        self, described: Any, place: Place, *, width: int | None = None, name: str | None = None
    ) -> dict[str, Any]:
        """Return a layer, or a model with all its layers, in the form of Keras 3."""
        described = mapping_at(described, place)
        if "class_name" not in described and isinstance(described.get("name"), str):
            raise MalformedError(place, "this is the form of Keras 0, which has no `class_name`")
        kind = text_at(described.get("class_name"), (*place, "class_name"))
        if kind in MODELS and described.get("registered_name") in (None, kind):
            record_of_models(self.record, kind)
            inner = described.get("config")
            if kind == "Sequential" or isinstance(inner, list):
                return sequential(described, name, place, self.layer)
            inner = without_operations(inner, (*place, "config"), self.record)
            return functional({**described, "config": inner}, name, place, self.layer)
        if is_operation(described):
            return {key: described[key] for key in _OBJECT_KEYS if key in described}
        inner = mapping_at(described.get("config"), (*place, "config"))
        own = inner.get("name")
        layer = own if isinstance(own, str) else name or kind
        if is_gone(kind, layer, place, self.record):
            return _serialized("Identity", {"name": layer})
        if kind == "Merge":
            described = merge_layer(inner, layer, place, self.record)
        elif kind in ("MaxoutDense", "Highway"):
            return self.layer(
                composed_layer(kind, inner, width, layer, place, self.record), place, name=layer
            )
        new, inner = renamed_class(
            described["class_name"], mapping_at(described["config"], place), self.record
        )
        if new not in layer_names() or described.get("registered_name") not in (None, kind):
            return self._own_class(described, layer, place)
        return self._of_keras(new, inner, layer, place)

    def tell_kernels(self, backend: str | None) -> None:
        """Say how the kernels of convolutions are taken from the file's weights."""
        if not self.kernels:
            return
        if backend == "theano":
            self.record.translated("kernels flipped, as in Theano", "kernels")
        elif backend is None and "channels_first" in self.kernels.values():
            self.record.lose(
                "the file does not say whether Theano, which flips convolution kernels, "
                "ran it: they were read as TensorFlow writes them"
            )

    def _of_keras(
        self, kind: str, inner: Mapping[str, Any], layer: str, place: Place
    ) -> dict[str, Any]:
        arguments = dict(inner)
        check_layer(kind, arguments, layer, place, self.record)
        at = (*place, "config")
        arguments = translate_arguments(kind, arguments, layer, at, self.record)
        put_axes_order(kind, arguments, self.order, layer, self.record)
        self._put_defaults(kind, arguments, layer)
        self._check_meaning(kind, arguments, layer)
        if kind in CONVOLUTIONS and _exceeds_one(arguments.get("kernel_size")):
            self.kernels[layer] = arguments.get("data_format")
        translated = {
            name: self._argument(name, value, layer, (*at, name))
            for name, value in arguments.items()
        }
        if translated.get("dtype", "") is None:
            del translated["dtype"]
        if isinstance(translated.get("name"), str):
            translated["name"] = self._valid_name(translated["name"])
        if kind == "InputLayer":
            translated["batch_shape"] = _plain(translated.get("batch_shape"))
        return _serialized(kind, translated)

    def _own_class(self, described: Mapping[str, Any], layer: str, place: Place) -> dict[str, Any]:
        """Return a layer whose class is not Keras' own: what its arguments mean is not known."""
        inner = mapping_at(described["config"], (*place, "config"))
        kept = {
            name: self._argument(name, value, layer, (*place, "config", name))
            for name, value in inner.items()
            if name != "batch_input_shape"
        }
        rest = {
            key: value for key, value in described.items() if key not in ("name", "inbound_nodes")
        }
        return dict(with_modules({**rest, "config": kept}))

    def _argument(self, name: str, value: Any, layer: str, place: Place) -> Any:
        if name in _INNER_LAYERS:
            if isinstance(value, list):
                return [self.layer(item, (*place, index)) for index, item in enumerate(value)]
            return value if value is None else self.layer(value, place)
        if isinstance(value, Mapping) and set(value) == {"type", "value"}:
            return value["value"]  # an array of NumPy, as Keras 2 wrote it
        if isinstance(value, Mapping) and value.get("class_name") in layer_names():
            return self.layer(value, place)  # an activation that is a layer
        if not is_object(name):
            return _plain(value)
        return translate_object(name, value, layer, self.record)

    def _valid_name(self, name: str) -> str:
        if "/" in name:
            self.record.translated("`/` in the names of layers", "`_`")
        return valid_name(name)

    def _put_defaults(self, kind: str, arguments: dict[str, Any], layer: str) -> None:
        """Put in the older defaults that Keras 3 has changed, where the file leaves them out."""
        version = self.record.version
        early = version is not None and not version.endswith("tf")
        early = early and numbers(version) < _SIGMOID_SINCE
        missing: dict[str, Any] = {}
        if kind in CONV_LSTM or (kind in GATED and early):
            missing["recurrent_activation"] = "hard_sigmoid"
        if kind in ("GRU", "GRUCell"):
            missing["reset_after"] = False
        for name, value in missing.items():
            if name not in arguments:
                arguments[name] = value
                self.record.assume(f"`{name}: {str(value).lower()}`", layer)

    def _check_meaning(self, kind: str, arguments: Mapping[str, Any], layer: str) -> None:
        if kind != "UpSampling2D" or arguments.get("interpolation") != "bilinear":
            return
        version = self.record.version
        if version is None or numbers(version) < _HALF_PIXELS_SINCE:
            self.record.lose(
                f"`{layer}` of {self.record.keras} interpolates bilinearly like its "
                f"TensorFlow version, which may sample at other positions than Keras 3"
            )


def _serialized(kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": dict(arguments),
        "registered_name": None,
    }


def _plain(value: Any) -> Any:
    """Return a shape or tuple as a list; tf.keras wrote some as objects."""
    if isinstance(value, Mapping) and value.get("class_name") in ("TensorShape", "__tuple__"):
        return value.get("items")
    return value


def _exceeds_one(size: Any) -> bool:
    sizes = size if isinstance(size, list) else [size]
    return any(isinstance(item, int) and item > 1 for item in sizes)
