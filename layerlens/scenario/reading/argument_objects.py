"""Read arguments whose values are objects of Keras: initializers, regularizers, policies."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from layerlens.fault_codes import Code
from layerlens.plain.suggestion import sure_name
from layerlens.scenario import keras_catalog
from layerlens.scenario.allowed_classes import names_of
from layerlens.scenario.faults import suggestion
from layerlens.scenario.reading.argument_types import as_tuples
from layerlens.scenario.reading.arguments import Arguments
from layerlens.scenario.yaml.positions import Position, YamlMapping


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of objects that some arguments take, by name or as `{ClassName: {arguments}}`."""

    title: str
    package: keras_catalog.Package
    #: What such an argument may be, for a hint.
    example: str


#: The end of an argument's name → the kind of objects that it takes.
_KINDS = {
    "_initializer": ObjectKind(
        "an initializer", "initializers", "`zeros`, or `{RandomNormal: {stddev: 0.1}}`"
    ),
    "_regularizer": ObjectKind("a regularizer", "regularizers", "`l2`, or `{L2: {l2: 0.01}}`"),
    "_constraint": ObjectKind(
        "a constraint", "constraints", "`non_neg`, or `{MaxNorm: {max_value: 2}}`"
    ),
}


def object_kind(argument: str) -> ObjectKind | None:
    """Return the kind of objects that an argument of this name takes; None for plain data."""
    return next((kind for end, kind in _KINDS.items() if argument.endswith(end)), None)


@dataclass(frozen=True, slots=True)
class ObjectReader:
    """Reads the objects among the arguments of one layer."""

    arguments: Arguments

    def object(self, name: str, kind: ObjectKind, value: Any, at: Position | None) -> Any:
        """Return an object as Keras serializes it; None if it is at fault."""
        if isinstance(value, YamlMapping) and "class_name" in value:
            return as_tuples(value)
        if not isinstance(value, YamlMapping) or len(value) != 1:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            is_constant = number and kind.package == "initializers"
            hint = f"{{Constant: {value}}}" if is_constant else ""
            self.arguments.refuse_value(
                name,
                f"{kind.title} by its name or as `{{ClassName: {{arguments}}}}`",
                value,
                at,
                f"write `{name}: {hint}`" if hint else f"write {kind.example}",
            )
            return None
        ((class_name, body),) = value.items()
        place = value.keys_at.get(class_name, at)
        if class_name not in keras_catalog.object_names(kind.package):
            self._refuse_class(class_name, kind, place)
            return None
        return self._configured(class_name, kind, body, value.values_at.get(class_name, place))

    def _configured(
        self, class_name: str, kind: ObjectKind, body: Any, at: Position | None
    ) -> Mapping[str, Any] | None:
        signature = keras_catalog.signature(class_name, kind.package)
        arguments = Arguments(signature, self.arguments.faults)
        given = arguments.keywords(body, at)
        if given is None:
            return None
        before = len(self.arguments.faults.found)
        for key, value in given.items():
            argument = signature.argument(key)
            if not arguments.has(key):
                arguments.refuse_unknown(key, given.keys_at.get(key, at))
            elif argument is not None:
                arguments.check_type(argument, value, given.values_at.get(key, at))
        if len(self.arguments.faults.found) == before:
            arguments.refuse_missing(given, at)
        config = dict(as_tuples(given))
        value = signature.argument("value")
        if "value" not in config and value is not None and value.default is not None:
            config["value"] = literal_eval(value.default)  # Keras reads no `Constant` without it
        return {"class_name": class_name, "config": config}

    def _refuse_class(self, name: str, kind: ObjectKind, at: Position | None) -> None:
        others = [
            other for other in _KINDS.values() if name in keras_catalog.object_names(other.package)
        ]
        if others and others[0] is not kind:
            hint = f"`{name}` is {others[0].title}; {kind.title} is {kind.example}"
        else:
            hint = suggestion(name, keras_catalog.object_names(kind.package))
        message = f"`keras.{kind.package}` has no `{name}`"
        self.arguments.faults.add(Code.UNKNOWN_OBJECT, message, at, hint)

    def activation(
        self,
        name: str,
        value: Any,
        at: Position | None,
        read_layer: Callable[[Any, Position | None], Any],
    ) -> Any:
        """Return the layer that computes an activation; None if it is at fault."""
        if isinstance(value, YamlMapping) and "class_name" in value:
            return as_tuples(value)
        if not isinstance(value, YamlMapping) or len(value) != 1:
            self.arguments.refuse_value(
                name,
                "an activation by its name or as a layer",
                value,
                at,
                "write `relu`, or `{LeakyReLU: {negative_slope: 0.2}}`",
            )
            return None
        (class_name,) = value
        if class_name in names_of("activation function"):
            layer = sure_name(class_name, keras_catalog.layer_names())
            or_layer = f", or a layer: `{name}: {{{layer}: {{arguments}}}}`" if layer else ""
            self.arguments.faults.add(
                Code.UNKNOWN_OBJECT,
                f"the activation `{class_name}` takes no arguments",
                value.keys_at.get(class_name, at),
                f"write `{name}: {class_name}`{or_layer}",
            )
            return None
        return read_layer(value, at)

    def policy(self, value: YamlMapping, at: Position | None) -> Any:
        """Return the name of the dtype policy that `{DTypePolicy: name}` is."""
        if "class_name" in value:
            return as_tuples(value)
        body = value.get("DTypePolicy") if len(value) == 1 else None
        if isinstance(body, YamlMapping) and list(body) == ["name"]:
            body = body["name"]
        if isinstance(body, str):
            return body
        self.arguments.refuse_value(
            "dtype",
            "a dtype, or a dtype policy by its name or as `{DTypePolicy: name}`",
            value,
            at,
            "write the name: `dtype: mixed_float16`",
        )
        return None
