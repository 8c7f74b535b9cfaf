"""Read layers and check their arguments against Keras' signatures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerlens.plain.suggestion import nearest_name
from layerlens.scenario import keras_catalog
from layerlens.scenario.faults import Faults, suggestion
from layerlens.scenario.python_target import MODULE_CALLABLE
from layerlens.scenario.spec import LayerSpec
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence, described

if TYPE_CHECKING:
    from layerlens.scenario.keras_catalog import Argument, LayerSignature

#: Arguments whose values are layers: a bare text names one.
_HOLD_LAYERS = frozenset({"layer", "cell", "cells", "backward_layer", "forward_layer", "layers"})
#: Keras' classes for inputs, which a scenario gives under `input:`.
_INPUT_CLASSES = frozenset({"Input", "InputLayer", "InputSpec"})
#: Suffix of an argument's name → the package of the classes that are its values.
_PACKAGES: dict[str, keras_catalog.Package] = {
    "_initializer": "initializers",
    "_regularizer": "regularizers",
    "_constraint": "constraints",
}


def read_layers(value: YamlSequence, faults: Faults) -> tuple[LayerSpec, ...]:
    """Return the layers of a list without those at fault."""
    found = [read_layer(item, at, faults) for item, at in value.with_positions()]
    return tuple(layer for layer in found if layer is not None)


def read_layer(value: Any, at: Position | None, faults: Faults) -> LayerSpec | None:
    """Return one layer: `ClassName`, `ClassName: {arguments}` or `ClassName: first-argument`."""
    match value:
        case str():
            return _read_named(value, None, at, at, faults)
        case YamlMapping() if len(value) == 1:
            ((name, body),) = value.items()
            place = value.keys_at.get(name, at)
            return _read_named(name, body, place, value.values_at.get(name, place), faults)
        case YamlMapping() if len(value) > 1:
            keys = ", ".join(f"`{key}`" for key in value)
            faults.add(
                f"one layer is expected here; received a mapping with {keys}",
                at,
                "start each layer with its own `- `, and indent its arguments below it or "
                "write them in braces: `- Dense: {units: 4}`",
            )
        case _:
            faults.add(
                f"a layer is expected here; received {described(value)}",
                at,
                "write `ClassName`, `ClassName: {arguments}` or `ClassName: first-argument`",
            )
    return None


def is_layer(value: Any) -> bool:
    """Return whether a value is a mapping whose only key is a layer's name."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _layer_set()


def _layer_set() -> frozenset[str]:
    return frozenset(keras_catalog.layer_names())


def _read_named(
    name: str, body: Any, at: Position | None, body_at: Position | None, faults: Faults
) -> LayerSpec | None:
    if name not in _layer_set() or name in _INPUT_CLASSES:
        what = "an input, not a layer of a model" if name in _INPUT_CLASSES else None
        faults.add(
            f"`{name}` is {what}" if what else f"unknown layer `{name}`",
            at,
            _unknown_layer_hint(name),
        )
        return None
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
        faults.add(f"`{name}` needs {needs}", at, _missing_hint(signature, missing))
    written = {key: given.values_at.get(key, body_at) for key in arguments}
    places = {key: faults.where(place) for key, place in written.items() if place}
    return LayerSpec(name, arguments, faults.where(at) if at else None, places)


def _unknown_layer_hint(name: str) -> str:
    if name in _INPUT_CLASSES:
        return "the inputs of a model are declared under `input:` or `inputs:`"
    near = nearest_name(name, keras_catalog.layer_names())
    return (f"did you mean `{near}`? " if near else "") + "`layerlens layers` lists them all"


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
        key = next(iter(body), None)
        if not (is_layer(body) and signature.argument(str(key)) is None):
            return body
    if signature.first is None:
        faults.add(
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
    if name in keras_catalog.INPUT_ARGUMENTS:
        hint = (
            "a scenario declares the shape once, under `input:` (per sample, without the batch "
            "axis)"
        )
    elif name in _layer_set() and signature.first in _HOLD_LAYERS:
        hint = f"write the inner layer as `{signature.first}: {{{name}: ...}}`"
    else:
        hint = suggestion(name, signature.offered)
    faults.add(f"unknown argument `{name}` of `{signature.name}`", at, hint)
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
        return _tuples(value)

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
            return _tuples(value)
        ((name, body),) = value.items()
        place = value.keys_at.get(name, at)
        public = [item for item in keras_catalog.public_names(package) if item not in _NOT_CLASSES]
        if name not in public:
            hint = suggestion(name, public)
            self.faults.add(f"`keras.{package}` has no `{name}`", place, hint)
            return None
        signature = keras_catalog.signature(name, package)
        given = _keywords(signature, body, value.values_at.get(name, place), self.faults)
        if given is None:
            return None
        for key in given:
            _is_argument(signature, key, given.keys_at.get(key, place), self.faults)
        return {"class_name": name, "config": _tuples(given)}

    def _check_callable(self, value: Any, at: Position | None) -> None:
        if not isinstance(value, str) or not MODULE_CALLABLE.fullmatch(value):
            self._fault("function", 'the text "module:callable"', value, at, None)

    def _check_type(self, argument: Argument, value: Any, at: Position | None) -> None:
        expected = argument_type(argument)
        if value is None or expected is None or expected.allows(value):
            return
        hint = None
        if expected.boolean and isinstance(value, str):
            hint = "YAML 1.2 accepts only true and false"
        elif expected.listed and isinstance(value, (int, float)) and not expected.number:
            hint = f"write `{argument.name}: [{value}]`"
        self._fault(argument.name, expected.title, value, at, hint)

    def _fault(
        self, name: str, allowed: str, value: Any, at: Position | None, hint: str | None
    ) -> None:
        self.faults.add(
            f"`{name}` of `{self.signature.name}` takes {allowed}; received {described(value)}",
            at,
            hint,
        )


_NOT_CLASSES = frozenset({"deserialize", "serialize", "get"})


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """The values that an argument accepts, judged by its default and documentation."""

    title: str
    boolean: bool = False
    number: bool = False
    whole: bool = False
    listed: bool = False

    def allows(self, value: Any) -> bool:
        """Return whether the argument accepts a value."""
        if isinstance(value, bool):
            return self.boolean
        if isinstance(value, (int, float)):
            return self.number and (isinstance(value, int) or not self.whole)
        if isinstance(value, (list, tuple)):
            return self.listed and not _holds_text(value)
        return False


_WHOLE = re.compile(
    r"(?:an? |optional |positive |\(optional\) )*(?:int(?:eger)?\b|number of |size of )", re.I
)
_REAL = re.compile(r"(?:an? |optional |positive |\(optional\) )*float\b", re.I)
_LISTED = re.compile(r"\b(?:tuples?|lists?)\b", re.I)
#: These take one number, or one per axis, even where Keras documents one number only.
_PER_AXIS = frozenset(
    {"kernel_size", "pool_size", "strides", "dilation_rate", "output_size", "output_padding"}
)
_ONLY_LISTED = re.compile(r"^(?:target shape\. )?tuple of integers", re.I)


def argument_type(argument: Argument) -> ArgumentType | None:
    """Return the type of an argument; None where Keras does not say."""
    default, text = argument.default, argument.documentation
    listed = argument.name in _PER_AXIS or bool(_LISTED.search(text))
    listed = listed or (default or "").startswith("(")
    if default in ("True", "False"):
        return ArgumentType("true or false", boolean=True)
    if _ONLY_LISTED.match(text):
        return ArgumentType("a list of integers", listed=True)
    if (_WHOLE.match(text) and default in (None, "None")) or (default or "").isdigit():
        title = "an integer or a list of them" if listed else "an integer"
        return ArgumentType(title, number=True, whole=bool(_WHOLE.match(text)), listed=listed)
    if default is not None and re.fullmatch(r"-?\d[\d.e-]*|\(+[-\d., ()]*\)", default):
        return ArgumentType("a number or a list of them", number=True, listed=True)
    if _REAL.match(text):
        return ArgumentType("a number or a list of them", number=True, listed=True)
    return None


def _holds_text(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_text(item) for item in value)
    return isinstance(value, (str, dict))


def _tuples(value: Any) -> Any:
    """Return the value with every list as a tuple, as Keras expects shapes and sizes."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return value
