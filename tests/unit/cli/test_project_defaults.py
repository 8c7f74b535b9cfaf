"""Defaults from pyproject.toml: which file, which options, and the faults with their lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layerlens import cli
from layerlens.cli.command_options import option_rules, project_default_map
from layerlens.cli.project_defaults import project_defaults
from layerlens.errors import ScenarioError
from tests.unit.tables.stored_reports import report_of

Project = Callable[[str], Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a function that writes a pyproject.toml and enters a folder below it."""

    def write(text: str) -> Path:
        (tmp_path / "pyproject.toml").write_text(text)
        (tmp_path / "sub").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "sub")
        return tmp_path

    return write


def faults() -> list[str]:
    with pytest.raises(ScenarioError) as failed:
        project_defaults(option_rules())
    return [str(fault) for fault in failed.value.faults]


def test_values_are_those_of_the_command_line(project: Project) -> None:
    project('[tool.layerlens]\nseed = 3\nstrict = true\ntimeout = 1.5\nmax-memory = "1K"\n')
    expected = {"seed": "3", "strict": True, "timeout": "1.5", "max-memory": "1000"}
    assert project_defaults(option_rules()) == expected


@pytest.mark.parametrize(
    "text", ["", "[tool.other]\nseed = 1\n", '[project]\nname = "layerlens"\n']
)
def test_a_file_without_the_table_sets_nothing(text: str, project: Project) -> None:
    project(text)
    assert project_defaults(option_rules()) == {}


def test_only_the_nearest_file_counts(project: Project) -> None:
    folder = project("[tool.layerlens]\nseed = 3\n")
    (folder / "sub" / "pyproject.toml").write_text('[project]\nname = "nearer"\n')
    assert project_defaults(option_rules()) == {}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('seed = "many"', "`seed` takes an integer; received the text"),
        ("seed = -1", "`seed`: '-1' is not an integer of at least 0"),
        ("strict = 1", "`strict` takes true or false; received the number 1"),
        ("depth = -1", "`depth` is at least 0; received -1"),
        ('jobs = "all"', "`jobs`: 'all' is not an integer of at least 1"),
        ("jobs = true", "`jobs` takes an integer, or 'auto'; received true"),
        ('format = "jsn"', "did you mean 'json'?"),
        ("format = [1]", "`format` takes text; received a list of 1"),
        (
            "strct = true",
            "unknown option `strct` in [tool.layerlens]\n  hint: did you mean `strict`?",
        ),
        ("max_memory = 3", "did you mean `max-memory`?"),
        ("allow-code = true", "`allow-code` is not allowed here"),
        ("allow-code = false", "`allow-code` is not allowed here"),
        ('scheduler = "tcp://elsewhere"', "`scheduler` is not allowed here"),
        ('cache-dir = "cache"', "`cache-dir` is not allowed here"),
        ('output = "../report.json"', "a report in the project's own folder"),
        ('output = "/etc/report.json"', "a report in the project's own folder"),
        ('output = "setup.py"', "a report in the project's own folder"),
    ],
)
def test_a_fault_has_its_line(line: str, fault: str, project: Project) -> None:
    folder = project(f"[project]\nname = 'x'\n\n[tool.layerlens]\neffort = 'quick'\n{line}\n")
    (found,) = faults()
    assert found.startswith(f"{folder / 'pyproject.toml'}:6: ")
    assert fault in found


def test_all_faults_are_reported_at_once(project: Project) -> None:
    project("[tool.layerlens]\nseed = true\nx = 1\n")
    assert len(faults()) == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[tool.layerlens", ":1: LL513 not valid TOML: Expected ']'"),
        ("[tool.layerlens]\nseed = = 3", ":2:8: LL513 not valid TOML: Invalid value"),
        ("tool = {layerlens = 3}", ":1: LL513 [tool.layerlens] is a table of options"),
        ("tool = {layerlens = {sead = 3}}", ":1: LL513 unknown option `sead`"),
        ("tool.layerlens.sead = 3", ":1: LL513 unknown option `sead`"),
    ],
)
def test_other_spellings_of_the_table(text: str, fault: str, project: Project) -> None:
    project(text)
    assert fault in faults()[0]


def test_a_report_is_written_beside_the_file(project: Project, fake_run: Any) -> None:
    fake_run(report_of("equal"))
    folder = project('[tool.layerlens]\noutput = "reports.json"\n')
    assert cli.run(["compare", "x"]) == 0
    assert (folder / "reports.json").exists()


def test_the_command_line_wins(project: Project, fake_run: Any, capsys: Any) -> None:
    calls = fake_run(report_of("equal"))
    project('[tool.layerlens]\nseed = 3\nstrict = true\nquiet = true\nformat = "lines"\n')
    assert cli.run(["compare", "x"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.run(["compare", "x", "--seed", "4", "--no-strict", "--no-quiet"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert [(options.seed, options.strict) for _, options, *_ in calls] == [(3, True), (4, False)]
    assert cli.run(["compare", "x", "-o", "report.json"]) == 0
    assert Path("report.json").read_text().startswith("{")


@pytest.mark.parametrize(
    "given", [["-o", "x.md"], ["-ox.md"], ["--output=x.md"], ["--output", "x.md"]]
)
def test_the_suffix_of_an_output_decides_over_the_projects_format(
    given: list[str], project: Project
) -> None:
    project('[tool.layerlens]\nformat = "json"\n')
    assert project_default_map(["compare", "x", *given], "compare") == {}
    assert project_default_map(["compare", "x", "-o", "x"], "compare") == {"format": "json"}
    assert project_default_map(["compare", "x"], "watch") == {}


def test_commands_that_take_no_options_read_nothing(project: Project, capsys: Any) -> None:
    project("[tool.layerlens")
    assert cli.run(["layers", "Dense"]) == 0
    assert cli.run(["compare", "--help"]) == 0
    assert cli.run(["compare", "x"]) == 2
    assert "not valid TOML" in capsys.readouterr().err
