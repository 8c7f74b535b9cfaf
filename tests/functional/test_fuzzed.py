"""Random files: a small share of what `make fuzz` runs every night."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).resolve().parents[1] / "fuzz" / "run.py"


def _fuzz(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(FUZZER), *arguments], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("depth", "first", "files"),
    [
        pytest.param("read", 7_000, 450, marks=pytest.mark.nightly),
        pytest.param("summary", 17_000, 50, marks=pytest.mark.nightly),
        ("mappings", 27_000, 200),
    ],
)
def test_random_files_are_read_or_refused_with_a_message(depth, first, files):
    """The seeds are fixed, so that failures can be reproduced."""
    told = _fuzz("--depth", depth, "--first", str(first), "--files", str(files))
    assert f"{files} files" in told
    refused = re.search(r"(\d+) × 2", told)
    assert refused
    assert 0.3 * files < int(refused[1]) < files, "some are at fault and some are not"


def test_opened_files_are_noticed(tmp_path, monkeypatch, backend):
    """The fuzzer reports each way of opening a file outside its folder."""
    import socket

    import tensorflow as tf

    monkeypatch.syspath_prepend(str(FUZZER.parent))
    monkeypatch.chdir(tmp_path)
    from canaries import Watch, clear, make_canaries

    make_canaries(tmp_path)
    own = frozenset({"mutant.yaml"})
    watch = Watch(tmp_path, own)

    def look_up():
        with contextlib.suppress(OSError):
            socket.getaddrinfo("127.0.0.1", 9)

    ways = {
        "open": Path("words.txt").read_text,
        "os.mkdir": Path("made").mkdir,
        "os.rename": lambda: Path("made").rename("moved"),
        "subprocess.Popen": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        "os.system": lambda: os.system("true"),
        "socket.getaddrinfo": look_up,
        "socket.__new__": lambda: socket.socket().close(),
        "'words.txt' opened": lambda: tf.io.read_file("words.txt"),
        "'saved_model.pb' opened": lambda: tf.saved_model.load("exported"),
        "'/etc/hostname'": lambda: Path("/etc/hostname").read_text(),
    }
    for told, way in ways.items():
        with watch:
            way()
        assert any(told in found for found in watch.found()), told
    assert list(clear(tmp_path, own)) == ["moved was left in the folder"]
    tf.saved_model.load("exported").serve()
    assert list(clear(tmp_path, own)) == ["sung was left in the folder"]
    with watch:
        Path("mutant.yaml").write_text("")
    assert not list(watch.found())
    assert not list(clear(tmp_path, own))


def test_wrong_reports_are_noticed(tmp_path, monkeypatch):
    """The fuzzer's judge finds each kind of wrong report."""
    monkeypatch.syspath_prepend(str(FUZZER.parent))
    from oracle import Said, false_passes, untruths

    scenario = {"status": "unchecked", "errors": [], "expectations": [], "pairs": []}
    pair = {"verdict": "equivalent", "mode": "inference", "explanation": "?", "compared": 1}
    pair |= {"reference": "a", "candidate": "b"}
    row = {"subject": "s", "expected": 1, "actual": 2}

    def said(status=0, report_status="unchecked", stderr="", is_lie=False, **changes):
        import json

        report = {"status": report_status, "scenarios": [{**scenario, "cell": None, **changes}]}
        return Said(status, json.dumps(report), stderr, b"", is_lie)

    wrong = [
        said(3),
        said(stderr="Traceback (most recent call last):\n  oh"),
        said(report_status="fail"),
        said(is_lie=True),
        said(2),
        said(report_status="pass", status=1),
        said(report_status="pass", expectations=[{**row, "held": False}]),
        said(report_status="pass", expectations=[{**row, "held": True}]),
        said(pairs=[{**pair, "compared": 0}]),
        said(errors=[{"message": " ", "line": 1}], status="error", report_status="error"),
        Said(0, "", "", b"", is_lie=False),
    ]
    for case in wrong:
        assert list(untruths(case)), case
    assert not list(untruths(said()))

    monkeypatch.chdir(tmp_path)
    for layer, count in (("elu", 1), ("relu", 0)):
        Path("mutant.yaml").write_text(
            f"input: {{shape: [3]}}\nmodels: {{a: [Activation: relu], b: [Activation: {layer}]}}\n"
        )
        assert len(list(false_passes(said(pairs=[pair])))) == count
