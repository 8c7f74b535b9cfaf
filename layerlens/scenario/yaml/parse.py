"""Parse YAML 1.2 into plain values with positions, within safe limits.

Mappings and sequences are built from the parser's events one at a time: nothing recurses, nothing
is expanded, and tags name YAML's own types only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from layerlens.errors import Fault, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.plain.numbers import NumberOutOfRangeError
from layerlens.scenario.yaml.positions import (
    Position,
    YamlMapping,
    YamlSequence,
    described,
    legible,
    shown,
)
from layerlens.scenario.yaml.problems import problem_of
from layerlens.scenario.yaml.python_syntax import (
    in_yaml,
    parenthesized,
    python_call,
    tuple_items,
)
from layerlens.scenario.yaml.scalars import (
    hide_placeholders,
    scalar_text,
    scalar_value,
)

#: The greatest depth of nested values, aliases followed.
DEEPEST = 64
#: The greatest number of values in a file; an alias counts each time it is used.
MOST_VALUES = 1_000_000


@dataclass(frozen=True, slots=True)
class Document:
    """The value of a text, and the faults that leave the rest of it readable."""

    value: Any
    faults: tuple[Fault, ...]


def parse_yaml(text: str, file: str, on_event: Callable[[Event], None] | None = None) -> Document:
    """Return the one document in `text`; repeated keys and foreign tags are among its faults.

    `${name}` may stand unquoted anywhere, also inside brackets and braces, where YAML would end
    plain text.

    Args:
        text: the YAML text.
        file: the name of the file, for the faults.
        on_event: receives every event of the parser, once the document has accepted it.

    Raises:
        ScenarioError: the text is not one YAML 1.2 document, or nests or expands beyond the limits.
    """
    text = hide_placeholders(text)
    builder = _Builder(file, text)
    try:
        for event in _events(text):
            builder.handle(event)
            if on_event is not None:
                on_event(event)
    except ReaderError as error:
        raise ScenarioError((_unreadable(error, text, file),)) from None
    except MarkedYAMLError as error:
        raise ScenarioError((*builder.faults, _malformed(error, text, file))) from None
    except YAMLError as error:
        raise ScenarioError(
            (Fault(Code.INVALID_YAML, f"this is not YAML: {error}", Where(file)),)
        ) from None
    return Document(builder.result, tuple(builder.faults))


def _events(text: str) -> Iterator[Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


def _position(mark: Any) -> Position:
    return mark.line + 1, mark.column + 1


def _unreadable(error: ReaderError, text: str, file: str) -> Fault:
    before = text[: error.position]
    line = before.count("\n") + 1
    column = error.position - (before.rfind("\n") + 1) + 1
    character = error.character
    code = ord(character) if isinstance(character, str) else int(character)
    return Fault(
        Code.NOT_TEXT,
        f"the character U+{code:04X} is not allowed in YAML",
        Where(file, line, column),
        "a scenario is a text file; is this a binary one?",
    )


def _malformed(error: MarkedYAMLError, text: str, file: str) -> Fault:
    found = problem_of(error, text)
    where = Where(file, *found.at) if found.at else Where(file)
    return Fault(
        Code.INVALID_YAML, f"this is not valid YAML: {legible(found.message)}", where, found.hint
    )


@dataclass(slots=True)
class _OpenCollection:
    """A mapping or sequence that has not ended yet."""

    value: YamlMapping | YamlSequence
    anchor: str | None
    #: Whether it is written in braces or brackets.
    is_flow: bool
    size: int = 1
    height: int = 1
    #: The key whose value comes next; None where a key comes next.
    key: tuple[str | None, Position] | None = None
    merges: list[tuple[Any, Position]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A finished value, with the number of values in it and their depth."""

    value: Any
    size: int
    height: int


def _sequence(items: Iterable[Any], at: Position) -> YamlSequence:
    """Return a tuple of Python as the list that it stands for."""
    found = YamlSequence(at)
    for item in items:
        found.put(_sequence(item, at) if isinstance(item, (list, tuple)) else item, at)
    return found


#: The key that merges other mappings into this one.
_MERGE = "<<"


class _Builder:
    """Builds the value of a document from the parser's events."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._text = text
        self.faults: list[Fault] = []
        self.result: Any = None
        self._open: list[_OpenCollection] = []
        self._anchors: dict[str, _Parsed] = {}
        self._documents = 0
        self._size = 0
        #: Where text of Python ends, up to which nothing more is read.
        self._python_end = 0

    def handle(self, event: Event) -> None:
        at = _position(event.start_mark)
        if isinstance(event, ScalarEvent) and self._is_passed_over(event):
            return
        match event:
            case StreamStartEvent() | StreamEndEvent() | DocumentEndEvent():
                pass
            case DocumentStartEvent():
                self._start_document(event, at)
            case MappingStartEvent() | SequenceStartEvent():
                self._start_collection(event, at)
            case MappingEndEvent() | SequenceEndEvent():
                self._end_collection()
            case AliasEvent():
                self._alias(event, at)
            case ScalarEvent():
                self._scalar(event, at)

    def _abort(self, code: Code, message: str, at: Position, hint: str | None = None) -> None:
        self._fault(code, message, at, hint)
        raise ScenarioError(tuple(self.faults))

    def _fault(self, code: Code, message: str, at: Position, hint: str | None = None) -> None:
        self.faults.append(
            Fault(
                code, legible(message), Where(self.file, *at), legible(hint, 2000) if hint else None
            )
        )

    def _start_document(self, event: DocumentStartEvent, at: Position) -> None:
        self._documents += 1
        if self._documents > 1:
            self._abort(
                Code.SEVERAL_DOCUMENTS,
                "a second document begins here",
                at,
                "write one scenario per file",
            )
        if event.version is not None and tuple(event.version) != (1, 2):
            version = ".".join(str(part) for part in event.version)
            self._abort(
                Code.YAML_VERSION,
                f"this file is written in YAML {version}",
                at,
                "scenarios are YAML 1.2: leave the %YAML line out",
            )

    def _start_collection(
        self, event: MappingStartEvent | SequenceStartEvent, at: Position
    ) -> None:
        is_mapping = isinstance(event, MappingStartEvent)
        self._check_tag(event.tag, ("map",) if is_mapping else ("seq",), at)
        if len(self._open) >= DEEPEST:
            self._abort(Code.YAML_LIMIT, f"values are nested more than {DEEPEST} deep here", at)
        if self._expects_key():
            self._fault(Code.KEY_NOT_TEXT, "a key has to be text; received a list or mapping", at)
        value = YamlMapping(at) if is_mapping else YamlSequence(at)
        self._count(1, at)
        self._open.append(_OpenCollection(value, event.anchor, bool(event.flow_style)))

    def _end_collection(self) -> None:
        ended = self._open.pop()
        if isinstance(ended.value, YamlMapping):
            self._merge(ended)
        parsed = _Parsed(ended.value, ended.size, ended.height)
        if ended.anchor is not None:
            self._anchors[ended.anchor] = parsed
        self._put(parsed, ended.value.at or (1, 1))

    def _alias(self, event: AliasEvent, at: Position) -> None:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            is_open = any(item.anchor == event.anchor for item in self._open)
            self._abort(
                Code.ALIAS,
                f"`*{event.anchor}` refers to a value that contains it"
                if is_open
                else f"`*{event.anchor}` has no `&{event.anchor}` before it",
                at,
            )
            return
        if len(self._open) + anchored.height > DEEPEST:
            self._abort(Code.YAML_LIMIT, f"aliases nest values more than {DEEPEST} deep here", at)
        self._count(anchored.size, at)
        self._put(anchored, at)

    def _is_passed_over(self, event: ScalarEvent) -> bool:
        """Return whether a scalar, or the missing value of one, belongs to text of Python."""
        start, end = event.start_mark.index, event.end_mark.index
        return bool(start < self._python_end or (start == end == self._python_end))

    def _python_value(self, event: ScalarEvent, at: Position) -> Any:
        """Return a value for a tuple or call of Python in brackets, with a fault, or None.

        YAML ends plain text at a comma there: `{shape: (8, 4)}` has the value "(8" and a key "4)".
        """
        if not (event.implicit[0] and self._open and self._open[-1].is_flow):
            return None
        start = event.start_mark.index
        opened = self._text.find("(", start, event.end_mark.index)
        if opened < 0 or self._expects_key():
            return None
        inside = parenthesized(self._text, opened)
        if inside is None or opened + len(inside) <= event.end_mark.index or "," not in inside:
            return None
        end = opened + len(inside)
        written = self._text[start:end]
        items, call = tuple_items(written), python_call(written)
        if items is not None:
            self._fault(
                Code.PYTHON_SYNTAX,
                f"`{written}` is a tuple of Python",
                at,
                f"write `{in_yaml(items)}`",
            )
        elif call is not None and (name := call.name.rpartition(".")[2])[:1].isupper():
            given = [*(f"NAME: {value}" for value in call.positional), *call.keywords]
            hint = f"write `{name}: {{{', '.join(given)}}}`"
            self._fault(Code.PYTHON_SYNTAX, f"`{written}` is a call of Python", at, hint)
        else:
            return None
        self._python_end = end
        if items is None:
            return "Identity"  # valid where a layer is, so that no second fault follows
        return _sequence(items, at)

    def _scalar(self, event: ScalarEvent, at: Position) -> None:
        self._check_tag(event.tag, ("str", "int", "float", "bool", "null"), at)
        self._count(1, at)
        tag = str(event.tag) if event.tag is not None else None
        if (python := self._python_value(event, at)) is not None:
            self._put(_Parsed(python, 1, 1), at)
            return
        try:
            value = scalar_value(str(event.value), tag, is_plain=event.implicit[0])
        except NumberOutOfRangeError as error:
            self._fault(Code.SCALAR, str(error), at)
            value = 1  # valid nearly everywhere, so that no second fault follows
        except ValueError:
            kind = tag.rpartition(":")[2] if tag else "number"
            self._fault(Code.SCALAR, f"{shown(event.value)} cannot be read as a {kind}", at)
            value = None
        parsed = _Parsed(value, 1, 0)
        if event.anchor is not None:
            self._anchors[event.anchor] = parsed
        self._put(parsed, at, is_plain=event.implicit[0])

    def _count(self, size: int, at: Position) -> None:
        self._size += size
        if self._size > MOST_VALUES:
            self._abort(
                Code.YAML_LIMIT,
                f"more than {MOST_VALUES:,} values up to here, with aliases expanded",
                at,
                "data this large belongs in a saved model or in generated inputs",
            )

    def _check_tag(self, tag: Any, allowed: tuple[str, ...], at: Position) -> None:
        name = str(tag) if tag is not None else None
        if name is None or name == "!":
            return
        if name.removeprefix("tag:yaml.org,2002:") not in allowed:
            shown_tag = name.replace("tag:yaml.org,2002:", "!!")
            self._fault(
                Code.TAG,
                f"the tag `{shown_tag}` is not supported",
                at,
                "a scenario has only plain text, numbers, true, false, null, lists and mappings",
            )

    def _expects_key(self) -> bool:
        return bool(
            self._open
            and isinstance(self._open[-1].value, YamlMapping)
            and self._open[-1].key is None
        )

    def _put(self, parsed: _Parsed, at: Position, *, is_plain: bool = False) -> None:
        if not self._open:
            self.result = parsed.value
            return
        inside = self._open[-1]
        inside.size += parsed.size
        inside.height = max(inside.height, parsed.height + 1)
        if isinstance(inside.value, YamlSequence):
            inside.value.put(parsed.value, at)
        elif inside.key is None:
            inside.key = (self._key(inside.value, parsed.value, at, is_plain), at)
        else:
            (key, key_at), inside.key = inside.key, None
            if key == _MERGE:
                inside.merges.append((parsed.value, at))
            elif key is not None:
                inside.value.put(key, parsed.value, key_at, at)

    def _key(self, mapping: YamlMapping, key: Any, at: Position, is_plain: bool) -> str | None:
        """Return the key; None, with a fault added, where it cannot be a key."""
        if isinstance(key, (YamlMapping, YamlSequence)):
            return None
        if not isinstance(key, str):
            self._fault(
                Code.KEY_NOT_TEXT,
                f"a key has to be text; received {described(key)}",
                at,
                f'write it in quotes: "{scalar_text(key)}":',
            )
            return None
        if key == _MERGE and is_plain:
            return _MERGE
        if key in mapping:
            line, _ = mapping.keys_at[key]
            self._fault(
                Code.REPEATED_KEY,
                f"the key `{key}` is given twice; the first is on line {line}",
                at,
            )
            return None
        return key

    def _merge(self, ended: _OpenCollection) -> None:
        """Add the values of `<<`; the mapping's own keys take precedence."""
        assert isinstance(ended.value, YamlMapping)
        for source, at in ended.merges:
            for mapping in source if isinstance(source, YamlSequence) else [source]:
                if not isinstance(mapping, YamlMapping):
                    self._fault(
                        Code.MERGE_KEY, f"`<<` takes a mapping; received {described(mapping)}", at
                    )
                    continue
                for key, value in mapping.items():
                    if key not in ended.value:
                        places = mapping.keys_at[key], mapping.values_at[key]
                        ended.value.put(key, value, *places)
