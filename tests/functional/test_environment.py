"""The environment of the command: streams, disks, home folders, links and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PAIR = "input: {shape: [4]}\nmodels:\n  one: [Dense: 2]\n  other: [Dense: 2]\n"


@pytest.fixture(scope="module")
def shell(command, tmp_path_factory):
    """Return a function `shell("... $L ...")` that runs bash in a folder of its own."""
    folder = tmp_path_factory.mktemp("surroundings")
    (folder / "pair.yaml").write_text(PAIR)

    def run(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env={**os.environ, "L": str(command), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return run


@pytest.mark.parametrize(
    ("line", "status", "told"),
    [
        ("$L schema >&-", 2, "cannot write to standard output"),
        ("$L schema >/dev/full", 2, "cannot write to standard output: No space left on device"),
        ("$L layers >/dev/full", 2, "cannot write to standard output: No space left on device"),
        ("$L --help >/dev/full", 2, "cannot write to standard output: No space left on device"),
        ("$L compare gone.yaml 2>&-", 2, ""),
        ("$L compare gone.yaml 2>/dev/full", 2, ""),
        ("$L compare gone.yaml 0<&- 1>&- 2>&-", 2, ""),
        ("$L schema | head -n 1", 0, ""),
        ("$L schema | true; exit ${PIPESTATUS[0]}", 141, ""),
        ("env -i $L compare gone.yaml", 2, "there is no file or folder gone.yaml"),
        ('$L compare ""', 2, "an empty path was given"),
    ],
)
def test_streams_that_are_closed_or_full(line, status, told, shell):
    done = shell(line)
    assert done.returncode == status, done.stderr
    assert told in done.stderr
    if not told:
        assert not done.stderr


def test_no_message_is_written_into_a_file_in_place_of_a_closed_stream(shell):
    done = shell("$L init started.yaml >&- 2>&-; cat started.yaml")
    assert done.stdout.startswith("#") or done.stdout.startswith("title")
    assert "wrote" not in done.stdout
    assert "layerlens: " not in done.stdout


def test_without_a_home_and_a_temporary_folder(shell):
    line = "env -u HOME $L compare pair.yaml --quiet"
    done = shell(line, TMPDIR="/proc/none", XDG_CACHE_HOME="/proc/none", TERM="")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "1 unchecked" in done.stdout


def test_links(shell):
    done = shell("ln -s a b; ln -s b a; $L compare a")
    assert done.returncode == 2
    assert "a cannot be read: too many levels of symbolic links" in done.stderr
    done = shell("mkdir f; ln -s ../f f/again; ln -s nowhere f/x.yaml; $L summary f")
    assert done.returncode == 2
    assert "f/x.yaml is a link to nowhere, which does not exist" in done.stderr
    assert done.stderr.count("x.yaml:") == 1, "a folder's link to itself is not followed"


def test_a_device_is_not_read_as_a_scenario(shell):
    for path in ("/dev/zero", "/dev/stdin"):
        done = shell(f"$L compare {path}")
        assert done.returncode == 2
        assert "a scenario file is expected here; this is a device" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_another_user_cannot_read(tmp_path):
    """Search for files as the user `nobody`, who cannot read the environment of root."""
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "x.yaml").write_text(PAIR)
    (tmp_path / "locked").chmod(0)
    from layerlens.errors import UsageError
    from layerlens.scenario.files import find_scenario_files

    before = os.geteuid()
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(UsageError, match="locked cannot be read: permission denied"):
            find_scenario_files([tmp_path / "locked"])
    finally:
        os.seteuid(before)


# --- writing --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return a report in JSON for `layerlens render`, which runs nothing."""
    path = tmp_path_factory.mktemp("report") / "report.json"
    environment = dict.fromkeys(("python", "keras", "backend", "backend_version", "platform"), "1")
    scenario = {
        "path": "a.yaml",
        "title": "words " * 2000,
        "cell": None,
        "status": "pass",
        "seconds": 1.0,
    }
    path.write_text(
        json.dumps(
            {
                "schema": 1,
                "layerlens": "1",
                "environment": environment,
                "status": "pass",
                "scenarios": [scenario],
            }
        )
    )
    return path


def test_a_full_disk_leaves_the_old_file(report, shell):
    """A limit on file sizes makes writing fail as a full disk does."""
    line = f"mkdir full; cd full; echo before >out.html; ulimit -f 1; $L render {report} -f html"
    done = shell(f"{line} -o out.html; echo $?; cat out.html; ls -A")
    assert done.stdout.split() == ["2", "before", "out.html"], done.stdout
    assert "cannot write to out.html: File too large" in done.stderr


# --- signals --------------------------------------------------------------------------------------


def _wait_until_idle(pid: int) -> None:
    """Wait until a process uses no more CPU time, since it waits for something itself."""
    spent, since, ends = None, time.monotonic(), time.monotonic() + 30
    while time.monotonic() < min(since + 1.0, ends):
        now = Path(f"/proc/{pid}/stat").read_text().split()[13:15]
        if now != spent or spent == ["0", "0"]:
            spent, since = now, time.monotonic()
        time.sleep(0.05)


def _stopped(argv, number, after, folder) -> tuple[int, str]:
    """Run a command and send it a signal after some seconds (None: when the command waits)."""
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    _wait_until_idle(child.pid) if after is None else time.sleep(after)
    child.send_signal(number)
    _, said = child.communicate(timeout=20)
    assert "Traceback" not in said, said
    return child.returncode, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_report_is_written(number, command, report, tmp_path):
    os.mkfifo(tmp_path / "unread")
    argv = [str(command), "render", str(report), "--output", "unread"]
    status, said = _stopped(argv, number, None, tmp_path)
    assert status == 128 + number
    assert "unread is unchanged or complete" in said
    assert [path.name for path in tmp_path.iterdir()] == ["unread"]


@pytest.mark.parametrize("after", [4.0])
def test_a_signal_while_models_are_built(after, command, tmp_path):
    many = "".join(f"  m{n}: [LSTM: {{units: 8}}, Dense: {n + 1}]\n" for n in range(60))
    (tmp_path / "long.yaml").write_text(f"input: {{shape: [50, 4]}}\nmodels:\n{many}")
    argv = [str(command), "compare", "long.yaml", "--output", "report.txt"]
    status, said = _stopped(argv, signal.SIGTERM, after, tmp_path)
    assert status == 143
    assert said == "layerlens: terminated (SIGTERM); nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["long.yaml"]


def test_code_that_catches_every_exception_is_ended(tmp_path):
    stubborn = (
        "import time\nfrom layerlens.cli import signals\nsignals.PATIENCE_SECONDS = 0.5\n"
        "signals.install_handlers()\nprint('ready', flush=True)\n"
        "while True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass\n"
    )
    status, said = _stopped([sys.executable, "-c", stubborn], signal.SIGTERM, None, tmp_path)
    assert status == 143
    assert said == "layerlens: terminated (SIGTERM)\n"


def test_ignored_signals_stay_ignored(shell):
    """`nohup` ignores SIGHUP."""
    script = "import os; from layerlens.cli import signals; signals.install_handlers(); "
    script += "os.kill(os.getpid(), 1); print('on')"
    done = shell(f'trap "" HUP; {sys.executable} -c "{script}"')
    assert done.stdout == "on\n"
