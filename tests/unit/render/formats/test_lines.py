"""The format `lines`: one line for each pair."""

from __future__ import annotations

from dataclasses import replace

from layerlens.render import RenderOptions, render
from layerlens.report.run import ErrorRow
from tests.unit.tables.stored_reports import report_of, scenario_of


def lines(name: str, *, quiet: bool = False) -> list[str]:
    return render(report_of(name), "lines", RenderOptions(quiet=quiet)).splitlines()


def test_a_pair_has_one_line() -> None:
    assert lines("equal") == [
        "scenarios/dense_vs_td.yaml::td==dense[inference] equivalent (certified)"
    ]
    assert lines("equal", quiet=True) == []


def test_what_failed_is_marked_with_what_was_expected() -> None:
    path = scenario_of("different").path
    failed = f"{path}::relu==elu[inference] different FAILED, expected equivalent"
    assert failed in lines("different")
    assert failed in lines("different", quiet=True)
    assert all("FAILED" in line for line in lines("different", quiet=True))


def test_faults_are_shown_where_they_are() -> None:
    error = ErrorRow("two\nlines", "a.yaml", 3, 1, None)
    report = report_of("equal")
    scenario = replace(report.scenarios[0], status="error", errors=(error,), pairs=(), models=())
    report = replace(report, status="error", scenarios=(scenario,))
    assert render(report, "lines") == "a.yaml:3:1: ERROR two lines\n"


def test_a_summary_has_one_line_for_each_model() -> None:
    assert all(" param" in line for line in lines("summary"))
    assert len(lines("summary")) == len(scenario_of("summary").models)
