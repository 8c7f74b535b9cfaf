"""Files that are not YAML, or exceed its limits."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.files import LARGEST_FILE

INPUT = "input: {shape: [64, 15]}\n"


MODELS = "models: {a: [Flatten], b: [Flatten]}\n"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "this file has no scenario | `layerlens init PATH` writes one to start from"),
        (b"# nothing\n", "this file has no scenario"),
        (b"- a\n", "a scenario is a mapping; received a list of 1"),
        (b"title: \x00\n", "1:8: the character U+0000 is not allowed in YAML"),
        (b"ab\n\x89PNG", "2:1: byte 0x89 is not UTF-8 | a scenario is a text file in UTF-8"),
        (b"models:\n\t- a\n", "2:1: this is not valid YAML: a tab stands where"),
        (b"%YAML 3.0\n---\na: 1\n", "this is not valid YAML: an unknown version of YAML"),
        (b"%YAML 1.1\n---\na: 1\n", "this file is written in YAML 1.1"),
        (b"a: 1\n---\nb: 1\n", "2:1: a second document begins here | write one scenario per file"),
        (b"a: &a [*a]\n", "1:8: `*a` refers to a value that contains it"),
        (b"a: *b\n", "1:4: `*b` has no `&b` before it"),
        (b"[" * 100_000, "1:65: values are nested more than 64 deep here"),
        (b"- " * 100_000, "values are nested more than 64 deep here"),
        (b"a: 'x\n", "this is not valid YAML: the quote that starts here is never closed"),
        (b"a: [1, 2\nb: 3\n", "this is not valid YAML: this `[` is never closed"),
        (b"x" * (LARGEST_FILE + 1), "the file is 4.0 MiB; a scenario has at most 4 MiB"),
        ("models: é\n".encode("utf-16"), "`models` takes a mapping"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_scenario(told: Any, content: bytes, fault: str) -> None:
    assert fault in told(content)[0]


def test_a_name_cannot_disturb_the_terminal(told: Any) -> None:
    (found,) = told(INPUT + MODELS + '"a\\e[31mb": 1\n')
    assert found.startswith("3:1: unknown key `a\\x1b[31mb`")
    (found,) = told(INPUT + MODELS + f"{'k' * 900}: 1\n")
    assert len(found) < 1000
    assert "kkk…kkk" in found


def test_an_alias_bomb_is_refused_at_once(told: Any) -> None:
    rows = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 40)]
    assert "more than 1,000,000 values up to here" in told("\n".join(rows))[0]
