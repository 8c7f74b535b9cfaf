"""Commands that build nothing import nothing heavy, and each lazy door delays its imports."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("keras", "tensorflow", "pandas")

IMPORT = "import sys, layerlens\n"
COMMAND = """\
import sys
from layerlens.cli import run
run({arguments!r})
"""
TELL = f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"

ENGINE = ("tensorflow", "keras", "numpy", "layerlens.comparison")
READING = ("pydantic", "ruamel", "layerlens.scenario.reading.scenarios")
#: File that may import inside functions → modules that importing it must not load.
DOORS: dict[str, tuple[str, ...]] = {
    "layerlens/__init__.py": ("layerlens.versions", *ENGINE, *READING),
    "layerlens/api.py": (*ENGINE, *READING, "pandas", "rich"),
    "layerlens/cli/__init__.py": ("typer", "rich", "traceback", "layerlens.cli.commands"),
    "layerlens/cli/cache.py": (*ENGINE, *READING, "layerlens.run.cache.store"),
    "layerlens/cli/commands.py": (*ENGINE, *READING, "layerlens.run.pipeline", "jinja2"),
    "layerlens/cli/dask.py": ("distributed", "layerlens.run.dask.client"),
    "layerlens/cli/messages.py": ("layerlens.cli.streams", "layerlens.render.wording"),
    "layerlens/cli/overwrite.py": ("ruamel",),
    "layerlens/cli/plot.py": ("jinja2", "matplotlib", "layerlens.render.picture_file"),
    "layerlens/cli/record.py": (*ENGINE, *READING, "layerlens.run.record"),
    "layerlens/cli/terminal.py": ("rich.progress", "layerlens.render.progress"),
    "layerlens/cli/watch.py": ("watchfiles", "layerlens.run.watch"),
    "layerlens/models/backend/global_settings.py": ENGINE,
    "layerlens/models/backend/start.py": ENGINE,
    "layerlens/models/backend/free_memory.py": ("tensorflow", "keras"),
    "layerlens/render/formats/html.py": ("matplotlib",),
    "layerlens/render/picture_file.py": ("matplotlib",),
    "layerlens/run/dask/client.py": ("distributed", "tensorflow", "keras"),
    "layerlens/run/pipeline.py": (*ENGINE, *READING),
    "layerlens/run/record.py": (*ENGINE, "h5py", "layerlens.models.external.recording_file"),
    "layerlens/run/report.py": ("pandas", "rich", "jinja2", *ENGINE),
    "layerlens/run/scenario.py": (*ENGINE, "h5py", "layerlens.models.external.refusals"),
    "layerlens/run/watch.py": ("watchfiles", *ENGINE, *READING),
    "layerlens/run/workers/child.py": ENGINE,
    "layerlens/scenario/from_python.py": READING,
    "layerlens/testing/assertion_text.py": ("rich", *ENGINE),
    "layerlens/testing/assertions.py": ENGINE,
    "layerlens/testing/collect.py": (*ENGINE, "rich"),
    "layerlens/testing/plugin.py": (*ENGINE, *READING, "layerlens.testing.collect"),
}
#: Imports a module, and prints which of some modules this loads.
LOAD = """\
import importlib, sys
importlib.import_module({0!r})
print([name for name in {1} if name in sys.modules])
"""


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


def test_the_check_notices_a_heavy_import(loaded):
    assert loaded("import sys, pandas\n") == "['pandas']"


# --- the lazy doors -------------------------------------------------------------------------------


def imports_inside(tree: ast.AST, *, inside: bool = False) -> bool:
    """Return whether any function of the code imports."""
    for node in ast.iter_child_nodes(tree):
        if inside and isinstance(node, (ast.Import, ast.ImportFrom)):
            return True
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if imports_inside(node, inside=inside or function):
            return True
    return False


def test_only_the_doors_import_inside_functions():
    doors = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "layerlens").rglob("*.py")
        if imports_inside(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert doors == set(DOORS)


def test_the_linter_has_the_same_doors():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    excused = settings["tool"]["ruff"]["lint"]["per-file-ignores"]
    patterns = {name for name, rules in excused.items() if "PLC0415" in rules}
    patterns -= {"tests/*", "benchmarks/*"}
    assert all(any(Path(door).match(pattern) for pattern in patterns) for door in DOORS)
    assert all(any(Path(door).match(pattern) for door in DOORS) for pattern in patterns)


@pytest.mark.parametrize("door", DOORS)
def test_importing_a_door_does_not_load_what_it_delays(process, door):
    module = door.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    outcome = process([sys.executable, "-c", LOAD.format(module, DOORS[door])])
    assert outcome.stdout == "[]\n", outcome.stderr


def test_the_check_notices_a_door_that_loads_at_once(process):
    code = LOAD.format("layerlens.comparison.examination", ENGINE)
    assert process([sys.executable, "-c", code]).stdout == f"{list(ENGINE)}\n"
