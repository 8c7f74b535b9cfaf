"""Reports of scenarios that could not be run."""

from __future__ import annotations

import time

import pytest

from layerlens.errors import Fault, ScenarioError, UsageError, Where
from layerlens.fault_codes import Code
from layerlens.plain.json import parse_json
from layerlens.run.faults import failure_report, fault_report
from layerlens.scenario.spec import Scenario

SCENARIO = Scenario("a.yaml", "A", (), "one", cell={"units": 2})


def test_every_fault_has_a_row_with_its_place() -> None:
    error = ScenarioError(
        (Fault(Code.USAGE, "one", Where("b.yaml", 2, 3), "mend it"), Fault(Code.USAGE, "two"))
    )
    report = fault_report("a.yaml", "A", error, {"units": 2}, time.perf_counter() - 5)
    assert (report.status, report.cell) == ("error", {"units": 2})
    assert report.seconds >= 5
    first, second = report.errors
    assert (first.file, first.line, first.column, first.hint) == ("b.yaml", 2, 3, "mend it")
    assert (second.file, second.line) == ("a.yaml", None)
    assert not first.internal


def failed(call: object) -> Exception:
    try:
        parse_json("[1]", whole=call)  # type: ignore[arg-type]
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_failure_of_the_users_code_names_its_function() -> None:
    def build(text: str) -> int:
        raise RuntimeError("no  such\nfile")

    (row,) = failure_report(SCENARIO, failed(build), time.perf_counter()).errors
    assert row.message.startswith("the code of a model fails: `build` (test_faults.py:")
    assert row.message.endswith("raises RuntimeError: no such file")
    assert not row.internal


def test_any_other_failure_is_internal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAYERLENS_DEBUG", raising=False)
    (row,) = failure_report(SCENARIO, failed(3), time.perf_counter()).errors
    assert row.message.startswith("layerlens itself failed here: TypeError at ")
    assert row.internal


def test_exhausted_memory_is_a_fault_and_not_internal() -> None:
    (row,) = failure_report(SCENARIO, MemoryError(), time.perf_counter()).errors
    assert not row.internal


def test_a_usage_error_has_one_row() -> None:
    report = fault_report("a.yaml", None, UsageError("wrong"), None, time.perf_counter())
    assert [row.message for row in report.errors] == ["wrong"]
    assert report.cell is None
