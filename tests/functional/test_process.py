"""The command as a process: exit statuses, streams, signals and output files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest

PAIR = """\
title: Dense in two spellings
input: {shape: [4]}
models:
  one: [{Dense: {units: 2, activation: relu}}]
  other:
    - Dense: 2
    - Activation: ACTIVATION
"""
SAME = PAIR.replace("ACTIVATION", "relu")
NOT_THE_SAME = PAIR.replace("ACTIVATION", "elu")

ESCAPE = re.compile(r"\x1b")
CHATTER = re.compile(
    r"tensorflow/|oneDNN|cuda|WARNING|UserWarning|TF_|rebuild TensorFlow", re.IGNORECASE
)


#: Keras warns about a softmax over one value, which must not reach standard error.
WARNED = """\
title: A softmax over one value
input: {shape: [3]}
models:
  one: [Dense: 1, Activation: softmax]
  other: [{Dense: {units: 1, activation: softmax}}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("process")
    (folder / "same.yaml").write_text(SAME + "expect: {verdicts: {other: equivalent}}\n")
    (folder / "unlike.yaml").write_text(NOT_THE_SAME + "expect: {verdicts: {other: equivalent}}\n")
    (folder / "wrong.yaml").write_text("inptu: 1\n")
    (folder / "silent.yaml").write_text(SAME)
    (folder / "warned.yaml").write_text(WARNED)
    return folder


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["same.yaml", "warned.yaml"], 0),
        (["unlike.yaml"], 1),
        (["same.yaml", "unlike.yaml", "wrong.yaml"], 2),
        (["silent.yaml", "--expect", "different", "--quiet"], 1),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else str(part),
)
def test_exit_statuses(arguments, status, run, folder):
    outcome = run("compare", *arguments, cwd=folder, env={"COLUMNS": "60"})
    assert outcome.status == status, outcome.stderr
    assert not CHATTER.search(outcome.stderr), outcome.stderr
    assert not ESCAPE.search(outcome.stdout), "plain when not a terminal"
    if "--quiet" not in arguments:
        assert "same.yaml" in outcome.stdout or "Dense in two spellings" in outcome.stdout
    too_wide = [line for line in outcome.stdout.splitlines() if len(line) > 60]
    assert not too_wide


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["compare", "-h"], ["summary", "--help"]]
)
def test_help_is_printed(arguments, run):
    outcome = run(*arguments)
    assert outcome.status == 0
    assert "Usage" in outcome.stdout


def test_the_schema_is_json_schema(run):
    outcome = run("schema")
    assert outcome.status == 0
    schema = json.loads(outcome.stdout)
    assert {
        "input",
        "inputs",
        "models",
        "reference",
        "transfer",
        "modes",
        "matrix",
        "fit",
        "tolerance",
        "expect",
        "title",
        "question",
        "answer",
    } <= set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_layers_are_listed_and_one_is_explained(run):
    assert {"Dense", "GRU", "TimeDistributed"} <= set(run("layers").stdout.split())
    assert "units" in run("layers", "Dense").stdout


def test_the_starter_scenario_runs(run, tmp_path):
    path = tmp_path / "new.yaml"
    assert run("init", path).status == 0
    written = path.read_text()
    assert "#" in written
    assert run("init", path).status == 2, "what is there is not overwritten"
    assert path.read_text() == written
    outcome = run("compare", path, "--format", "json")
    assert outcome.status == 0, outcome.stderr
    assert outcome.json()["scenarios"][0]["pairs"]
    text = run("compare", path, env={"COLUMNS": "80"}).stdout
    assert len(text.splitlines()) < 24, "the whole report fits a terminal of 24 lines"


def test_output_is_complete_or_absent(run, folder, tmp_path):
    report = tmp_path / "report.json"
    report.write_text("before")
    outcome = run("compare", "same.yaml", "--format", "json", "--output", report, cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == ""
    assert json.loads(report.read_text())["status"] == "pass"
    assert list(tmp_path.iterdir()) == [report], "nothing is left beside it"


def test_an_output_that_cannot_be_written(run, folder, tmp_path):
    outcome = run("compare", "same.yaml", "--output", tmp_path / "no" / "report.txt", cwd=folder)
    assert outcome.status == 2
    assert "report.txt" in outcome.stderr


def test_a_closed_pipe_is_not_an_error(command):
    child = subprocess.Popen(
        [command, "schema"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    child.wait(timeout=20)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said
    assert child.returncode != 3


@pytest.mark.parametrize("after", [0.3, 2.5])
def test_an_interrupt_ends_the_command_without_a_traceback(after, command, tmp_path):
    many = "".join(
        f"  m{n}: [LSTM: {{units: 8, return_sequences: true}}, LSTM: {n + 1}]\n" for n in range(60)
    )
    (tmp_path / "long.yaml").write_text(f"input: {{shape: [50, 4]}}\nmodels:\n{many}")
    child = subprocess.Popen(
        [command, "compare", tmp_path / "long.yaml"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(after)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=20)
    assert "Traceback" not in said, said
    assert child.returncode in (130, -signal.SIGINT)


def read_terminal(command, arguments, folder, columns: int, extra: dict[str, str]) -> str:
    """Run the command on a pseudo-terminal and return its output."""
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "COLUMNS", "CI")
    }
    child = subprocess.Popen(
        [command, *arguments],
        stdin=follower,
        stdout=follower,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**environment, "TERM": "xterm-256color", **extra},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # EIO on Linux when the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    child.wait(timeout=60)
    return shown.decode(errors="replace")


def test_a_terminal_gets_colour_unless_no_color_is_set(command, folder):
    coloured = read_terminal(command, ["compare", "same.yaml"], folder, 100, {})
    assert ESCAPE.search(coloured)
    plain = read_terminal(command, ["compare", "same.yaml"], folder, 60, {"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", plain), "no colour codes"
    assert all(
        len(line) <= 60 for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", plain).splitlines()
    )
