"""Describe the codes of faults, for the terminal and for the documentation."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.plain.suggestion import nearest_name

_CODE = re.compile(r"LL\d{1,9}", re.IGNORECASE)
#: First digit of a code → what these faults are about.
GROUPS: Mapping[str, str] = {
    "1": "YAML",
    "2": "The structure of a scenario",
    "3": "Layers and their arguments",
    "4": "Files, code and models",
    "5": "The command line, and calls from Python",
    "9": "layerlens itself",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code means, with an example that has the fault and one that does not."""

    title: str
    text: str
    #: Parts of a scenario file.
    wrong: str | None = None
    right: str | None = None
    #: Whether Keras builds the models before the fault shows.
    runs: bool = False
    wrong_command: str | None = None
    right_command: str | None = None
    #: Calls from Python.
    wrong_python: str | None = None
    right_python: str | None = None


def guide() -> dict[Code, Entry]:
    """Return the description of every code."""
    data = tomllib.loads((files("layerlens") / "fault_guide.toml").read_text("utf-8"))
    return {Code(code): Entry(**entry) for code, entry in data.items()}


def is_code(text: str) -> bool:
    """Return whether a text has the form of a code, known or not."""
    return _CODE.fullmatch(text) is not None


def render_code(text: str, width: int) -> str:
    """Return the description of a code.

    Raises:
        UsageError: there is no such code.
    """
    entries = guide()
    try:
        code = Code(text.upper())
    except ValueError:
        near = _nearest(text.upper())
        hint = f"did you mean {near}, {entries[near].title}?"
        raise UsageError(f"there is no code {text}", hint=hint, code=Code.BAD_OPTION) from None
    entry = entries[code]
    prose = min(width, 80)
    lines = [f"{code}: {entry.title}", "", *textwrap.wrap(entry.text, prose)]
    for heading, example in _examples(entry):
        lines += ["", heading, "", *(f"    {line}" for line in example.splitlines())]
    return "\n".join([*lines, ""])


def _examples(entry: Entry) -> list[tuple[str, str]]:
    both = (
        ("Wrong:", entry.wrong or entry.wrong_command or entry.wrong_python),
        ("Right:", entry.right or entry.right_command or entry.right_python),
    )
    return [(heading, example) for heading, example in both if example]


def _nearest(text: str) -> Code:
    """Return the code most like a text: by its digits, otherwise the next number."""
    near = nearest_name(text, [code.value for code in Code], cutoff=0.75)
    if near is not None:
        return Code(near)
    number = int(text[2:])
    return min(Code, key=lambda code: abs(int(code[2:]) - number))


def render_page() -> str:
    """Return the page of the documentation that lists every code."""
    lines = [
        "# Errors",
        "",
        "Look up what the code of an error means. `layerlens explain LL301` prints the same in the",
        "terminal, and a JSON report has the code beside each message. A code keeps its meaning in",
        "later versions.",
        "",
        "Examples are parts of a scenario file, command lines, or calls from Python.",
    ]
    group = ""
    for code, entry in guide().items():
        if code[2] != group:
            group = code[2]
            lines += ["", f"## {GROUPS[group]}"]
        lines += ["", f"### {code.value}: {entry.title}", "", *textwrap.wrap(entry.text, 100)]
        for heading, example in _examples(entry):
            lines += ["", heading, "", "```text", *example.splitlines(), "```"]
    return "\n".join([*lines, ""])
