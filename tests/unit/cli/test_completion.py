"""What a shell offers for arguments that name models."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from layerlens.cli.completion import model_names, model_names_or_codes

CODE = """
raise SystemExit("this file was run")
def build(): ...
def bare(): ...
def _own(): ...
class Block: ...
value = 1
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("model.py").write_text(CODE, encoding="utf-8")
    Path("broken.py").write_text("def (", encoding="utf-8")
    return "model.py"


def after(*paths: str) -> Any:
    return SimpleNamespace(params={"paths": paths} if paths else {})


def test_the_callables_of_a_file_are_offered_without_running_it(file: str) -> None:
    assert model_names(after(), f"{file}:b") == ["model.py:build", "model.py:bare"]
    assert model_names(after(), f"{file}:") == ["model.py:build", "model.py:bare", "model.py:Block"]


def test_where_the_shell_splits_at_the_colon_only_the_name_is_offered(file: str) -> None:
    assert model_names(after("a.keras", file, ":"), "bu") == ["build"]


@pytest.mark.parametrize("typed", ["mod", "broken.py:", "none.py:", "scenario.yaml:", ":", ""])
def test_nothing_is_offered_where_nothing_is_known(file: str, typed: str) -> None:
    assert model_names(after(), typed) == []


def test_codes_are_offered_to_explain() -> None:
    assert model_names_or_codes(after(), "ll30")[:2] == ["LL301", "LL302"]
    assert model_names_or_codes(after(), "") == []
