"""Collect the faults of a scenario file while it is read, with positions and hints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from layerlens.errors import Fault, Where
from layerlens.fault_codes import Code
from layerlens.plain.suggestion import nearest_name, sure_name
from layerlens.scenario.yaml.positions import Position, legible

#: The most faults reported; a file with more usually has one cause.
MOST_FAULTS = 50
#: The most allowed names listed in a hint.
MOST_NAMES = 30


@dataclass(slots=True)
class Faults:
    """The faults found in one file so far."""

    file: str
    found: list[Fault] = field(default_factory=list)

    def add(self, code: Code, message: str, at: Position | None, hint: str | None = None) -> None:
        """Add a fault; hidden characters are escaped and long texts cut."""
        self.found.append(
            Fault(code, legible(message), self.where(at), legible(hint, 2000) if hint else None)
        )

    def where(self, at: Position | None) -> Where:
        """Return the place in the file of a position."""
        return Where(self.file, *at) if at else Where(self.file)

    def __bool__(self) -> bool:
        return bool(self.found)

    def in_order(self) -> tuple[Fault, ...]:
        """Return the faults from top to bottom, each once (aliases repeat them)."""
        ordered = sorted(dict.fromkeys(self.found), key=_place)
        if len(ordered) > MOST_FAULTS:
            more = f"and {len(ordered) - MOST_FAULTS:,} more faults"
            last = ordered[MOST_FAULTS].code
            ordered = [*ordered[:MOST_FAULTS], Fault(last, more, Where(self.file))]
        return tuple(ordered)


def _place(fault: Fault) -> Position:
    where = fault.where
    return (where.line or 0, where.column or 0) if where else (0, 0)


def misspelt(name: str, keys: Iterable[str], allowed: Iterable[str]) -> bool:
    """Return whether one of the unknown `keys` is probably a misspelt `name`."""
    allowed = tuple(allowed)
    return any(key not in allowed and nearest_name(key, allowed) == name for key in keys)


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """Return a hint: the allowed name that is meant, or the nearest one and what is allowed."""
    names = list(allowed)
    sure = sure_name(name, names)
    if sure is not None:
        return f"did you mean `{sure}`?"
    near = nearest_name(name, names)
    parts = [f"did you mean `{near}`?"] if near else []
    if names and (len(names) <= MOST_NAMES or not near):
        listed = ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
        parts.append(f"allowed: {listed}")
    return " ".join(parts) or "none is allowed here"
