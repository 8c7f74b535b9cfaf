"""Check the arguments of a class against its signature in Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layerlens.fault_codes import Code
from layerlens.scenario.faults import Faults
from layerlens.scenario.hints import argument_hint
from layerlens.scenario.reading.argument_types import ArgumentType, argument_type
from layerlens.scenario.yaml.positions import Position, YamlMapping, described
from layerlens.scenario.yaml.python_syntax import dtype_name, python_value
from layerlens.vocabulary import DTYPES, POLICIES

if TYPE_CHECKING:
    from layerlens.scenario.keras_catalog import Argument, LayerSignature


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments that a class of Keras takes; a value at fault is added to `faults`."""

    signature: LayerSignature
    faults: Faults

    def keywords(self, body: Any, at: Position | None) -> YamlMapping | None:
        """Return the keyword arguments; a bare value is that of the first positional one."""
        if body is None:
            return YamlMapping(at)
        if isinstance(body, YamlMapping):
            return body
        if self.signature.first is None:
            self.faults.add(
                Code.ARGUMENT_TYPE,
                f"`{self.signature.name}` takes keyword arguments only; received {described(body)}",
                at,
                f"allowed: {', '.join(self.signature.offered)}",
            )
            return None
        found = YamlMapping(at)
        found.put(self.signature.first, body, at, at)
        return found

    def has(self, name: str) -> bool:
        """Return whether the class takes an argument of this name."""
        return self.signature.accepts_any or self.signature.argument(name) is not None

    def refuse_unknown(self, name: str, at: Position | None, hint: str | None = None) -> None:
        """Add the fault of an argument that the class does not take."""
        self.faults.add(
            Code.UNKNOWN_ARGUMENT,
            f"unknown argument `{name}` of `{self.signature.name}`",
            at,
            hint or argument_hint(self.signature, name),
        )

    def refuse_missing(self, given: YamlMapping, at: Position | None) -> None:
        """Add the fault of required arguments that are not given, if there are any."""
        required = [item.name for item in self.signature.arguments if item.required]
        missing = [name for name in required if name not in given]
        if missing:
            needs = " and ".join(f"`{item}`" for item in missing)
            self.faults.add(
                Code.MISSING_ARGUMENT,
                f"`{self.signature.name}` needs {needs}",
                at,
                self._missing_hint(missing),
            )

    def _missing_hint(self, missing: list[str]) -> str:
        parts = []
        for name in missing:
            argument = self.signature.argument(name)
            text = argument.documentation.partition(". ")[0] if argument else ""
            parts.append(f"{name}: {text}" if text else name)
        return "; ".join(parts)

    def check_type(self, argument: Argument, value: Any, at: Position | None) -> None:
        """Add a fault if the argument does not take a value of this type."""
        name = argument.name
        expected = argument_type(argument)
        if value is None or value in ("None", "none"):
            if value is not None:
                title = expected.title if expected else "a name of Keras or null"
                self.refuse_value(name, title, value, at, f"write `{name}: null`")
            return
        if name == "dtype" and isinstance(value, str):
            keras = dtype_name(value, DTYPES)
            if keras is not None and value not in POLICIES:
                self.refuse_value(name, "a dtype of Keras", value, at, f"did you mean `{keras}`?")
            return
        if expected is None or expected.allows(value):
            return
        hint = None
        if (in_yaml := python_value(value, lambda item: _allows(expected, item))) is not None:
            hint = f"write `{name}: {in_yaml}`"
            hint += ", without quotes" if in_yaml == value.strip() else ""
        elif expected.boolean and isinstance(value, str):
            hint = "YAML 1.2 accepts only true and false"
        elif isinstance(value, float) and value.is_integer() and expected.allows(int(value)):
            hint = f"write `{name}: {int(value)}`"
        elif expected.listed and isinstance(value, (int, float)) and not expected.number:
            hint = f"write `{name}: [{value}]`"
        self.refuse_value(name, expected.title, value, at, hint)

    def refuse_value(
        self, name: str, allowed: str, value: Any, at: Position | None, hint: str | None
    ) -> None:
        """Add the fault of a value that an argument does not take."""
        self.faults.add(
            Code.ARGUMENT_TYPE,
            f"`{name}` of `{self.signature.name}` takes {allowed}; received {described(value)}",
            at,
            hint,
        )


def _allows(expected: ArgumentType, value: Any) -> bool:
    return value is None or expected.allows(value)
