"""Run a command line: exit statuses of failures, and the process with its streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from layerlens import cli
from layerlens.errors import InternalError, UsageError
from tests.unit.tables.paths import REPORTS


def test_a_usage_error_of_the_run_is_written_with_its_hint(fake_run, capsys):
    fake_run(UsageError("no scenario in folder", hint="name one"))
    assert cli.run(["compare", "folder"]) == 2
    assert capsys.readouterr() == ("", "layerlens: LL501 no scenario in folder\n  hint: name one\n")


@pytest.mark.parametrize("error", [InternalError("oh"), KeyError("oh"), RecursionError("oh")])
def test_an_internal_error_is_short_and_has_its_own_exit_status(
    error, fake_run, capsys, monkeypatch
):
    monkeypatch.delenv("LAYERLENS_DEBUG", raising=False)
    fake_run(error)
    assert cli.run(["compare", "x"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "oh" in err
    assert "Traceback" not in err


def test_the_traceback_is_shown_in_debug_mode(fake_run, capsys, monkeypatch):
    monkeypatch.setenv("LAYERLENS_DEBUG", "1")
    fake_run(KeyError("oh"))
    assert cli.run(["compare", "x"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_reported_and_nothing_is_written(fake_run, capsys, tmp_path):
    fake_run(KeyboardInterrupt())
    path = tmp_path / "report.txt"
    assert cli.run(["compare", "x", "--output", str(path)]) == 130
    assert capsys.readouterr() == ("", "layerlens: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


HEAVY = ("keras", "tensorflow", "pandas", "numpy", "jinja2")


LOADED = """
import sys
from layerlens.cli import run
run(sys.argv[1:])
print(sorted(set(sys.modules) & {heavy!r}), file=sys.stderr)
"""


def process(*arguments: str, code: str | None = None, **options) -> subprocess.CompletedProcess:
    start = ["-c", code] if code else ["-m", "layerlens"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["compare", "-h"], ["--version"], ["schema"], ["layers"], ["layers", "LSTM"],
     ["compare", "wrong.yaml"], ["summary", "wrong.yaml"], ["init", "new.yaml"]],
    ids=" ".join,
)  # fmt: skip
def test_commands_that_build_nothing_import_nothing_heavy(arguments, tmp_path):
    (tmp_path / "wrong.yaml").write_text("inptu: 1\nmodels: {a: [Dense: 1], b: [Dens: 1]}\n")
    code = LOADED.format(heavy=set(HEAVY))
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = process(*arguments, code=code, cwd=tmp_path, env=environment)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


def test_the_check_for_heavy_imports_finds_one():
    heavier = LOADED.replace("import sys\n", "import sys, numpy\n")
    done = process("--help", code=heavier.format(heavy=set(HEAVY)))
    assert done.stderr.splitlines()[-1] == "['numpy']"


RUN_LONG = """
import sys, time, layerlens.run.pipeline
layerlens.run.pipeline.compare_paths = lambda *a, **k: time.sleep(30)
from layerlens.cli import main
sys.argv = ["layerlens", "compare", "x"]
print("ready", flush=True)
main()
"""


def test_an_interrupted_process_ends_with_status_130():
    child = subprocess.Popen(
        [sys.executable, "-c", RUN_LONG],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (out, err) == ("", "layerlens: interrupted; nothing was written\n")
    assert child.returncode == 130


def test_a_closed_pipe_is_not_an_error():
    report = str(REPORTS / "summary.json")
    for arguments in (
        ["--help"],
        ["schema"],
        ["render", report],
        ["render", report, "--format", "json"],
    ):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as closed:
            child = subprocess.run(
                [sys.executable, "-m", "layerlens", *arguments],
                stdout=closed,
                stderr=subprocess.PIPE,
                check=False,
                timeout=60,
            )
        assert child.stderr == b""
        assert child.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_reported():
    with Path("/dev/full").open("wb") as full:
        child = subprocess.run(
            [sys.executable, "-m", "layerlens", "schema"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert child.returncode == 2
    assert child.stderr == (
        "layerlens: LL503 cannot write to standard output: No space left on device\n"
    )
