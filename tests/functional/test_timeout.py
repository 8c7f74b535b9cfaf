"""A scenario that reaches its time limit reports what is known by then."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

MODELS = '''\
"""A model that never comes to an end when it is called on many samples."""

import os
import time
from pathlib import Path

import keras
import tensorflow as tf


class Endless(keras.layers.Layer):
    def call(self, inputs):
        if tf.executing_eagerly() and inputs.shape[0] > 16:
            Path(os.environ["REACHED"]).touch()
            time.sleep(600)
        return inputs


def endless():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), Endless()])
'''
SCENARIO = """\
title: the last one never ends
input: {shape: [3]}
models:
  one: [{Dense: 2}, ReLU]
  same: [{Dense: {units: 2, activation: relu}}]
  other: [{Dense: {units: 2, activation: tanh}}]
  endless: {python: "endless_models:endless"}
  after: [{Dense: 2}, ReLU]
"""
QUICK = """\
title: quick
input: {shape: [3]}
models:
  one: [{Dense: 2}]
  other: [{Dense: 2}]
"""


#: A busy machine may need more than the first of these limits to come to the endless call.
LIMITS = (10, 40)


@dataclass(frozen=True)
class Stopped:
    """A run that was stopped within the endless call, at a limit in seconds."""

    outcome: Any
    seconds: int


Runs = dict[str, Future[Stopped]]


@pytest.fixture(scope="module")
def runs(run: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Run in one process and in several, both at once, since most of the time is waiting."""
    folder = tmp_path_factory.mktemp("endless")
    (folder / "endless_models.py").write_text(MODELS)
    (folder / "a.yaml").write_text(SCENARIO)
    (folder / "b.yaml").write_text(QUICK)

    def stopped(name: str, *arguments: str) -> Stopped:
        for seconds in LIMITS:
            reached = folder / f"{name} {seconds}"
            outcome = run(
                "compare",
                *arguments,
                *("--allow-code", "--no-cache", "--format", "json", "--timeout", str(seconds)),
                cwd=folder,
                env={"REACHED": str(reached)},
            )
            if reached.exists():
                return Stopped(outcome, seconds)
        raise AssertionError(f"nothing called the endless model: {outcome.stderr}")

    with ThreadPoolExecutor() as threads:
        yield {
            "one": threads.submit(stopped, "one", "a.yaml"),
            "several": threads.submit(stopped, "several", "a.yaml", "b.yaml", "--jobs", "2"),
        }


def holds_what_is_known(scenario: dict[str, Any], seconds: int) -> None:
    assert scenario["status"] == "error"
    (error,) = scenario["errors"]
    assert error["message"] == f"stopped after {seconds} s, before it finished"
    assert error["hint"].startswith("it was stopped while ")
    assert error["hint"].endswith("; allow more time with `--timeout SECONDS`")
    assert {name: model["params"] for name, model in scenario["models"].items()} == dict.fromkeys(
        ("one", "same", "other", "endless", "after"), 8
    )
    assert [layer["type"] for layer in scenario["models"]["endless"]["layers"]] == [
        "Dense",
        "Endless",
    ]
    same, other, endless, after = scenario["pairs"]
    assert (same["verdict"], same["strength"]) == ("equivalent", "certified")
    assert other["verdict"] == "different"
    assert other["counterexample"] is not None
    assert other["first_divergence"] is not None
    assert (endless["verdict"], endless["strength"]) == ("inconclusive", None)
    assert endless["explanation"].startswith(f"Stopped after {seconds} s, while ")
    assert after["verdict"] == "inconclusive"
    assert after["explanation"] == (f"Stopped after {seconds} s, before these two were compared.")


def test_in_one_process(runs: Runs) -> None:
    stopped = runs["one"].result()
    assert stopped.outcome.status == 2
    (scenario,) = stopped.outcome.json()["scenarios"]
    holds_what_is_known(scenario, stopped.seconds)


def test_in_several_processes(runs: Runs) -> None:
    stopped = runs["several"].result()
    assert stopped.outcome.status == 2
    slow, quick = stopped.outcome.json()["scenarios"]
    holds_what_is_known(slow, stopped.seconds)
    assert quick["pairs"][0]["verdict"] == "equivalent"
