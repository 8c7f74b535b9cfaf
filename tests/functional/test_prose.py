"""The check for odd phrases finds each of them in every kind of file, and none in the project."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PHRASES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["odd-phrases"]["phrases"]


def check(*paths: Path) -> tuple[int, list[str]]:
    outcome = subprocess.run(
        [sys.executable, ROOT / "tests" / "prose" / "odd_phrases.py", *paths],
        capture_output=True,
        text=True,
    )
    assert not outcome.stderr
    return outcome.returncode, outcome.stdout.splitlines()


def test_the_project_has_none():
    assert check() == (0, [])


def test_each_phrase_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("\n".join(f"It {phrase} here." for phrase in PHRASES))
    status, lines = check(page)
    assert status == 1
    assert [line.split(":")[1] for line in lines] == [str(n + 1) for n in range(len(PHRASES))]
    for line, (phrase, instead) in zip(lines, PHRASES.items(), strict=True):
        assert line.endswith(f": odd phrase `{phrase}`: {instead}")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("page.md", "A worker lets\ngo of the model.", 1),
        ("page.md", "First.\n\n> The worker Lets\n> go of it.", 3),
        ("page.html", "<p>It lets go of it.</p>", 1),
        ("scenario.yaml", "title: t\n# The worker lets\n# go of it.\n", 2),
        ("scenario.yaml", "answer: The worker lets\n  go of it.\n", 1),
        ("code.py", 'x = 1\n"""A text.\n\nIt lets go of it.\n"""\n', 4),
        ("code.py", 'raise ValueError(\n    "it lets "\n    "go of it"\n)\n', 2),
        ("code.py", 'def f(x):\n    return f"{x} lets {x}" f" and lets go of {x}"\n', 2),
        ("code.py", "x = 1  # one\n\n# It lets\n# go of it.\n", 3),
        ("code.py", "# A comment.\n#\n# It lets go\nx = 1\n# of it, and lets go of it.\n", 5),
    ],
)
def test_a_phrase_is_found_where_prose_stands(name, text, line, tmp_path):
    path = tmp_path / name
    path.write_text(text)
    status, lines = check(path)
    assert status == 1
    assert [found.split(": ")[0] for found in lines] == [f"{path}:{line}"]
    assert check(tmp_path) == (1, lines)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.md", "It is toldable, and he is. Told so."),
        ("code.py", 'is_told = "is"  # told\nf(is_told, "is", "told")\n'),
        ("data.csv", "lets go of"),
    ],
)
def test_other_text_is_left_alone(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    assert check(tmp_path) == (0, [])
