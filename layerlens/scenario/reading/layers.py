"""Read layers and check their arguments against Keras' signatures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from layerlens.fault_codes import Code
from layerlens.scenario import keras_catalog
from layerlens.scenario.faults import Faults, suggestion
from layerlens.scenario.hints import argument_hint, layer_hint
from layerlens.scenario.model_layers import MODEL_LAYERS, model_signature
from layerlens.scenario.python_target import MODULE_CALLABLE
from layerlens.scenario.reading.argument_types import ArgumentType, argument_type, as_tuples
from layerlens.scenario.reading.call_arguments import CALL, Sources, read_call
from layerlens.scenario.reading.model_layers import read_model_layer
from layerlens.scenario.spec import LayerSpec
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence, described
from layerlens.scenario.yaml.python_syntax import dtype_name, python_value
from layerlens.vocabulary import DTYPES, POLICIES

if TYPE_CHECKING:
    from layerlens.scenario.keras_catalog import Argument, LayerSignature

#: Arguments whose values are layers: a bare text names one.
_HOLD_LAYERS = frozenset({"layer", "cell", "cells", "backward_layer", "forward_layer", "layers"})
#: Keras' classes for inputs, which a scenario gives under `input:`.
_INPUT_CLASSES = frozenset({"Input", "InputLayer", "InputSpec"})
_INPUT_HINT = "the inputs of a model are declared under `input:` or `inputs:`"
#: Suffix of an argument's name → the package of the classes that are its values.
_PACKAGES: dict[str, keras_catalog.Package] = {
    "_initializer": "initializers",
    "_regularizer": "regularizers",
    "_constraint": "constraints",
}


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
    given = _keywords(signature, body, body_at, faults)
    if given is None:
        return None
    before = len(faults.found)
    arguments = {
        key: _ArgumentReader(signature, faults).value(key, value, given.values_at.get(key, body_at))
        for key, value in given.items()
        if _is_argument(signature, key, given.keys_at.get(key, body_at), faults)
    }
    missing = [item.name for item in signature.arguments if item.required]
    missing = [name for name in missing if name not in given]
    # The fault of a misspelt `unit` already says that `units` is missing.
    if missing and len(faults.found) == before:
        needs = " and ".join(f"`{item}`" for item in missing)
        faults.add(
            Code.MISSING_ARGUMENT, f"`{name}` needs {needs}", at, _missing_hint(signature, missing)
        )
    written = {key: given.values_at.get(key, body_at) for key in arguments}
    places = {key: faults.where(place) for key, place in written.items() if place}
    return LayerSpec(name, arguments, where=faults.where(at) if at else None, places=places)


def _missing_hint(signature: LayerSignature, missing: list[str]) -> str:
    parts = []
    for name in missing:
        argument = signature.argument(name)
        text = argument.documentation.partition(". ")[0] if argument else ""
        parts.append(f"{name}: {text}" if text else name)
    return "; ".join(parts)


def _keywords(
    signature: LayerSignature, body: Any, at: Position | None, faults: Faults
) -> YamlMapping | None:
    """Return the keyword arguments; a bare value is that of the first positional one."""
    if body is None:
        return YamlMapping(at)
    if isinstance(body, YamlMapping):
        return body
    if signature.first is None:
        faults.add(
            Code.ARGUMENT_TYPE,
            f"`{signature.name}` takes keyword arguments only; received {described(body)}",
            at,
            f"allowed: {', '.join(signature.offered)}",
        )
        return None
    found = YamlMapping(at)
    found.put(signature.first, body, at, at)
    return found


def _is_argument(signature: LayerSignature, name: str, at: Position | None, faults: Faults) -> bool:
    if signature.accepts_any or signature.argument(name) is not None:
        return True
    if name == CALL or signature.call_argument(name) is not None:
        written = "{...}" if name == CALL else f"{{{name}: ...}}"
        hint = (
            f"write arguments of the call next to the layer: "
            f"`{{{signature.name}: ..., call: {written}}}`"
        )
    elif name in _layer_set() and signature.first in _HOLD_LAYERS:
        hint = f"write the inner layer as `{signature.first}: {{{name}: ...}}`"
    else:
        hint = argument_hint(signature, name)
    faults.add(Code.UNKNOWN_ARGUMENT, f"unknown argument `{name}` of `{signature.name}`", at, hint)
    return False


@dataclass(frozen=True, slots=True)
class _ArgumentReader:
    """Reads the values of one layer's arguments."""

    signature: LayerSignature
    faults: Faults

    def value(self, name: str, value: Any, at: Position | None) -> Any:
        if name in _HOLD_LAYERS:
            return self._layers(name, value, at)
        package = next((package for end, package in _PACKAGES.items() if name.endswith(end)), None)
        if package is not None and isinstance(value, YamlMapping):
            return self._configured(package, value, at)
        if is_layer(value):
            return read_layer(value, at, self.faults)
        if name == "function" and self.signature.name == "Lambda":
            self._check_callable(value, at)
        argument = self.signature.argument(name)
        if argument is not None:
            self._check_type(argument, value, at)
        return as_tuples(value)

    def _layers(self, name: str, value: Any, at: Position | None) -> Any:
        if value is None:
            return None
        if isinstance(value, YamlSequence):
            return read_layers(value, self.faults)
        if not isinstance(value, (str, YamlMapping)):
            self._fault(name, "a layer", value, at, f"write `{name}: {{ClassName: ...}}`")
            return None
        return read_layer(value, at, self.faults)

    def _configured(
        self, package: keras_catalog.Package, value: YamlMapping, at: Position | None
    ) -> Any:
        """Return `{RandomNormal: {stddev: 0.1}}` in the form of a Keras configuration."""
        if "class_name" in value or len(value) != 1:
            return as_tuples(value)
        ((name, body),) = value.items()
        place = value.keys_at.get(name, at)
        public = [item for item in keras_catalog.public_names(package) if item not in _NOT_CLASSES]
        if name not in public:
            hint = suggestion(name, public)
            self.faults.add(Code.UNKNOWN_OBJECT, f"`keras.{package}` has no `{name}`", place, hint)
            return None
        signature = keras_catalog.signature(name, package)
        given = _keywords(signature, body, value.values_at.get(name, place), self.faults)
        if given is None:
            return None
        for key in given:
            _is_argument(signature, key, given.keys_at.get(key, place), self.faults)
        return {"class_name": name, "config": as_tuples(given)}

    def _check_callable(self, value: Any, at: Position | None) -> None:
        if not isinstance(value, str) or not MODULE_CALLABLE.fullmatch(value):
            self._fault("function", 'the text "module:callable"', value, at, None)

    def _check_type(self, argument: Argument, value: Any, at: Position | None) -> None:
        name = argument.name
        expected = argument_type(argument)
        if value is None or value in ("None", "none"):
            if value is not None:
                title = expected.title if expected else "a name of Keras or null"
                self._fault(name, title, value, at, f"write `{name}: null`")
            return
        if name == "dtype" and isinstance(value, str):
            keras = dtype_name(value, DTYPES)
            if keras is not None and value not in POLICIES:
                self._fault(name, "a dtype of Keras", value, at, f"did you mean `{keras}`?")
            return
        if expected is None or expected.allows(value):
            return
        hint = None
        if (in_yaml := python_value(value, lambda item: _allows(expected, item))) is not None:
            hint = f"write `{name}: {in_yaml}`"
            hint += ", without quotes" if in_yaml == value.strip() else ""
        elif expected.boolean and isinstance(value, str):
            hint = "YAML 1.2 accepts only true and false"
        elif expected.listed and isinstance(value, (int, float)) and not expected.number:
            hint = f"write `{name}: [{value}]`"
        self._fault(name, expected.title, value, at, hint)

    def _fault(
        self, name: str, allowed: str, value: Any, at: Position | None, hint: str | None
    ) -> None:
        self.faults.add(
            Code.ARGUMENT_TYPE,
            f"`{name}` of `{self.signature.name}` takes {allowed}; received {described(value)}",
            at,
            hint,
        )


def _allows(expected: ArgumentType, value: Any) -> bool:
    return value is None or expected.allows(value)


_NOT_CLASSES = frozenset({"deserialize", "serialize", "get"})
