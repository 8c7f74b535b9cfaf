"""Texts of others, in every format and at every place that holds text."""

from __future__ import annotations

import json
import types
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from layerlens.cli import run
from layerlens.plain.printable import clean, escaped_json, escaped_line, one_line
from layerlens.render import FORMATS, Format, RenderOptions, render
from layerlens.render.formats.html import render_fragment
from layerlens.render.formats.rich import rich_lines
from layerlens.render.picture_file import picture_file, picture_text
from layerlens.report.from_json import report_from_dict, row_types
from layerlens.run.report import Report
from tests.unit.tables.harmless import FORMULAS, HOSTILE, MIXED, faults
from tests.unit.tables.paths import REPORTS

GOLDEN = REPORTS
#: Texts that are no words: a step map's rows.
_FIGURES = frozenset({"seen"})
_REPORTS = ("different", "hostile", "masks")


def hostile_report(name: str, text: str) -> Report:
    """Return a golden report with the text in front of every text that is not one of its words."""
    data = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    planted: Report = _planted(report_from_dict(data), Report, text)
    return planted


def _planted(value: Any, kind: Any, text: str) -> Any:
    if is_dataclass(value):
        hints = get_type_hints(type(value), localns=row_types())
        return replace(
            value,
            **{
                item.name: _planted(getattr(value, item.name), hints[item.name], text)
                for item in fields(value)
                if item.name not in _FIGURES
            },
        )
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(one for one in get_args(kind) if one is not types.NoneType)
    if get_origin(kind) is Literal:
        return value
    if isinstance(value, str):
        return text + value
    inner = (get_args(kind) or (Any,))[-1 if isinstance(value, dict) else 0]
    if isinstance(value, dict):
        return {text + str(key): _planted(item, inner, text) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_planted(item, inner, text) for item in value)
    if isinstance(value, list):
        return [_planted(item, Any, text) for item in value]
    return value


def _cases() -> Iterator[Any]:
    """Yield a format, the options it is rendered with and a text."""
    wide: dict[str, RenderOptions] = {
        "40": RenderOptions(width=40),
        "80-verbose": RenderOptions(verbose=True),
        "40-colour": RenderOptions(width=40, colour=True),
        "explain": RenderOptions(width=40, explain=True, ascii=True),
    }
    for name, options in wide.items():
        for text in ("mixed", "wrapped", "glued"):
            yield pytest.param("rich", options, text, id=f"rich-{name}-{text}")
    for text in ("mixed", *FORMULAS):
        yield pytest.param("csv", RenderOptions(), text, id=f"csv-{text}")
    for kind in FORMATS:
        if kind not in ("rich", "csv"):
            for text in ("mixed", "wrapped"):
                yield pytest.param(kind, RenderOptions(), text, id=f"{kind}-{text}")


TEXTS = {**HOSTILE, "mixed": MIXED}


@pytest.mark.parametrize(("kind", "options", "text"), list(_cases()))
def test_no_text_of_a_report_is_more_than_text(
    kind: Format, options: RenderOptions, text: str
) -> None:
    for name in _REPORTS:
        found = render(hostile_report(name, TEXTS[text]), kind, options)
        told = list(faults(found, kind, colour=options.colour))
        assert not told, (name, told[:3])


def test_no_text_of_a_picture_is_more_than_text() -> None:
    report = hostile_report("steps", MIXED)
    assert not list(faults(picture_text(report, RenderOptions(width=40))))
    assert not list(faults("\n".join(line.plain for line in rich_lines(report, 40))))
    assert not list(faults(render_fragment(report), "html"))
    svg = picture_file(report, ".svg", "a.yaml").decode()
    assert not list(faults(svg))
    ET.fromstring(svg)
    assert picture_file(report, ".png", "a.yaml").startswith(b"\x89PNG")


def test_the_checks_above_see_what_they_look_for() -> None:
    assert len(list(faults("::error::\n  ::add-mask::x\na ##[error]\x1b\u202e\ud800"))) == 6
    assert list(faults('a,b\n=1,"-2"\n', "csv")) == ["a formula: '=1'"]
    assert list(faults("![a](http://b)\n<img>", "markdown"))
    assert list(faults("<p onclick=x><a href='http://x'></a><img src=x>", "html"))
    assert not list(faults("::error file=a%3A,line=1,col=2,title=t::text ::error::", "github"))
    assert list(faults("::error file=a::error::,line=1::", "github"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\tb\x1b[31m\x9b\u202e\U000e0041", "a\\x09b\\x1b[31m\\x9b\\u202e\\U000e0041"),
        ("::error::x\n  ::y", "\\x3a:error::x\n  \\x3a:y"),
        ("a::b [::2] std::x", "a::b [::2] std::x"),
        ("##[error]", "\\x23#[error]"),
        ("família 名前 👩\u200d👩 ✔", "família 名前 👩\u200d👩 ✔"),
    ],
)
def test_clean_spells_what_is_hidden_and_leaves_the_rest(text: str, expected: str) -> None:
    assert clean(text) == expected
    assert clean(expected) == expected


def test_one_line_and_spelt_hold_no_newline() -> None:
    assert one_line(" a\n::error::\n b ") == "a ::error:: b"
    assert escaped_line("a\n::b") == "a\\n::b"
    assert one_line("\n::a") == "\\x3a:a"


def test_a_text_of_many_lines_is_cleaned_in_linear_time() -> None:
    text = "\n" * 300_000 + " " * 300_000 + "::"
    assert clean(text).endswith("\\x3a:")


@pytest.mark.parametrize("text", HOSTILE.values())
def test_json_is_escaped_and_read_back_as_it_was(text: str) -> None:
    written = escaped_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(written) == {text: [text]}
    assert not list(faults(written, "json"))


# --- the command line -----------------------------------------------------------------------------

#: Keys and texts in quotes, as YAML escapes them.
SCENARIO = """
title: {text}
question: {text}
input: {{shape: [4]}}
models:
  {text}: [{{Dense: {{units: 2, name: {name}}}}}, {{Dense: 3}}]
  b: [{{Dense: {{units: 2, activation: {text}}}}}]
  c: [{{Dense: {{units: 2, kernel_initializer: ones}}}}, {{Dense: {{units: 3, activation: relu}}}}]
expect: {{verdicts: {{c: equivalent}}}}
"""
WRONG = """
title: {text}
input: {{shape: [4]}}
models:
  {text}: [{{{text}: 3}}, {{Dense: {{units: {text}, {text}: 1}}}}]
  b: {{file: {text}}}
"""


def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = MIXED.replace("\ud800", "").replace("\udfff\udc1b", "")  # no file holds those
    folder = tmp_path / "::error::folder\n::error::x"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LAYERLENS_CACHE_DIR", str(folder / "::warning::cache"))
    name = json.dumps(text.replace("/", ""))
    for file, content in (("=1\n::error::right.yaml", SCENARIO), ("::error::wrong.yaml", WRONG)):
        (folder / file).write_text(content.format(text=json.dumps(text), name=name))


@pytest.mark.parametrize(
    "arguments",
    [
        *(["compare", ".", "--format", kind] for kind in FORMATS),
        ["summary", "=1\n::error::right.yaml"],
        ["explain", "::error::wrong.yaml"],
        ["plot", "=1\n::error::right.yaml", "-o", "::error::drawn.svg"],
        ["compare", "=1\n::error::right.yaml", "--repro", "::error::script.py", "--no-cache"],
        ["compare", "::error::missing\n::error::.yaml"],
        ["compare", "--format", "::error::", "."],
        ["compare", "::error::", "--::error::=3"],
        ["init", "::error::new\x1b.yaml"],
        ["init", "::error::nowhere\n::error::/new.yaml"],
        ["cache", "info"],
        ["cache", "clear"],
        ["layers", "::error::\n::error::"],
        ["render", "::error::wrong.yaml"],
    ],
    ids=lambda arguments: "-".join(arguments)[:30].replace("::", "").replace("\n", ""),
)
def test_no_output_of_a_command_is_a_command(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    _folder(tmp_path, monkeypatch)
    monkeypatch.setenv("COLUMNS", "40")
    status = run(arguments)
    out, err = (part.decode() for part in capfdbinary.readouterr())
    kind = arguments[3] if arguments[:2] == ["compare", "."] else "text"
    assert status in (0, 1, 2), err
    assert not list(faults(out, kind))
    assert not list(faults(err))
    for script in Path().glob("*script.py"):
        written = script.read_text()
        assert not list(faults(written))
        compile(written, "script", "exec")
