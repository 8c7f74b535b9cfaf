"""Read layers and check their arguments against Keras' signatures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from layerlens.fault_codes import Code
from layerlens.plain.suggestion import sure_name
from layerlens.scenario import keras_catalog
from layerlens.scenario.faults import Faults
from layerlens.scenario.hints import layer_hint
from layerlens.scenario.model_layers import MODEL_LAYERS, model_signature
from layerlens.scenario.python_target import MODULE_CALLABLE
from layerlens.scenario.reading.argument_objects import ObjectReader, object_kind
from layerlens.scenario.reading.argument_types import as_tuples
from layerlens.scenario.reading.arguments import Arguments
from layerlens.scenario.reading.call_arguments import CALL, Sources, read_call
from layerlens.scenario.reading.model_layers import read_model_layer
from layerlens.scenario.spec import LayerSpec
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence, described

if TYPE_CHECKING:
    from layerlens.scenario.keras_catalog import LayerSignature

#: Arguments whose values are layers: a bare text names one.
_HOLD_LAYERS = frozenset({"layer", "cell", "cells", "backward_layer", "forward_layer", "layers"})
#: Keras' classes for inputs, which a scenario gives under `input:`.
_INPUT_CLASSES = frozenset({"Input", "InputLayer", "InputSpec"})
_INPUT_HINT = "the inputs of a model are declared under `input:` or `inputs:`"


def read_layers(
    value: YamlSequence, faults: Faults, sources: Sources | None = None
) -> tuple[LayerSpec, ...]:
    """Return the layers of a list without those at fault; see `read_layer`."""
    found = [read_layer(item, at, faults, sources) for item, at in value.with_positions()]
    return tuple(layer for layer in found if layer is not None)


def read_layer(
    value: Any, at: Position | None, faults: Faults, sources: Sources | None = None
) -> LayerSpec | None:
    """Return one layer: `ClassName`, `ClassName: {arguments}` or `ClassName: first-argument`.

    `sources` are the tensors that `call:` beside it may name; None if it takes no `call:`, as a
    layer inside another one does.
    """
    match value:
        case str():
            return _read_named(value, None, at, at, faults)
        case YamlMapping() if CALL in value and len(value) == 2:
            return _read_called(value, at, faults, sources)
        case YamlMapping() if len(value) == 1 and CALL not in value:
            ((name, body),) = value.items()
            place = value.keys_at.get(name, at)
            return _read_named(name, body, place, value.values_at.get(name, place), faults)
        case YamlMapping() if len(value) == 2 and (key := _misspelt_call(value)) is not None:
            faults.add(
                Code.UNKNOWN_KEY,
                f"unknown key `{key}`",
                value.keys_at.get(key, at),
                f"did you mean `{CALL}`?",
            )
        case YamlMapping() if value:
            keys = ", ".join(f"`{key}`" for key in value)
            faults.add(
                Code.NOT_A_LAYER,
                f"one layer is expected here; received a mapping with {keys}",
                at,
                "start each layer with its own `- `, and indent its arguments below it or "
                "write them in braces: `- Dense: {units: 4}`; only `call:` goes next to a layer",
            )
        case _:
            faults.add(
                Code.NOT_A_LAYER,
                f"a layer is expected here; received {described(value)}",
                at,
                "write `ClassName`, `ClassName: {arguments}` or `ClassName: first-argument`",
            )
    return None


def _misspelt_call(value: YamlMapping) -> str | None:
    """Return the key next to a layer that is meant as `call`; None if there is none."""
    return next((key for key in value if sure_name(str(key), [CALL]) is not None), None)


def _read_called(
    value: YamlMapping, at: Position | None, faults: Faults, sources: Sources | None
) -> LayerSpec | None:
    """Return a layer with the arguments of its call, which are next to it."""
    call_at = value.keys_at.get(CALL, at)
    layer = read_layer(value.without(CALL), at, faults)
    if sources is None:
        faults.add(
            Code.CALL_MISPLACED,
            "`call` belongs to a layer of the model, not to a layer inside another one",
            call_at,
            "write it beside the outer layer, which calls the inner one; in a nested model, write "
            "`Functional` in place of `Sequential`: its layers take `call:`",
        )
    elif layer is not None:
        return replace(layer, call=_call_of(layer.type, value, sources, faults))
    return layer


def _call_of(name: str, body: YamlMapping, sources: Sources, faults: Faults) -> Mapping[str, Any]:
    at = body.values_at.get(CALL, body.keys_at.get(CALL))
    return read_call(_signature(name), body[CALL], at, sources, faults)


@dataclass(frozen=True, slots=True)
class Layers:
    """Reads layers for the parts of a file that contain them."""

    faults: Faults

    def layer(self, value: Any, at: Position | None, sources: Sources) -> LayerSpec | None:
        return read_layer(value, at, self.faults, sources)

    def layers(self, value: YamlSequence, sources: Sources | None) -> tuple[LayerSpec, ...]:
        return read_layers(value, self.faults, sources)

    def call(self, name: str, body: YamlMapping, sources: Sources) -> Mapping[str, Any]:
        if name not in _layer_set():
            return {}  # a fault of its own
        return _call_of(name, body, sources, self.faults)


def is_layer(value: Any) -> bool:
    """Return whether a value is a mapping whose only key is a layer's name."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _layer_set()


def _layer_set() -> frozenset[str]:
    return frozenset((*keras_catalog.layer_names(), *MODEL_LAYERS))


def _signature(name: str) -> LayerSignature:
    return model_signature(name) if name in MODEL_LAYERS else keras_catalog.signature(name)


def _read_named(
    name: str, body: Any, at: Position | None, body_at: Position | None, faults: Faults
) -> LayerSpec | None:
    if name not in _layer_set() or name in _INPUT_CLASSES:
        what = "an input, not a layer of a model" if name in _INPUT_CLASSES else None
        faults.add(
            Code.INPUT_AS_LAYER if what else Code.UNKNOWN_LAYER,
            f"`{name}` is {what}" if what else f"unknown layer `{name}`",
            at,
            _INPUT_HINT if what else layer_hint(name, body, _layer_set()),
        )
        return None
    if name in MODEL_LAYERS:
        return read_model_layer(name, body, at, body_at, Layers(faults), faults)
    signature = keras_catalog.signature(name)
    checked = Arguments(signature, faults)
    given = checked.keywords(body, body_at)
    if given is None:
        return None
    before = len(faults.found)
    reader = _ArgumentReader(checked)
    arguments = {
        key: reader.value(key, value, given.values_at.get(key, body_at))
        for key, value in given.items()
        if reader.takes(key, given.keys_at.get(key, body_at))
    }
    # The fault of a misspelt `unit` already says that `units` is missing.
    if len(faults.found) == before:
        checked.refuse_missing(given, at)
    written = {key: given.values_at.get(key, body_at) for key in arguments}
    places = {key: faults.where(place) for key, place in written.items() if place}
    return LayerSpec(name, arguments, where=faults.where(at) if at else None, places=places)


@dataclass(frozen=True, slots=True)
class _ArgumentReader:
    """Reads the values of one layer's arguments."""

    arguments: Arguments

    def takes(self, name: str, at: Position | None) -> bool:
        """Return whether the layer takes an argument; a fault is added if not."""
        if self.arguments.has(name):
            return True
        signature, hint = self.arguments.signature, None
        if name == CALL or signature.call_argument(name) is not None:
            written = "{...}" if name == CALL else f"{{{name}: ...}}"
            hint = (
                f"write arguments of the call next to the layer: "
                f"`{{{signature.name}: ..., call: {written}}}`"
            )
        elif name in _layer_set() and signature.first is not None:
            if signature.first in _HOLD_LAYERS:
                hint = f"write the inner layer as `{signature.first}: {{{name}: ...}}`"
            elif signature.first == "activation":
                hint = f"write the layer as `activation: {{{name}: ...}}`"
        self.arguments.refuse_unknown(name, at, hint)
        return False

    def value(self, name: str, value: Any, at: Position | None) -> Any:
        if name in _HOLD_LAYERS:
            return self._layers(name, value, at)
        if value is not None and not isinstance(value, str):  # Keras looks names up later
            objects = ObjectReader(self.arguments)
            if (kind := object_kind(name)) is not None:
                return objects.object(name, kind, value, at)
            if name.endswith("activation"):
                return objects.activation(name, value, at, self._layer)
            if name == "dtype" and isinstance(value, YamlMapping):
                return objects.policy(value, at)
        if is_layer(value):
            return self._layer(value, at)
        if name == "function" and self.arguments.signature.name == "Lambda":
            self._check_callable(value, at)
        argument = self.arguments.signature.argument(name)
        if argument is not None:
            self.arguments.check_type(argument, value, at)
        return as_tuples(value)

    def _layer(self, value: Any, at: Position | None) -> LayerSpec | None:
        return read_layer(value, at, self.arguments.faults)

    def _layers(self, name: str, value: Any, at: Position | None) -> Any:
        if value is None:
            return None
        if isinstance(value, YamlSequence):
            return read_layers(value, self.arguments.faults)
        if not isinstance(value, (str, YamlMapping)):
            hint = f"write `{name}: {{ClassName: ...}}`"
            self.arguments.refuse_value(name, "a layer", value, at, hint)
            return None
        return self._layer(value, at)

    def _check_callable(self, value: Any, at: Position | None) -> None:
        if not isinstance(value, str) or not MODULE_CALLABLE.fullmatch(value):
            self.arguments.refuse_value("function", 'the text "module:callable"', value, at, None)
