"""The hooks of the plugin."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from layerlens.testing import plugin
from layerlens.testing.failures import Crash, FailureText
from layerlens.testing.settings import Settings
from tests.unit.testing.configs import Config

TEXT = FailureText("plain", "\x1b[31mcoloured", Crash("gru.yaml", 3, "expected 1, received 2"))


def result_of(wrapper: Generator[None, Any, Any], inner: Any) -> Any:
    """Return the result of a hook wrapper around a hook with the result `inner`."""
    next(wrapper)
    with pytest.raises(StopIteration) as end:
        wrapper.send(inner)
    return end.value.value


def test_files_that_are_not_scenarios_are_left_to_others(tmp_path: Path) -> None:
    settings = Settings((tmp_path,), (), 0, allow_code=False, tolerance=None, update=False)
    parent: Any = SimpleNamespace(config=Config(tmp_path, settings=settings))
    other = tmp_path / "compose.yaml"
    other.write_text("services: {}\n")
    assert plugin.pytest_collect_file(other, parent) is None
    assert plugin.pytest_collect_file(tmp_path.parent / "gru.yaml", parent) is None


def test_a_failure_text_takes_the_place_of_the_traceback() -> None:
    report = SimpleNamespace(longrepr="traceback")
    failed: Any = SimpleNamespace(excinfo=SimpleNamespace(value=SimpleNamespace(failure_text=TEXT)))
    other: Any = SimpleNamespace(excinfo=SimpleNamespace(value=ValueError("x")))
    passed: Any = SimpleNamespace(excinfo=None)
    item: Any = SimpleNamespace(nodeid="test_a.py::test_a", config=Config())
    make = plugin.pytest_runtest_makereport
    for call in (other, passed):
        assert result_of(make(item, call), report).longrepr == "traceback"
    assert result_of(make(item, failed), report).longrepr is TEXT


def test_the_summary_of_an_assertion_fits_into_its_line() -> None:
    error = AssertionError("long")
    error.layerlens_summaries = ("x" * 70, "new: epsilon")  # type: ignore[attr-defined]
    call: Any = SimpleNamespace(excinfo=SimpleNamespace(value=error))
    crash = SimpleNamespace(message="AssertionError: long")
    report = SimpleNamespace(longrepr=SimpleNamespace(reprcrash=crash))
    item: Any = SimpleNamespace(nodeid="test_a.py::test_a", config=Config())
    result_of(plugin.pytest_runtest_makereport(item, call), report)
    assert crash.message == "new: epsilon"


def test_a_failure_text_survives_the_way_from_a_worker() -> None:
    sent = SimpleNamespace(longrepr=TEXT)
    data = result_of(plugin.pytest_report_to_serializable(sent), {"longrepr": "plain"})
    received = result_of(
        plugin.pytest_report_from_serializable(data), SimpleNamespace(longrepr="plain")
    )
    assert received.longrepr == TEXT
    assert data == {"longrepr": "plain"}


def test_other_reports_are_sent_unchanged() -> None:
    data = {"longrepr": None}
    report = SimpleNamespace(longrepr="traceback")
    assert result_of(plugin.pytest_report_to_serializable(report), data) == {"longrepr": None}
    received = SimpleNamespace(longrepr="traceback")
    assert result_of(plugin.pytest_report_from_serializable(data), received) is received
    assert received.longrepr == "traceback"
