"""Plain values that know their places in a file, and the words for them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

Position = tuple[int, int]
Loc = tuple[str | int, ...]


class YamlMapping(dict[str, Any]):
    """A mapping that knows where it, its keys and its values stand."""

    __slots__ = ("at", "keys_at", "values_at")

    def __init__(self, at: Position | None = None) -> None:
        super().__init__()
        self.at = at
        self.keys_at: dict[str, Position] = {}
        self.values_at: dict[str, Position] = {}

    def put(self, key: str, value: Any, key_at: Position | None, at: Position | None) -> None:
        self[key] = value
        if key_at is not None:
            self.keys_at[key] = key_at
        if at is not None:
            self.values_at[key] = at


class YamlSequence(list[Any]):
    """A sequence that knows where it and its items stand."""

    __slots__ = ("at", "items_at")

    def __init__(self, at: Position | None = None) -> None:
        super().__init__()
        self.at = at
        self.items_at: list[Position] = []

    def put(self, value: Any, at: Position | None) -> None:
        self.append(value)
        if at is not None:
            self.items_at.append(at)

    def placed(self) -> Iterator[tuple[Any, Position | None]]:
        """Yield each item with its place, None where it has none."""
        return zip_longest(self, self.items_at)


def locate(root: Any, loc: Loc, *, at_key: bool = False) -> Position | None:
    """Return the place of the value (or of its key) that `loc` leads to, or of the nearest one.

    A step that the value cannot take is passed over.
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
    """Return a message fit for a terminal: nothing in it that is not printed, and no endless name.

    A file's own names stand in the messages about it, and may hold anything.
    """
    if len(text) > limit:
        text = f"{text[: limit // 2]}…{text[-limit // 2 :]}"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def shown(text: object, limit: int = 60) -> str:
    """Return a text in quotes, cut where it grows long."""
    text = " ".join(str(text).split())
    return f'"{text}"' if len(text) <= limit else f'"{text[: limit - 1]}…"'


def described(value: Any) -> str:
    """Return what a value is, in the words of the file: `the text "many"`, `a list of 3`."""
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
