"""The command `plot`: what is drawn, from what, and its exit status."""

from __future__ import annotations

import pytest

from layerlens import cli
from tests.unit.tables.paths import REPORTS
from tests.unit.tables.stored_reports import report_of


def test_a_stored_report_is_drawn_without_a_run(fake_run, capsys):
    calls = fake_run(report_of("equal"))
    assert cli.run(["plot", str(REPORTS / "steps.json")]) == 0
    out, err = capsys.readouterr()
    assert (len(calls), err) == (0, "")
    assert "output" in out


@pytest.mark.parametrize("path", ["gru.yaml", "gru.keras"])
def test_the_dependence_of_steps_is_measured(path, fake_run, capsys):
    calls = fake_run(report_of("steps"))
    assert cli.run(["plot", path, "--seed", "3", "--no-cache"]) == 0
    ((paths, options),) = calls
    assert paths == [path]
    assert (options.deps, options.seed, options.timeout) == (True, 3, 300)


def test_a_scenario_with_faults_is_reported(fake_run, capsys):
    fake_run(report_of("matrix"))
    assert cli.run(["plot", "x.yaml", "--no-cache"]) == 2
    assert "scenarios/typo.yaml:4:9: unknown layer `Dens`" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["map.txt", "map"])
def test_a_file_of_no_known_type_is_refused_before_the_run(name, fake_run, capsys, tmp_path):
    calls = fake_run(report_of("steps"))
    assert cli.run(["plot", "x.yaml", "--output", str(tmp_path / name)]) == 2
    assert "the name of a picture has to end in .svg, .png or .html" in (capsys.readouterr().err)
    assert calls == []
