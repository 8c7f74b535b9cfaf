"""What builds nothing starts nothing: neither Keras nor TensorFlow nor pandas is imported."""

from __future__ import annotations

import sys

import pytest

HEAVY = ("keras", "tensorflow", "pandas")

IMPORT = "import sys, layerlens\n"
COMMAND = """\
import sys
from layerlens.cli import run
run({arguments!r})
"""
TELL = f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"


@pytest.fixture
def loaded(process):
    def tell(code: str) -> str:
        outcome = process([sys.executable, "-c", code + TELL])
        assert "Traceback" not in outcome.stderr, outcome.stderr
        return outcome.stderr.splitlines()[-1]

    return tell


def test_importing_the_package(loaded):
    assert loaded(IMPORT) == "[]"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["compare", "--help"], ["schema"], ["layers"], ["--version"], ["compare"]],
    ids=" ".join,
)
def test_light_commands(loaded, arguments):
    assert loaded(COMMAND.format(arguments=arguments)) == "[]"


def test_a_rejected_scenario(loaded, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("inptu: {shape: [4]}\nmodels: {a: [Dense: 2], b: [Dens: 2]}\n")
    assert loaded(COMMAND.format(arguments=["compare", str(path)])) == "[]"


def test_a_starter_scenario(loaded, tmp_path):
    assert loaded(COMMAND.format(arguments=["init", str(tmp_path / "new.yaml")])) == "[]"


def test_the_check_itself_notices(loaded):
    assert loaded("import sys, pandas\n") == "['pandas']"
