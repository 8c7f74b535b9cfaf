"""Invalid YAML is explained in plain words, at the line that caused it."""

from __future__ import annotations

from typing import Any

import pytest

#: Text, place, and the start of the message after "this is not valid YAML: ".
PROBLEMS = [
    ("models:\n\ta: b", "2:1", "a tab stands where YAML allows spaces only"),
    ("title: Dense: what\nb: 1", "1:13", "a second `: ` in one value | put the text in quotes"),
    ("input: {shape: [4]\nmodels: {}", "1:8", "this `{` is never closed | write `}`"),
    ("input: [1, 2", "1:8", "this `[` is never closed"),
    ("a:\n  - [Dense: 2\n  - [Dense: 3]", "2:5", "this `[` is never closed"),
    ("a: [Dense: {units: 3]}", "1:21", "`]` where a `}` is needed | the `{` is at line 1"),
    ("a: {b: 1}}", "1:10", "this `}` has no `{` before it"),
    ("a: {b: 1 c: 2}", "1:11", "a comma or a `}` is missing before this"),
    ('title: "no end\nmodels:\n  a: 1', "1:8", "the quote that starts here is never closed"),
    ("a: 'x\n", "1:4", "the quote that starts here is never closed"),
    ("a:\n  - b: 1\n   - c: 2", "3:4", "this line is indented unlike the lines before it"),
    ("a:\n   b: 1\n  c: 2", "3:3", "this line is indented unlike the lines before it"),
    ("a: x\n  b: 3", "2:4", "this line is indented unlike the lines before it"),
    ("title: @home", "1:8", 'text cannot start with "@" | put the text in quotes'),
    ("title: `x`", "1:8", 'text cannot start with "`"'),
    ("title: %x", "1:8", 'text cannot start with "%"'),
    ("title\nmodels: {}", "1:6", "a `:` is missing after `title`"),
    ("input {shape: [8]}\nb: 1", "1:6", "a `:` is missing after `input` | write `input: ...`"),
    ("- a\nb: 3", "2:1", "a key stands here, and the list of line 1 has items only"),
    ("a: - b", "1:4", "a list cannot start behind its key"),
    ('a: "x" y', "1:8", "text follows a value that has ended"),
    ('a: "\\d"', "1:6", "`\\d` means nothing in double quotes | use single quotes"),
    ("a: |x\n  y", "1:5", "text follows the `|` or `>` on its line"),
]


@pytest.mark.parametrize(("text", "place", "message"), PROBLEMS)
def test_a_problem_in_plain_words(told: Any, text: str, place: str, message: str) -> None:
    (fault,) = told(text)
    assert f"{place}: this is not valid YAML: {message}" in fault
    for jargon in ("block end", "flow", "scalar", "token", "scanning", "mapping values"):
        assert jargon not in fault


def test_a_problem_without_words_of_its_own_keeps_those_of_the_parser(told: Any) -> None:
    (fault,) = told("a: !<x 3")
    assert "this is not valid YAML: while parsing a tag" in fault
