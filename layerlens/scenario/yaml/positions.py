"""Mappings and sequences with the positions of their values in a file, and words for values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

#: A line and a column, counted from 1.
Position = tuple[int, int]
#: The keys and indices that lead to a value.
Loc = tuple[str | int, ...]


class YamlMapping(dict[str, Any]):
    """A mapping with the positions of itself, its keys and its values."""

    __slots__ = ("at", "keys_at", "values_at")

    def __init__(self, at: Position | None = None) -> None:
        super().__init__()
        self.at = at
        self.keys_at: dict[str, Position] = {}
        self.values_at: dict[str, Position] = {}

    def put(self, key: str, value: Any, key_at: Position | None, at: Position | None) -> None:
        """Set a key's value, with the positions that are known."""
        self[key] = value
        if key_at is not None:
            self.keys_at[key] = key_at
        if at is not None:
            self.values_at[key] = at

    def without(self, *keys: str) -> YamlMapping:
        """Return the mapping, with its positions, without some of its keys."""
        kept = YamlMapping(self.at)
        for key, value in self.items():
            if key not in keys:
                kept.put(key, value, self.keys_at.get(key), self.values_at.get(key))
        return kept


class YamlSequence(list[Any]):
    """A sequence with the positions of itself and its items."""

    __slots__ = ("at", "items_at")

    def __init__(self, at: Position | None = None) -> None:
        super().__init__()
        self.at = at
        self.items_at: list[Position] = []

    def put(self, value: Any, at: Position | None) -> None:
        """Append a value, with its position if that is known."""
        self.append(value)
        if at is not None:
            self.items_at.append(at)

    def with_positions(self) -> Iterator[tuple[Any, Position | None]]:
        """Yield each item with its position, None if that is not known."""
        return zip_longest(self, self.items_at)


def locate(root: Any, loc: Loc, *, at_key: bool = False) -> Position | None:
    """Return the position of the value (or of its key) at `loc`, or of the nearest outer value.

    Steps that do not exist are skipped.
    """
    value, position = root, getattr(root, "at", None)
    for index, step in enumerate(loc):
        if isinstance(value, YamlMapping) and step in value:
            key = str(step)
            last = index == len(loc) - 1
            places = value.keys_at if at_key and last else value.values_at
            position = places.get(key, position)
            value = value[key]
        elif isinstance(value, YamlSequence) and isinstance(step, int) and step < len(value):
            position = value.items_at[step] if step < len(value.items_at) else position
            value = value[step]
    return position


def plain(value: Any) -> Any:
    """Return the value as bare lists and dicts."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def legible(text: str, limit: int = 600) -> str:
    """Return a message with unprintable characters escaped, cut in the middle beyond `limit`.

    Messages quote names from the file, which may contain any character.
    """
    if len(text) > limit:
        text = f"{text[: limit // 2]}…{text[-limit // 2 :]}"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def shown(text: object, limit: int = 60) -> str:
    """Return a text on one line in quotes, cut beyond `limit` characters."""
    text = " ".join(str(text).split())
    return f'"{text}"' if len(text) <= limit else f'"{text[: limit - 1]}…"'


def described(value: Any) -> str:
    """Return what a value is: `the text "many"`, `a list of 3`."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}" if len(str(value)) < 40 else "a very large number"
        case str():
            return f"the text {shown(value)}"
        case dict():
            keys = ", ".join(str(key) for key in list(value)[:4])
            return (
                f"a mapping with {keys}{', …' if len(value) > 4 else ''}"
                if value
                else ("an empty mapping")
            )
        case list() | tuple():
            return f"a list of {len(value)}" if value else "an empty list"
        case _:
            return f"{shown(value)} ({type(value).__name__})"
