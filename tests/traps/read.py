"""The entries of the traps, as scenarios and as pairs of Keras models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Trap:
    """Two models that look alike and differ, or look apart and are the same."""

    file: str
    entry: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.entry["id"])

    @property
    def why(self) -> str:
        return str(self.entry["why"])

    @property
    def inputs(self) -> dict[str, Mapping[str, Any]]:
        return dict(self.entry.get("inputs") or {"input": self.entry["input"]})

    @property
    def modes(self) -> list[str]:
        return list(self.entry.get("modes", ["inference"]))

    @property
    def is_training(self) -> bool:
        return self.modes == ["training"]

    def model(self, name: str) -> Any:
        """Return the description of `reference` or `candidate`: a formula, a list or a graph."""
        return self.entry[name]

    def scenario(self) -> dict[str, Any]:
        """Return the scenario that layerlens judges."""
        given = {key: self.entry[key] for key in ("input", "inputs") if key in self.entry}
        models = {name: self._as_model(name) for name in ("reference", "candidate")}
        return {**given, "models": models, "modes": self.modes}

    def _as_model(self, name: str) -> Any:
        described = self.model(name)
        if not isinstance(described, str):
            return described
        inputs = [{**spec, "name": key} for key, spec in self.inputs.items()]
        return {
            "python": "tests.traps.written_out:model",
            "args": {"formula": described, "inputs": inputs},
        }


def traps(kind: str) -> Iterator[Trap]:
    """Yield all entries of `different` or `equal`."""
    for file in sorted((FOLDER / kind).glob("*.yaml")):
        for entry in YAML(typ="safe").load(file):
            yield Trap(file.stem, entry)
