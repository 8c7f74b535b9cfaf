"""Reports of scenarios whose process was stopped or died."""

from __future__ import annotations

import signal

import pytest

from layerlens.run.known import Known
from layerlens.run.workers.losses import cause, died, not_started, out_of_memory, timed_out
from layerlens.scenario.spec import Scenario

SCENARIO = Scenario("a.yaml", "A", (), "one")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (3, "exit status 3"),
        (None, "exit status None"),
        (-int(signal.SIGSEGV), "SIGSEGV"),
        (-250, "signal 250"),
    ],
)
def test_a_status_is_a_signal_or_an_exit_status(status: int | None, text: str) -> None:
    assert cause(status) == text


def test_a_time_limit_is_named() -> None:
    report = timed_out(SCENARIO, 2.5, Known())
    (error,) = report.errors
    assert error.message == "stopped after 2.5 s, before it finished"
    assert report.seconds >= 2.5


def test_a_memory_limit_is_named_with_what_was_taken() -> None:
    (error,) = out_of_memory(SCENARIO, 3 * 10**9, 2 * 10**9, 10**9, 1.0, Known()).errors
    assert error.message == "stopped at 3.0 GB of memory; the limit is 2.0 GB"
    assert "1.0 GB are used before anything is built" in (error.hint or "")


def test_a_killed_process_hints_at_memory_and_another_at_a_kernel() -> None:
    (killed,) = died(SCENARIO, -9, 1.0, Known()).errors
    assert killed.message == "the process that ran this scenario died (SIGKILL)"
    assert "when memory runs out" in (killed.hint or "")
    (crashed,) = died(SCENARIO, -int(signal.SIGSEGV), 1.0, Known()).errors
    assert "a TensorFlow kernel" in (crashed.hint or "")


def test_a_process_that_never_started_has_the_last_cause() -> None:
    (error,) = not_started(SCENARIO, 5, "exit status 1").errors
    assert "5 in a row failed (the last: exit status 1)" in error.message
