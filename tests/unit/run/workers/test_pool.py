"""Work in several processes: a lost process loses its own scenario only, and says why."""

from __future__ import annotations

import time

import pytest

from layerlens.report.run import ScenarioReport
from layerlens.run.workers.pool import WorkerPool
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import Scenario
from tests.unit.tables import losses


def scenarios(*titles: str) -> list[Scenario]:
    return [Scenario(f"{title}.yaml", title, (), "one") for title in titles]


def run(*titles: str, serve=losses.serve, **limits) -> list[ScenarioReport]:
    given = scenarios(*titles)
    workers = WorkerPool("compare", RunOptions(jobs=2, **limits), serve)
    begun: list[int] = []
    try:
        found = dict(workers.run(given, range(len(given)), begun.append))
        assert len(workers._workers) <= 2
    finally:
        workers.close()
    assert workers._workers == []
    assert sorted(found) == list(range(len(given)))
    return [found[position] for position in range(len(given))]


def test_work_is_shared_out():
    reports = run(*["slow"] * 6)
    assert [one.status for one in reports] == ["pass"] * 6
    assert len({one.cell["process"] for one in reports}) == 2


def test_each_loss_costs_its_own_scenario():
    titles = ["good 1", "killed", "good 2", "ended", "hanging", "growing", "good 3", "good 4"]
    reports = run(*titles, timeout=2.0, max_memory=300 * 10**6)
    told = {one.title: one.errors for one in reports if one.status == "error"}
    assert list(told) == ["killed", "ended", "hanging", "growing"]
    assert [one.status for one in reports if one.title.startswith("good")] == ["pass"] * 4
    messages = {title: error.message for title, (error,) in told.items()}
    assert messages["killed"] == "the process that ran this scenario died (SIGKILL)"
    assert messages["ended"] == "the process that ran this scenario died (exit status 3)"
    assert messages["hanging"] == "stopped after 2 s, before it finished"
    assert messages["growing"].startswith("stopped at 3")
    assert messages["growing"].endswith("of memory; the limit is 300.0 MB")
    for title, (error,) in told.items():
        assert error.hint
        assert error.file == f"{title}.yaml"
        assert not error.internal


def test_what_a_stopped_scenario_told_is_reported():
    (report, good) = run("telling", "good", timeout=1.0)
    assert good.status == "pass"
    assert [model.params for model in report.models] == [15]
    assert [(pair.verdict, pair.explanation) for pair in report.pairs] == [
        ("inconclusive", "Stopped after 1 s, while running both on probes."),
        ("inconclusive", "Stopped after 1 s, before these two were compared."),
    ]
    (error,) = report.errors
    assert error.message == "stopped after 1 s, before it finished"
    assert error.hint == (
        "it was stopped while running both on probes; allow more time with `--timeout SECONDS`"
    )


def test_a_scenario_that_tells_without_end_is_stopped_all_the_same():
    (report, good) = run("chattering", "good", timeout=1.0)
    assert (report.status, good.status) == ("error", "pass")


def test_processes_that_never_start_do_not_keep_it_waiting():
    started = time.monotonic()
    reports = run("good 1", "good 2", "good 3", serve=losses.serve_nobody)
    assert {one.status for one in reports} == {"error"}
    message = "no process to run this scenario could be started: 5 in a row failed"
    assert {one.errors[0].message for one in reports} == {f"{message} (the last: exit status 7)"}
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("killed", [1, 4])
def test_processes_killed_while_they_import_cost_no_scenario(killed, tmp_path, monkeypatch):
    monkeypatch.setenv("KILLED_FOLDER", str(tmp_path))
    monkeypatch.setenv("KILLED_FIRST", str(killed))
    titles = ["good 1", "good 2", "ended", "good 3", "good 4"]
    reports = run(*titles, serve=losses.serve_once_others_were_killed)
    assert [one.title for one in reports if one.status == "error"] == ["ended"]


def test_processes_that_are_always_killed_are_not_started_for_ever():
    for serve in (losses.serve_and_die_idle, losses.serve_killed):
        reports = run("good 1", "good 2", "good 3", serve=serve)
        assert {one.status for one in reports} == {"error"}
        assert any("SIGKILL" in one.errors[0].message for one in reports)


def test_a_process_that_has_grown_makes_room_for_a_new_one(monkeypatch):
    monkeypatch.setattr("layerlens.run.workers.pool._GROWTH_BYTES", -(10**12))
    reports = run("good 1", "good 2", "good 3", "good 4")
    assert len({one.cell["process"] for one in reports}) == 4
