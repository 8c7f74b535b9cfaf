"""A Python file is imported by its path, whatever it is called and wherever it lies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from layerlens.errors import ScenarioError
from layerlens.models.build.python_callable import call_python
from layerlens.models.build.python_file import PythonFile


def called(path: Path, name: str = "f", **arguments: Any) -> Any:
    return call_python(f"{path}:{name}", arguments, None)


def test_a_file_sees_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("ONE = 1")
    (tmp_path / "a_file.py").write_text("import beside_it\ndef f(x=1): return beside_it.ONE + x")
    before = set(sys.modules)
    assert called(tmp_path / "a_file.py", x=2) == 3
    assert not {"a_file", "beside_it"} & set(sys.modules)
    assert set(sys.modules) == before


def test_a_file_in_a_package_may_import_relatively(tmp_path: Path) -> None:
    inner = tmp_path / "outer_pkg" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").touch()
    (inner.parent / "numbers_of_it.py").write_text("ONE = 1")
    (inner / "a_file.py").write_text("from ..numbers_of_it import ONE\ndef f(): return ONE")
    assert PythonFile.at(str(inner / "a_file.py")).name == "outer_pkg.inner.a_file"
    assert called(inner / "a_file.py") == 1
    assert "outer_pkg" not in sys.modules


@pytest.mark.parametrize("name", ["json.py", "my-model.py", "v1.2.py", "pytest.py"])
def test_any_name_will_do_and_hides_no_other_module(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("import json\ndef f(): return json.dumps([1])")
    before = {one: sys.modules[one] for one in ("json", "pytest")}
    assert called(tmp_path / name) == "[1]"
    assert before == {one: sys.modules[one] for one in before}


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for number, folder in enumerate(("old", "new")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a_file.py").write_text(f"def f(): return {number}")
    found = [called(tmp_path / folder / "a_file.py") for folder in ("old", "new", "old")]
    assert found == [0, 1, 0]


def test_a_callable_outside_a_scenario_takes_no_arguments(tmp_path: Path) -> None:
    (tmp_path / "a_file.py").write_text("def f(units): ...")
    with pytest.raises(ScenarioError) as caught:
        called(tmp_path / "a_file.py")
    assert "a_file.py:f(units)` cannot be called without arguments: missing" in str(caught.value)
    assert caught.value.hint == "name a function that calls it with its arguments"


def test_a_missing_callable_is_corrected(tmp_path: Path) -> None:
    (tmp_path / "a_file.py").write_text("def build(): ...")
    with pytest.raises(ScenarioError, match=r"a_file\.py has no `biuld`; did you mean `build`\?"):
        called(tmp_path / "a_file.py", "biuld")
