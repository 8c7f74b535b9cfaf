"""What runs in the processes of test_crew.py: scenarios that end as their titles say."""

from __future__ import annotations

import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from layerlens.report.layers import ModelReport
from layerlens.report.run import ScenarioReport
from layerlens.run.known import Begun, Planned, Stage, Tables, Tell
from layerlens.run.workers.child import answer, obey_parent
from layerlens.scenario.spec import Scenario


def serve(pipe: Connection, kind: str, options: object) -> None:
    obey_parent()
    answer(pipe, end_as_titled)


def serve_nobody(pipe: Connection, kind: str, options: object) -> NoReturn:
    sys.exit(7)


def serve_once_others_were_killed(pipe: Connection, kind: str, options: object) -> None:
    """Be killed while still importing, as the first `KILLED_FIRST` processes are."""
    folder = Path(os.environ["KILLED_FOLDER"])
    earlier = len(list(folder.iterdir()))
    (folder / str(os.getpid())).touch()
    if earlier < int(os.environ["KILLED_FIRST"]):
        os.kill(os.getpid(), signal.SIGKILL)
    serve(pipe, kind, options)


def serve_killed(pipe: Connection, kind: str, options: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def serve_and_die_idle(pipe: Connection, kind: str, options: object) -> None:
    """Say that all is ready, and be killed before any scenario comes."""
    pipe.send(None)
    os.kill(os.getpid(), signal.SIGKILL)


def end_as_titled(scenario: Scenario, *, tell: Tell) -> ScenarioReport:
    match scenario.title.split()[0]:
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "ended":
            os._exit(3)
        case "hanging":
            time.sleep(600)
        case "telling":
            tell(Planned("one", (("other", "inference"), ("last", "inference"))))
            tell(Tables((ModelReport("one", 15, 15, 0, (None, 3), ()),)))
            tell(Begun("other", "inference"))
            tell(Stage("running both on probes"))
            time.sleep(600)
        case "chattering":
            while True:
                tell(Stage("running both on probes"))
        case "growing":
            taken = []
            while True:
                taken.append(bytearray(os.urandom(1024) * 16 * 1024))
                time.sleep(0.02)
        case "slow":
            time.sleep(0.3)
    # Who did it: to tell one process from another.
    cell = {"process": os.getpid()}
    return ScenarioReport(scenario.path, scenario.title, cell, "pass", 0.0)
