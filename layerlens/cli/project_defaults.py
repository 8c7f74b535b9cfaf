"""Defaults of the command line's options, from `[tool.layerlens]` of the nearest pyproject.toml.

A repository may choose how its scenarios run and how reports look. It may not allow itself
to run code, and it may not choose a cache, a cluster or a file outside its own folder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from layerlens.errors import Fault, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.files import STDOUT
from layerlens.plain.suggestion import nearest_name
from layerlens.scenario.yaml.positions import described, legible

_FILE = "pyproject.toml"
_TABLE = "[tool.layerlens]"
#: Options that a repository cannot set → why not.
_REFUSED = {
    "allow-code": "a repository cannot allow its own code to run",
    "cache-dir": "a repository cannot choose where results come from",
    "repro": "it writes a file, whose name belongs on the command line",
    "weights": "it applies to models that are named on the command line",
    "against": "it applies to a callable that is named on the command line",
    "scheduler": "a repository cannot choose the machines that run its scenarios",
}
#: Option → the types of its values in TOML, and what they are called; others take text.
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "seed": ((int,), "an integer"),
    "jobs": ((int, str), "an integer, or 'auto'"),
    "depth": ((int,), "an integer"),
    "timeout": ((int, float), "a number of seconds"),
    "max-memory": ((int, str), "a size such as '4G'"),
}
_FLAG: tuple[tuple[type, ...], str] = ((bool,), "true or false")
_TEXT: tuple[tuple[type, ...], str] = ((str,), "text")

#: The suffixes of reports that a repository may name.
_REPORTS = (".json", ".md", ".csv", ".html", ".xml", ".txt")

Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class OptionRule:
    """What an option takes: a flag or text, and the check of the command line."""

    is_flag: bool
    check: Check | None
    least: float | None = None


def project_defaults(rules: Mapping[str, OptionRule]) -> dict[str, Any]:
    """Return option → value, as the command line would give it.

    Args:
        rules: the names of the shared options, without dashes in front, and what they take.

    Raises:
        ScenarioError: the file is not valid TOML, or the table has unknown options or wrong values.
    """
    path = _nearest(Path.cwd())
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        if "layerlens" not in text:
            return {}
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(
            (Fault(Code.BAD_SETTINGS, f"cannot be read: {error}", Where(_shown(path))),)
        ) from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        # Without a place it is the end of the document.
        end = (max(len(text.splitlines()), 1), None)
        place = (int(found[1]), int(found[2])) if found else end
        reason = str(error).partition(" (at ")[0]
        where = Where(_shown(path), *place)
        raise ScenarioError(
            (Fault(Code.BAD_SETTINGS, f"not valid TOML: {legible(reason)}", where),)
        ) from None
    tool = data.get("tool")
    if not isinstance(tool, dict) or "layerlens" not in tool:
        return {}
    table = _Table(path, text)
    found_options = dict(table.read(tool["layerlens"], rules))
    if table.faults:
        raise ScenarioError(tuple(table.faults))
    return found_options


def _nearest(folder: Path) -> Path | None:
    """Return the pyproject.toml of a folder or of the nearest one above it."""
    for place in (folder, *folder.parents):
        if (place / _FILE).is_file():
            return place / _FILE
    return None


@dataclass(slots=True)
class _Table:
    """The table of one file, and the faults found in it."""

    path: Path
    text: str
    faults: list[Fault] = field(default_factory=list)

    def read(self, table: Any, rules: Mapping[str, OptionRule]) -> Iterator[tuple[str, Any]]:
        if not isinstance(table, dict):
            self._add(None, f"{_TABLE} is a table of options; received {described(table)}")
            return
        for name, value in table.items():
            if name in _REFUSED:
                hint = f"remove it, and give --{name} on the command line"
                self._add(name, f"`{name}` is not allowed here: {_REFUSED[name]}", hint)
            elif name not in rules:
                allowed = sorted(set(rules) - set(_REFUSED))
                near = nearest_name(name, allowed)
                hint = f"did you mean `{near}`?" if near else f"allowed: {', '.join(allowed)}"
                self._add(name, f"unknown option `{name}` in {_TABLE}", hint)
            else:
                yield from self._option(name, value, rules[name])

    def _option(self, name: str, value: Any, rule: OptionRule) -> Iterator[tuple[str, Any]]:
        types, title = _FLAG if rule.is_flag else _KINDS.get(name, _TEXT)
        if type(value) not in types:
            self._add(name, f"`{name}` takes {title}; received {described(value)}")
            return
        if rule.least is not None and value < rule.least:
            self._add(name, f"`{name}` is at least {rule.least:g}; received {value}")
            return
        given = value if rule.is_flag else str(value)
        if name == "output" and not (given := self._output(given)):
            return
        try:
            yield name, rule.check(given) if rule.check is not None else given
        except typer.BadParameter as error:
            self._add(name, f"`{name}`: {error.message}")

    def _output(self, value: str) -> str | None:
        """Return the path of a report within the project; a fault and None for any other."""
        if value == STDOUT:
            return value
        folder = self.path.parent.resolve()
        place = (folder / value).resolve()
        if not place.is_relative_to(folder) or place.suffix.lower() not in _REPORTS:
            self._add(
                "output",
                f"`output` names a report in the project's own folder; received {described(value)}",
                f"end the name in {', '.join(_REPORTS)}, or give --output on the command line",
            )
            return None
        return str(place)

    def _add(self, name: str | None, message: str, hint: str | None = None) -> None:
        where = Where(_shown(self.path), self._line(name))
        self.faults.append(
            Fault(Code.BAD_SETTINGS, legible(message), where, legible(hint) if hint else None)
        )

    def _line(self, name: str | None) -> int | None:
        """Return the line of an option, or that of the table; tomllib gives no positions."""
        lines = self.text.splitlines()
        heads = (r"\s*\[?\s*(tool\s*\.\s*)?[\"']?layerlens\b", r".*\blayerlens\b")
        start = next(
            (
                number
                for head in heads
                for number, line in enumerate(lines, 1)
                if re.match(head, line)
            ),
            None,
        )
        if name is None or start is None:
            return start
        key = re.compile(rf"(^|[\s{{,.])[\"']?{re.escape(name)}[\"']?\s*=")
        rest = enumerate(lines[start - 1 :], start)
        return next((number for number, line in rest if key.search(line)), start)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
