"""What the translation of one older description has found: its changes, gaps and faults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from layerlens.report.layers import TRANSLATED_FROM

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Inexpressible:
    """A part that no layer of Keras 3 expresses; `what` continues the sentence "layer `x` ..."."""

    layer: str
    what: str
    place: Place
    #: What to write in its stead.
    instead: str

    def __str__(self) -> str:
        return f"layer `{self.layer}` {self.what} (at `{written(self.place)}`)"


class MalformedError(Exception):
    """A description has another form than any Keras wrote; the message has the place."""

    def __init__(self, place: Place, what: str) -> None:
        super().__init__(f"{what} (at `{written(place)}`)")


def written(place: Place) -> str:
    """Return a place as a path, such as `config.layers[1]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "the beginning"


def mapping_at(value: Any, place: Place) -> Mapping[str, Any]:
    """Return a mapping, or raise `MalformedError` with its place."""
    if not isinstance(value, Mapping):
        raise MalformedError(place, f"a mapping is needed here, not {_kind(value)}")
    return value


def list_at(value: Any, place: Place) -> list[Any]:
    """Return a list, or raise `MalformedError` with its place."""
    if not isinstance(value, (list, tuple)):
        raise MalformedError(place, f"a list is needed here, not {_kind(value)}")
    return list(value)


def text_at(value: Any, place: Place) -> str:
    """Return a text, or raise `MalformedError` with its place."""
    if not isinstance(value, str):
        raise MalformedError(place, f"a text is needed here, not {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def valid_name(name: str) -> str:
    """Return a layer's name as Keras 3 takes it, without the slashes that Keras 2 allowed."""
    return name.replace("/", "_")


def numbers(version: str | None) -> tuple[int, ...]:
    """Return the first two numbers of a version; none of a version that is not known."""
    return tuple(int(part[:6]) for part in re.findall(r"\d+", version or "")[:2])


@dataclass
class Record:
    """Collects what is translated, by line of the report, and what cannot be."""

    version: str | None
    lines: dict[str, None] = field(default_factory=dict)
    #: The layers with `hard_sigmoid` of Keras 1 and 2.
    hard: dict[str, None] = field(default_factory=dict)
    #: Arguments that the file leaves out → the layers, where Keras 3 has another default.
    assumed: dict[str, dict[str, None]] = field(default_factory=dict)
    lost: dict[str, None] = field(default_factory=dict)
    faults: list[Inexpressible] = field(default_factory=list)
    #: The layers that are composed of several of Keras 3 → what they were.
    composed: dict[str, str] = field(default_factory=dict)
    #: Layers whose output shape the file tells → that shape, without the batch axis.
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)

    @property
    def keras(self) -> str:
        """Return the name of the version that wrote the file."""
        return f"Keras {self.version}" if self.version else "Keras 1 or 2 (it names no version)"

    def translated(self, old: str, new: str) -> None:
        """Note that something has another name or form in Keras 3."""
        self._line(f"{old} -> {new}")

    def left_out(self, what: str, why: str) -> None:
        """Note that something without effect was left out."""
        self._line(f"{what} ignored: {why}")

    def assume(self, default: str, layer: str) -> None:
        """Note an argument that was put in, as its default has changed."""
        self.assumed.setdefault(default, {})[layer] = None

    def lose(self, what: str) -> None:
        """Note something that the model did and a model of Keras 3 does not."""
        self.lost[what] = None

    def refuse(self, layer: str, what: str, place: Place, instead: str) -> None:
        """Note a part that Keras 3 does not express."""
        self.faults.append(Inexpressible(layer, what, place, instead))

    def _line(self, text: str) -> None:
        self.lines[f"{TRANSLATED_FROM}{self.keras}: {text}"] = None

    def notes(self) -> Iterator[str]:
        """Yield the remarks for a report."""
        yield from self.lines
        if self.hard:
            yield (
                f"the file was saved by {self.keras}, whose `hard_sigmoid` is not that of Keras 3: "
                f"it was restored as clip(0.2 x + 0.5, 0, 1) in {_listed(self.hard)}"
            )
        for default, layers in self.assumed.items():
            yield f"{default} was the default of {self.keras}, and was added to {_listed(layers)}"
        for what in self.lost:
            yield f"a part of the saved model could not be restored: {what}"


def _listed(names: Mapping[str, None]) -> str:
    return ", ".join(f"`{name}`" for name in names)
