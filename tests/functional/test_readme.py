"""The README's blocks: commands print the output shown, and YAML and Python work.

LAYERLENS_README=update writes what the commands print into the pages.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str, pages: list[Path] = PAGES) -> list[str]:
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [block for page in pages for block in fence.findall(page.read_text())]


def shown() -> list[tuple[Path, str, str]]:
    """Return each command of a console block with its page and the output shown."""
    found = []
    for page in PAGES:
        for block in blocks("console", [page]):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                found.append((page, command, output))
    return found


def compare_or_update(page: Path, output: str, printed: str) -> None:
    """Compare the output shown on a page with what was printed, or replace it if that is asked."""
    if without_variable_parts(output) == without_variable_parts(printed):
        return
    if os.environ.get("LAYERLENS_README") == "update":
        text = page.read_text()
        assert text.count(output) == 1, f"{page.name} shows this output more than once"
        page.write_text(text.replace(output, printed))
        return
    assert without_variable_parts(output) == without_variable_parts(printed)


def without_variable_parts(text: str) -> str:
    """Remove what changes from run to run: times, versions and counts of probes.

    The differences of equal models change too, since processors add in different orders.
    """
    text = re.sub(
        r"^  \S+ and \S+ compute the same.*?(?=^  certificate)", "", text, flags=re.M | re.S
    )
    text = re.sub(r"^  probes .*?^$", "", text, flags=re.M | re.S)
    text = re.sub(r"\d+(\.\d+)? ?s\b(, cached)?", "0 s", text)
    text = re.sub(r"^layerlens \d.*$", "versions", text, flags=re.MULTILINE)
    text = re.sub(r"[\d,]+(?= (outputs|values|run)\b)", "many", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.fixture
def workplace(tmp_path):
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    return tmp_path


@pytest.mark.parametrize(("page", "line", "output"), shown(), ids=[line for _, line, _ in shown()])
def test_commands_print_the_output_shown(page, line, output, run, workplace):
    line, _, comment = line.partition("#")
    program, *arguments = shlex.split(line)
    assert program == "layerlens"
    outcome = run(*arguments, cwd=workplace, env={"COLUMNS": "80"})
    expected = int(comment.split()[-1]) if "exit status" in comment else 0
    assert outcome.status == expected, outcome.stderr
    if output.strip():
        compare_or_update(page, output, outcome.stdout + outcome.stderr)


def test_the_excerpt_is_from_a_real_report(run):
    page = ROOT / "README.md"
    (excerpt,) = blocks("text", [page])
    outcome = run("compare", "scenarios/relu6.yaml", env={"COLUMNS": "80"})
    (printed,) = re.findall(r"^✔ relu against.*?^(?=\n)", outcome.stdout, re.MULTILINE | re.DOTALL)
    compare_or_update(page, excerpt, printed)


def test_outputs_are_updated_on_demand_and_only_then(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ layerlens layers\nold · 1.0 s\n```\n")
    monkeypatch.delenv("LAYERLENS_README", raising=False)
    with pytest.raises(AssertionError):
        compare_or_update(page, "old · 1.0 s\n", "new · 1.0 s\n")
    monkeypatch.setenv("LAYERLENS_README", "update")
    compare_or_update(page, "old · 1.0 s\n", "old · 2.0 s\n")
    assert "old · 1.0 s" in page.read_text(), "only the time differs"
    compare_or_update(page, "old · 1.0 s\n", "new · 2.0 s\n")
    assert page.read_text() == "```console\n$ layerlens layers\nnew · 2.0 s\n```\n"


def test_whole_scenarios_hold(run, tmp_path):
    whole = [block for block in blocks("yaml") if re.search(r"^input.*^models", block, re.M | re.S)]
    assert whole
    for number, block in enumerate(whole):
        (tmp_path / f"{number}.yaml").write_text(block)
    outcome = run("compare", tmp_path, "--format", "json")
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    assert any(row["expectations"] for row in outcome.json()["scenarios"])


def test_python_blocks_run(process, workplace):
    code = "\n".join(blocks("python"))
    assert "layerlens" in code
    outcome = process([sys.executable, "-c", code], cwd=workplace)
    assert outcome.status == 0, outcome.stderr


def test_python_tests_pass(process, workplace):
    tests = [block for block in blocks("python") if "def test_" in block]
    assert tests
    (workplace / "test_shown.py").write_text("\n".join(tests))
    outcome = process([sys.executable, "-m", "pytest", "-q", "test_shown.py"], cwd=workplace)
    assert outcome.status == 0, outcome.stdout


def test_the_set_up_commands_name_what_exists():
    lines = "\n".join(blocks("sh")).splitlines()
    targets = [line.split()[1] for line in lines if line.startswith("make ")]
    assert {"demo", "test"} <= set(targets)
    for target in targets:
        told = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True)
        assert told.returncode == 0, target
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in lines:
        if "pip install" in line and "[" in line:
            extra = line[line.index("[") + 1 : line.index("]")]
            assert extra in project["optional-dependencies"]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"], ids=str)
def test_links_have_a_target(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_room_is_on_the_map():
    told = (ROOT / "ARCHITECTURE.md").read_text()
    package = ROOT / "layerlens"
    files = {path.name for path in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    rooms = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    missing = {room for room in files | rooms if f"`{room}" not in told}
    assert not missing, "ARCHITECTURE.md has a table of rooms; these are not in it"


def test_every_key_of_the_format_is_documented(run):
    documented = (ROOT / "docs" / "scenario.md").read_text()

    def keys(schema) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(keys, schema))
        if not isinstance(schema, dict):
            return set()
        return set(schema.get("properties", {})).union(*map(keys, schema.values()))

    ours = {key for key in keys(json.loads(run("schema").stdout)) if key.islower()}
    assert {"models", "select", "tolerance"} <= ours
    assert not {key for key in ours if not re.search(rf"\b{key}\b", documented)}
