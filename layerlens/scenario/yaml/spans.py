"""Find the span of each value in YAML text, to edit one and keep the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from layerlens.scenario.yaml.scalars import restore_placeholders


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `[start, end)` of one value."""

    start: int
    end: int
    #: Whether it is a mapping or sequence in brackets or braces.
    is_flow: bool
    #: Whether an alias may refer to it, or to a value that contains it.
    is_shared: bool
    #: The spans of a sequence's items.
    items: tuple[Span, ...] = ()


@dataclass(slots=True, eq=False)
class _Node:
    """One value: a mapping has keys and values in turn as its children, a sequence its items."""

    event: ScalarEvent | CollectionStartEvent
    end: int
    children: list[_Node] = field(default_factory=list)

    @property
    def start(self) -> int:
        return int(self.event.start_mark.index)

    @property
    def is_flow(self) -> bool:
        return isinstance(self.event, CollectionStartEvent) and bool(self.event.flow_style)

    def pairs(self) -> Iterator[tuple[_Node, _Node]]:
        """Yield the keys and values of a mapping; nothing for other values."""
        if isinstance(self.event, MappingStartEvent):
            yield from zip(self.children[::2], self.children[1::2], strict=True)

    def text(self) -> str | None:
        """Return the text of a scalar; None for a mapping or sequence."""
        if isinstance(self.event, ScalarEvent):
            return restore_placeholders(str(self.event.value))
        return None


class YamlSpans:
    """The spans of one YAML document, looked up by keys.

    Pass `handle` to `parse_yaml` as `on_event`; a text that it rejects has no spans.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._root: _Node | None = None
        self._open: list[_Node] = []
        self._anchors: dict[str, _Node] = {}

    def handle(self, event: Event) -> None:
        """Record the value that a parser event starts or ends."""
        if isinstance(event, AliasEvent):
            self._put(self._anchors[event.anchor])
        elif isinstance(event, (ScalarEvent, CollectionStartEvent)):
            node = _Node(event, event.end_mark.index)
            if event.anchor is not None:
                self._anchors[event.anchor] = node
            self._put(node)
            if isinstance(event, CollectionStartEvent):
                self._open.append(node)
        elif isinstance(event, CollectionEndEvent):
            self._open.pop().end = event.end_mark.index

    def _put(self, node: _Node) -> None:
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._root = node

    @property
    def is_flow(self) -> bool:
        """Whether the whole document is in brackets or braces."""
        return self._root is not None and self._root.is_flow

    @property
    def indent(self) -> int:
        """The column in which the document starts, from 0 on."""
        return int(self._root.event.start_mark.column) if self._root is not None else 0

    def find(self, keys: Sequence[str]) -> Span | None:
        """Return the span of the value at `keys`; None where it is not written out."""
        path = list(self._path(keys))
        if self._root is None or len(path) < len(keys):
            return None
        nodes = [self._root, *(value for _, value in path)]
        span = _span(nodes[-1], any(node.event.anchor is not None for node in nodes))
        if span.start == span.end and path:  # an empty value belongs after the colon of its key
            after = self._text.index(":", path[-1][0].end) + 1
            return replace(span, start=after, end=after)
        return span

    def _path(self, keys: Sequence[str]) -> Iterator[tuple[_Node, _Node]]:
        """Yield the key and the value at each step, up to the first key that is missing."""
        node = self._root
        for key in keys:
            pairs = node.pairs() if node is not None else iter(())
            found = next((pair for pair in pairs if pair[0].text() == key), None)
            if found is None:
                return
            yield found
            node = found[1]


def _span(node: _Node, is_shared: bool) -> Span:
    items: tuple[Span, ...] = ()
    if isinstance(node.event, SequenceStartEvent):
        items = tuple(_span(item, item.event.anchor is not None) for item in node.children)
    end = node.end
    if items and not node.is_flow:  # the end event of a block comes where the next value starts
        end = items[-1].end
    return Span(
        node.start,
        end,
        node.is_flow,
        is_shared or any(item.is_shared for item in items),
        items,
    )
