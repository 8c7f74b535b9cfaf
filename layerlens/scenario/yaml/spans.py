"""Find the span of each value in YAML text, to edit one and keep the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from layerlens.scenario.yaml.scalars import hidden, revealed


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `[start, end)` of one value; `line` counts from 1."""

    start: int
    end: int
    line: int
    #: Whether it is a mapping or sequence in brackets or braces.
    is_flow: bool
    #: Whether anything else refers to it, or to what it stands in.
    is_shared: bool
    #: What a sequence holds.
    items: tuple[Span, ...] = ()


class YamlSpans:
    """The values of one YAML document, looked up by their keys."""

    def __init__(self, text: str) -> None:
        """Take a text that `parse_yaml` has read without a fault."""
        self._text = text
        # A `${name}` is hidden behind as many characters as it has.
        self._root: Node | None = YAML(typ="safe", pure=True).compose(hidden(text))

    @property
    def is_flow(self) -> bool:
        return bool(getattr(self._root, "flow_style", False))

    @property
    def indent(self) -> int:
        return int(self._root.start_mark.column) if self._root is not None else 0

    def find(self, keys: Sequence[str]) -> Span | None:
        """Return where the value of `keys` stands, None where it is not written out."""
        way = list(self._way(keys))
        if self._root is None or len(way) < len(keys):
            return None
        nodes = [self._root, *(value for _, value in way)]
        span = _span(nodes[-1], any(node.anchor is not None for node in nodes))
        if span.start == span.end and way:  # nothing is written: it would stand behind the colon
            behind = self._text.index(":", way[-1][0].end_mark.index) + 1
            return replace(span, start=behind, end=behind)
        return span

    def _way(self, keys: Sequence[str]) -> Iterator[tuple[Node, Node]]:
        """Yield the key and the value at each step, as far as they lead."""
        node = self._root
        for wanted in keys:
            if not isinstance(node, MappingNode):
                return
            found = next((pair for pair in node.value if _text(pair[0]) == wanted), None)
            if found is None:
                return
            yield found
            node = found[1]


def _text(node: Node) -> str | None:
    return revealed(node.value) if isinstance(node, ScalarNode) else None


def _span(node: Any, is_shared: bool) -> Span:
    items: tuple[Span, ...] = ()
    if isinstance(node, SequenceNode):
        items = tuple(_span(item, item.anchor is not None) for item in node.value)
    is_flow = not isinstance(node, ScalarNode) and bool(node.flow_style)
    end = node.end_mark.index
    if items and not is_flow:  # a block only ends where the next thing begins
        end = items[-1].end
    return Span(
        node.start_mark.index,
        end,
        node.start_mark.line + 1,
        is_flow,
        is_shared or any(item.is_shared for item in items),
        items,
    )
