"""`module:callable` is found in the scenario's folder, and the process is as before afterwards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import layerlens
from layerlens.errors import ScenarioError, Where
from layerlens.models.build.python_callable import (
    call_python,
    find_python,
    importable,
    scenario_folders,
)

MODULE = """
import os

print("imported")
NUMBER = 3

def add(a, b=1):
    return a + b

def leave():
    os.chdir("/")
    return os.getcwd()

class Nested:
    @staticmethod
    def twice(a):
        return 2 * a
"""


@pytest.fixture
def where(tmp_path: Path) -> Where:
    (tmp_path / "own_callables.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "scenario.yaml").write_text("{}", encoding="utf-8")
    return Where(str(tmp_path / "scenario.yaml"))


@pytest.mark.parametrize(
    ("target", "args", "result"),
    [
        ("own_callables:add", {"a": 2}, 3),
        ("own_callables:add", {"a": 2, "b": 5}, 7),
        ("own_callables:Nested.twice", {"a": 4}, 8),
        ("math:hypot", {}, 0.0),
    ],
)
def test_the_callable_receives_the_arguments(
    where: Where, target: str, args: dict[str, Any], result: Any
) -> None:
    assert call_python(target, args, where) == result


def test_output_goes_to_standard_error(where: Where, capsys: pytest.CaptureFixture[str]) -> None:
    call_python("own_callables:add", {"a": 1}, where)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "imported\n"


def test_the_path_the_modules_and_the_working_folder_are_restored(where: Where) -> None:
    path, folder = list(sys.path), Path.cwd()
    assert call_python("own_callables:leave", {}, where) == "/"
    assert sys.path == path
    assert Path.cwd() == folder
    assert "own_callables" not in sys.modules


def test_find_python_does_not_call(where: Where) -> None:
    assert find_python("own_callables:add", where)(1, 1) == 2


@pytest.mark.parametrize(
    ("target", "args", "message"),
    [
        ("own_callables", {}, 'is not of the form "module:callable"'),
        ("absent_callables:add", {}, "there is no module `absent_callables`"),
        ("own_callables:ad", {}, "has no `ad`; did you mean `add`?"),
        ("own_callables:NUMBER", {}, "is of type int; a callable is needed"),
        ("own_callables:add", {"c": 1}, "`args:` do not fit `own_callables:add(a, b=1)`"),
    ],
)
def test_a_wrong_target_is_an_error_of_the_scenario(
    where: Where, target: str, args: dict[str, Any], message: str
) -> None:
    with pytest.raises(ScenarioError) as raised:
        call_python(target, args, where)
    assert message in str(raised.value)


def test_a_module_that_a_module_lacks_is_named_as_python_names_it(
    where: Where, tmp_path: Path
) -> None:
    (tmp_path / "own_callables.py").write_text("import absent_dependency", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError, match="absent_dependency"):
        call_python("own_callables:add", {}, where)


def test_a_loaded_module_of_the_same_name_returns_afterwards(
    where: Where, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "own_callables.py").write_text("def add(a): return -a", encoding="utf-8")
    monkeypatch.syspath_prepend(str(other))
    monkeypatch.delitem(sys.modules, "own_callables", raising=False)
    loaded = __import__("own_callables")
    try:
        assert call_python("own_callables:add", {"a": 1}, where) == 2
        assert sys.modules["own_callables"] is loaded
    finally:
        sys.modules.pop("own_callables", None)


def test_modules_of_layerlens_stay_loaded_in_its_own_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A working folder that holds the package makes its modules look like the user's."""
    name = "layerlens.versions"
    before = __import__(name, fromlist=["version_of"])
    monkeypatch.setattr(layerlens, "versions", before)
    monkeypatch.delitem(sys.modules, name)
    with importable((str(Path(layerlens.__file__).parents[1]),)):
        loaded = __import__(name, fromlist=["version_of"])
    assert sys.modules.get(name) is loaded


def test_the_folder_of_the_scenario_comes_before_the_current_one(where: Where) -> None:
    assert scenario_folders(where) == (str(Path(where.file).parent), str(Path.cwd()))
    assert scenario_folders(None) == (str(Path.cwd()),)
