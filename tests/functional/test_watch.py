"""`layerlens watch` as a process: it shows a report again on a change and ends on Ctrl-C."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading

import pytest

# Scenarios with faults: nothing is built, so that only watching takes time.
BROKEN = "inptu: 1\nmodels: {one: [Dense: 3], other: [Dense: 3]}\n"


@pytest.fixture
def watched(command, tmp_path):
    """A watched folder; `until(text)` waits for a page with the text, and returns it."""
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "a.yaml").write_text(BROKEN)
    child = subprocess.Popen(
        [command, "watch", folder],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: queue.Queue[str] = queue.Queue()
    reading = threading.Thread(target=lambda: [lines.put(line) for line in child.stdout])
    reading.start()

    def until(text: str) -> str:
        drawn = ""
        while text not in drawn or not drawn.endswith("press Ctrl-C to stop\n"):
            drawn += lines.get(timeout=60)
        return drawn

    yield folder, child, until
    child.kill()
    child.wait()
    reading.join()
    child.stdout.close()
    child.stderr.close()


def test_changed_scenarios_are_shown_until_an_interrupt(watched):
    folder, child, until = watched
    assert "a.yaml" in until("unknown key `inptu`")
    (folder / "a.yaml").write_text(BROKEN.replace("inptu", "modles"))
    assert "a.yaml in 0." in until("unknown key `modles`")
    (folder / "b.yaml").write_text(BROKEN)
    until("2 scenarios: 2 error")
    (folder / "a.yaml").unlink()
    assert "modles" not in until("b.yaml")
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=20) == 0
    assert "Traceback" not in child.stderr.read()


def test_a_path_that_does_not_exist_is_refused(run, tmp_path):
    outcome = run("watch", tmp_path / "nothing.yaml")
    assert outcome.status == 2
    assert "there is no file" in outcome.stderr
