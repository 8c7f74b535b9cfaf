"""A crash of TensorFlow is reported for the scenario that caused it, and the others are run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "sigwaitinfo"), reason="this system does not tell who sent a signal"
)

GOOD = """\
title: Two spellings
input: {shape: [4]}
models: {one: [{Dense: 2}], other: [{Dense: {units: 2, activation: linear}}]}
expect: {verdicts: {other: equivalent}}
"""
#: A `python:` model that ends its process as a faulty kernel does.
LETHAL = """\
import os
import signal


def build():
    os.kill(os.getpid(), signal.SIGNAL)
    raise AssertionError("it is dead")
"""
LOST = """\
title: A model that takes its process along
models: {one: {python: "lethal:build"}, other: {python: "lethal:build"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a_good.yaml").write_text(GOOD)
    (tmp_path / "b_lost.yaml").write_text(LOST)
    (tmp_path / "c_good.yaml").write_text(GOOD.replace("units: 2", "units: 2, use_bias: true"))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SIGSEGV", "a TensorFlow kernel"),
        pytest.param("SIGKILL", "when memory runs out", marks=pytest.mark.nightly),
    ],
)
def test_a_crash_affects_only_its_scenario(run, folder, name, hint):
    (folder / "lethal.py").write_text(LETHAL.replace("SIGNAL", name))
    outcome = run("compare", ".", "--allow-code", "--format", "json", "--no-cache", cwd=folder)
    assert outcome.status == 2, outcome.stderr
    assert f"the process crashed ({name}" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    first, lost, last = json.loads(outcome.stdout)["scenarios"]
    assert [first["status"], lost["status"], last["status"]] == ["pass", "error", "pass"]
    (error,) = lost["errors"]
    assert error["message"] == f"the process that ran this scenario died ({name})"
    assert hint in error["hint"]


def test_no_script_is_written_for_a_crashed_scenario(run, folder):
    (folder / "lethal.py").write_text(LETHAL.replace("SIGNAL", "SIGABRT"))
    wanted = ["compare", "b_lost.yaml", "--allow-code", "--repro", "told.py"]
    outcome = run(*wanted, cwd=folder)
    assert outcome.status == 2
    assert "the process crashed (SIGABRT" in outcome.stderr
    assert "no script can be written" in outcome.stderr
    assert not (folder / "told.py").exists()


SLOW = """\
import time
from pathlib import Path


def build():
    Path("begun").touch()
    time.sleep(600)
"""


def _begun(folder: Path, command: Path) -> tuple[subprocess.Popen[str], psutil.Process]:
    (folder / "lethal.py").write_text(SLOW)
    process = subprocess.Popen(
        [command, "compare", "b_lost.yaml", "--allow-code", "--no-cache"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while not (folder / "begun").exists():
        assert time.monotonic() < until, "it never came so far"
        time.sleep(0.05)
    (child,) = psutil.Process(process.pid).children()
    return process, child


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        *(pytest.param(one, marks=pytest.mark.nightly) for one in (signal.SIGINT, signal.SIGHUP)),
    ],
)
def test_a_signal_to_the_parent_alone_is_forwarded(command, folder, number):
    process, child = _begun(folder, command)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert "nothing was written" in said or "terminated" in said or "closed" in said
    assert not child.is_running()


@pytest.mark.nightly
def test_a_signal_to_the_process_group_is_one_request(command, folder):
    process, child = _begun(folder, command)
    for number in (process.pid, child.pid):
        os.kill(number, signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert said.count("terminated (SIGTERM)") == 1


def test_the_child_ends_when_the_parent_is_killed(command, folder):
    process, child = _begun(folder, command)
    process.kill()
    process.communicate(timeout=10)  # the child closes its ends of the pipes as well
    child.wait(timeout=10)


def test_a_light_command_has_no_child(command, folder):
    assert _most_children([command, "schema"]) == 0
    assert _most_children([command, "compare", "a_good.yaml", "--no-cache"], folder) == 1


def _most_children(command: list[str | Path], folder: Path | None = None) -> int:
    running = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    process, most = psutil.Process(running.pid), 0
    while running.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            most = max(most, len(process.children()))
        time.sleep(0.005)
    return most
