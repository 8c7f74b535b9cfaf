"""Read the `call:` of a layer and check it against the signature of the layer's `call`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from layerlens.fault_codes import Code
from layerlens.plain.suggestion import nearest_name
from layerlens.scenario.faults import Faults, suggestion
from layerlens.scenario.keras_catalog import Argument, LayerSignature
from layerlens.scenario.reading.argument_types import argument_type, as_tuples
from layerlens.scenario.spec import NamedTensor, addressed
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence, described, shown

#: The key of the call's arguments, beside a layer.
CALL = "call"
#: Call arguments that take tensors only, not data written in the file.
_TENSOR = re.compile(r"(?:\w+_)?mask|initial_state|states|count_weights|query|key|value")


@dataclass(frozen=True, slots=True)
class Sources:
    """The inputs and nodes that a call argument may name; None if they are not known here."""

    inputs: Sequence[str] | None = ()
    nodes: Sequence[str] | None = ()


def read_call(
    signature: LayerSignature,
    value: Any,
    at: Position | None,
    sources: Sources,
    faults: Faults,
) -> Mapping[str, Any]:
    """Return the arguments of a layer's call; those at fault are left out.

    Args:
        signature: of the layer's class.
        value: what is written under `call:`, in the file at `at`.
        sources: the names that `input:NAME` and `node:NAME` may have.
        faults: receives the faults of the arguments.
    """
    if not isinstance(value, YamlMapping) or not value:
        faults.add(
            Code.CALL_MISPLACED,
            f"`call` of `{signature.name}` takes a mapping of arguments; received "
            f"{described(value)}",
            at,
            "write `call: {training: true}`, or remove it",
        )
        return {}
    reader = _CallReader(signature, sources, faults)
    return {
        name: reader.value(argument, item, value.values_at.get(name, at))
        for name, item in value.items()
        if (argument := reader.argument(name, value.keys_at.get(name, at))) is not None
    }


@dataclass(frozen=True, slots=True)
class _CallReader:
    signature: LayerSignature
    sources: Sources
    faults: Faults

    def argument(self, name: str, at: Position | None) -> Argument | None:
        """Return the argument of this name; None, with a fault, if the call has none."""
        if self.signature.call is None:
            return Argument(name, default="None")
        found = self.signature.call_argument(name)
        if found is not None:
            return found
        layer = self.signature.name
        if self.signature.argument(name) is not None:
            hint = f"it is an argument of the layer: write `{layer}: {{{name}: ...}}`"
        else:
            hint = suggestion(name, [item.name for item in self.signature.call])
        self.faults.add(
            Code.CALL_ARGUMENT, f"unknown argument `{name}` of the call of `{layer}`", at, hint
        )
        return None

    def value(self, argument: Argument, value: Any, at: Position | None) -> Any:
        if isinstance(value, str) and value.startswith(("node:", "input:")):
            return self._tensor(value, at)
        if isinstance(value, YamlSequence) and any(isinstance(item, str) for item in value):
            items = value.with_positions()
            return tuple(self.value(argument, item, place) for item, place in items)
        self._check(argument, value, at)
        return as_tuples(value)

    def _check(self, argument: Argument, value: Any, at: Position | None) -> None:
        if value is None:
            return
        if _TENSOR.fullmatch(argument.name) and argument.default not in ("True", "False"):
            takes = "a tensor"
            hint = f"write `{argument.name}: input:NAME` or `{argument.name}: node:NAME`"
        else:
            expected = argument_type(argument)
            if argument.name == "training":
                takes, allowed = "true or false", isinstance(value, bool)
            elif expected is None:
                return
            else:
                takes, allowed = expected.title, expected.allows(value)
            if allowed:
                return
            is_word = takes == "true or false" and isinstance(value, str)
            hint = "YAML 1.2 accepts only true and false" if is_word else ""
        self.faults.add(
            Code.ARGUMENT_TYPE,
            f"`{argument.name}` of the call of `{self.signature.name}` takes {takes}; received "
            f"{described(value)}",
            at,
            hint or None,
        )

    def _tensor(self, text: str, at: Position | None) -> NamedTensor:
        """Return the tensor of `node:NAME`, `node:NAME:1` or `input:NAME`."""
        prefix, _, name = text.partition(":")
        kind: Literal["input", "node"] = "node" if prefix == "node" else "input"
        known = self.sources.nodes if kind == "node" else self.sources.inputs
        if known is None or addressed(name, known) is not None:
            return NamedTensor(kind, name, self.faults.where(at) if at else None)
        other = "input" if kind == "node" else "node"
        others = self.sources.inputs if kind == "node" else self.sources.nodes
        near = nearest_name(name.partition(":")[0], known)
        if others and addressed(name, others) is not None:
            hint = f'`{name}` is {_A[other]}: write "{other}:{name}"'
        elif near is not None:
            hint = f"did you mean `{kind}:{near}`?"
        elif known:
            hint = f"allowed: {', '.join(f'{kind}:{one}' for one in known)}"
        else:
            hint = "a list of layers has no nodes: write the model as a `graph:`"
        self.faults.add(
            Code.UNKNOWN_TENSOR, f"{shown(text)} is not {_A[kind]} of this model", at, hint
        )
        return NamedTensor(kind, name)


_A = {"node": "a node", "input": "an input"}
