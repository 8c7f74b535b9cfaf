"""Modules of the working tree come from the copy, whatever names the working tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Imports the module of the first argument; the others are the working tree and the copy.
_PROGRAM = """\
import importlib, sys
{before}
from layerlens.models.build.redirected_imports import RedirectedImports
name, tree, copy = sys.argv[1:]
RedirectedImports(__import__("pathlib").Path(tree), __import__("pathlib").Path(copy)).install()
{after}
try:
    found = importlib.import_module(name)
    print(found.WHERE)
except ModuleNotFoundError as error:
    print(f"missing {{error.name}}")
"""

#: What setuptools installs for an editable package: a finder with the places of modules.
_FINDER = """\
from importlib.util import spec_from_file_location
from pathlib import Path
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        top, _, rest = name.partition(".")
        places = {places!r}
        if top not in places:
            return None
        place = Path(places[top], *rest.split(".")) if rest else Path(places[top])
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.exists():
                return spec_from_file_location(name, file)
sys.meta_path.append(Finder)
"""


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """Return a working tree and a copy, each with modules that say where they are."""
    both = tmp_path / "tree", tmp_path / "copy"
    for folder in both:
        write(folder / "nets.py", f"from src.pkg import deep\nWHERE = {folder.name!r}")
        write(folder / "src" / "pkg" / "__init__.py", f"WHERE = {folder.name!r}")
        write(folder / "src" / "pkg" / "deep.py", f"WHERE = {folder.name!r}")
        write(folder / "spread" / "part.py", f"WHERE = {folder.name!r}")
    write(both[0] / "src" / "newer.py", "WHERE = 'tree'")
    write(both[0] / "src" / "pkg" / "newer.py", "WHERE = 'tree'")
    return both


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def imported(name: str, trees: tuple[Path, Path], before: str = "", after: str = "") -> str:
    program = _PROGRAM.format(before=before, after=after)
    done = subprocess.run(
        [sys.executable, "-c", program, name, *map(str, trees)],
        capture_output=True,
        text=True,
        cwd=trees[0].parent,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def on_path(*folders: Path) -> str:
    return f"sys.path[:0] = {[str(folder) for folder in folders]!r}"


@pytest.mark.parametrize("name", ["pkg", "pkg.deep", "nets", "spread.part"])
def test_a_path_into_the_working_tree(name: str, trees: tuple[Path, Path]) -> None:
    """As `PYTHONPATH`, or the file of an editable install with a path, puts it there."""
    before = on_path(trees[0], trees[0] / "src")
    assert imported(name, trees, before=before) == "copy"
    assert imported(name, trees, after=before) == "copy"  # as the user's own code does


def test_a_module_that_was_imported_before(trees: tuple[Path, Path]) -> None:
    before = f"{on_path(trees[0] / 'src')}\nimport pkg.deep"
    assert imported("pkg.deep", trees, before=before) == "copy"


@pytest.mark.parametrize(("name", "place"), [("pkg", "pkg"), ("pkg.deep", "pkg"), ("other", "pkg")])
def test_an_editable_install_with_a_finder(name: str, place: str, trees: tuple[Path, Path]) -> None:
    finder = _FINDER.format(places={name.partition(".")[0]: str(trees[0] / "src" / place)})
    assert imported(name, trees, before=finder) == "copy"
    assert imported(name, trees, after=finder) == "copy"


def test_a_module_that_the_copy_does_not_have_is_missing(trees: tuple[Path, Path]) -> None:
    paths = on_path(trees[0], trees[0] / "src")
    assert imported("newer", trees, before=paths) == "missing newer"
    assert imported("pkg.newer", trees, after=paths) == "missing pkg.newer"
    finder = _FINDER.format(places={"newer": str(trees[0] / "src" / "newer")})
    assert imported("newer", trees, before=finder) == "missing newer"


def test_an_environment_inside_the_working_tree(trees: tuple[Path, Path]) -> None:
    installed = trees[0] / ".venv" / "lib" / "site-packages"
    write(installed / "third.py", "WHERE = 'installed'")
    before = (
        f"{on_path(installed)}\nimport site\nsite.getsitepackages = lambda: [{str(installed)!r}]"
    )
    assert imported("third", trees, before=before) == "installed"
    assert imported("json", trees, after="importlib.import_module('json').WHERE = 'json'") == "json"
