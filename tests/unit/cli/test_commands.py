"""The commands: exit statuses, options passed to the run, and what is written where."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from layerlens import cli
from tests.unit.tables.paths import REPORTS
from tests.unit.tables.stored_reports import report_of


@pytest.mark.parametrize(
    ("name", "status"), [("equal", 0), ("different", 1), ("matrix", 2), ("weak", 0)]
)
def test_the_exit_status_follows_from_the_report(name, status, fake_run, capsys):
    fake_run(report_of(name))
    assert cli.run(["compare", "x.yaml"]) == status
    assert "EQUIVALENT" in capsys.readouterr().out or name == "different"


def test_options_are_passed_to_the_run(fake_run, capsys):
    given = fake_run(report_of("equal"))
    arguments = ["--seed", "7", "--expect", "different", "--jobs", "2", "--allow-code"]
    assert cli.run(["compare", "a.yaml", "b", *arguments, "--no-cache"]) == 0
    ((paths, options),) = given  # and no cache
    assert list(paths) == ["a.yaml", "b"]
    assert (options.seed, options.expect, options.jobs, options.allow_code) == (
        7,
        "different",
        2,
        True,
    )


def test_explain_measures_dependence_tries_repairs_and_prints_only_sentences(fake_run, capsys):
    given = fake_run(report_of("masks"))
    assert cli.run(["explain", "a.yaml", "--no-cache"]) == 0
    ((_, options),) = given
    assert (options.deps, options.explain, options.graph) == (True, True, False)
    page = capsys.readouterr().out
    assert "they first differ at `left`, with the same inputs" in " ".join(page.split())
    assert "counterexample" not in page


def test_measurements_are_made_only_on_request(fake_run, capsys):
    given = fake_run(report_of("equal"))
    for command in ("compare", "summary"):
        cli.run([command, "x", "--no-cache"])
        cli.run([command, "x", "--no-cache", "--graph", "--features"])
    choices = [(o.deps, o.features, o.graph, o.explain) for _, o in given]
    assert choices == [(False, False, False, False), (True, True, True, False)] * 2


def test_limits_are_passed_to_the_run(fake_run, capsys):
    given = fake_run(report_of("equal"))
    cli.run(["compare", "x", "--no-cache"])
    cli.run(["compare", "x", "--no-cache", "--timeout", "0.5", "--max-memory", "1.5GiB"])
    first, second = (options for _, options in given)
    assert (first.timeout, first.max_memory, first.memory_limit) == (300, None, None)
    assert (second.timeout, second.max_memory) == (0.5, 3 * 2**29)
    assert second.memory_limit == second.max_memory


def test_faults_of_a_scenario_are_written_to_standard_error(fake_run, capsys):
    fake_run(report_of("matrix"))
    assert cli.run(["compare", "x", "--format", "json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == "error"
    assert err == (
        "scenarios/typo.yaml:4:9: unknown layer `Dens`\n  hint: did you mean `Dense`?\n"
        "scenarios/typo.yaml:9:1: `expect` needs a mapping, received a list\n"
    )


def test_a_report_that_passes_leaves_standard_error_empty(fake_run, capsys):
    fake_run(report_of("equal"))
    cli.run(["compare", "x", "--quiet"])
    assert capsys.readouterr() == ("1 scenario: 1 pass\n", "")


def test_without_a_command_the_commands_are_listed(capsys):
    assert cli.run([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for command in ("compare", "summary", "explain", "init", "schema", "layers", "render"):
        assert command in err


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize(
    "command", ["", "compare", "summary", "explain", "init", "schema", "layers"]
)
def test_every_command_has_help(flag, command, capsys):
    assert cli.run([*command.split(), flag]) == 0
    assert "Usage: layerlens" in capsys.readouterr().out


def test_output_replaces_a_file_and_keeps_its_permissions_and_links(fake_run, capsys, tmp_path):
    fake_run(report_of("different"))
    path = tmp_path / "report.json"
    path.write_text("before")
    path.chmod(0o640)
    (tmp_path / "link.json").symlink_to(path)
    arguments = ["compare", "x", "--format", "json", "--output", str(tmp_path / "link.json")]
    assert cli.run(arguments) == 1
    assert capsys.readouterr() == ("", "")
    assert json.loads(path.read_text())["status"] == "fail"
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.json", "report.json"]


def test_output_to_a_device_writes_into_the_device(fake_run, capsys):
    fake_run(report_of("equal"))
    assert cli.run(["compare", "x", "--output", os.devnull]) == 0
    assert not Path(os.devnull).is_file()


def test_render_writes_a_stored_report_in_another_format(capsys):
    assert cli.run(["render", str(REPORTS / "different.json"), "--format", "csv"]) == 0
    assert "different" in capsys.readouterr().out


def test_layers_lists_the_layers_or_describes_one(capsys):
    assert cli.run(["layers"]) == 0
    assert {"Dense", "GRU", "TimeDistributed"} <= set(capsys.readouterr().out.split())
    assert cli.run(["layers", "GRU"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("GRU(units, activation='tanh', ")
    assert "reset_after  (default True)" in out
    assert "units  (required)" in out


def test_init_does_not_overwrite_a_file(capsys, tmp_path):
    pytest.importorskip("layerlens.scenario.starter")
    path = tmp_path / "new.yaml"
    assert cli.run(["init", str(path)]) == 0
    written = path.read_text()
    assert cli.run(["init", str(path)]) == 2
    assert "new.yaml" in capsys.readouterr().err
    assert path.read_text() == written
