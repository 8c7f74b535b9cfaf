"""Signals that ask the process to end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from layerlens.cli import signals

INTERRUPT = """\
import os, signal, time
from layerlens.cli import signals
signals.install_handlers()
try:
    os.kill(os.getpid(), signal.{name})
    time.sleep(30)
except KeyboardInterrupt:
    print(signals.exit_status(), signals.reason(), sep=": ")
signals.restore_defaults()
print(signal.getsignal(signal.{name}) is signal.SIG_DFL)
"""
STUBBORN = """\
import os, signal, time
from layerlens.cli import signals
signals.PATIENCE_SECONDS = {patience}
signals.ECHO_SECONDS = 0.0
signals.install_handlers()
for _ in range({times}):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
    except KeyboardInterrupt:
        pass
time.sleep(30)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=25
    )


def test_without_a_signal_there_is_no_exit_status():
    assert signals.exit_status() is None
    assert signals.reason() == "interrupted"


@pytest.mark.parametrize(
    ("name", "line"),
    [("SIGINT", "130: interrupted"), ("SIGTERM", "143: terminated (SIGTERM)")],
)
def test_a_signal_raises_keyboard_interrupt(name, line):
    assert run(INTERRUPT.format(name=name)).stdout == f"{line}\nTrue\n"


@pytest.mark.parametrize(("patience", "times"), [(0.1, 1), (60, 2)])
def test_work_that_does_not_end_is_ended_after_a_while_or_a_second_signal(patience, times):
    done = run(STUBBORN.format(patience=patience, times=times))
    assert (done.returncode, done.stderr) == (143, "layerlens: terminated (SIGTERM)\n")
