"""What the parts of a file that contain layers need to read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from layerlens.scenario.reading.call_arguments import Sources
from layerlens.scenario.spec import LayerSpec
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence


class LayerReader(Protocol):
    """Reads layers; a graph contains layers, and a layer may be a model with a graph."""

    def layer(self, value: Any, at: Position | None, sources: Sources) -> LayerSpec | None:
        """Return one layer with its `call:`, or None if it is at fault."""

    def layers(self, value: YamlSequence, sources: Sources | None) -> tuple[LayerSpec, ...]:
        """Return the layers of a list without those at fault."""

    def call(self, name: str, body: YamlMapping, sources: Sources) -> Mapping[str, Any]:
        """Return the `call:` in the mapping of a node, for a layer of this class."""
