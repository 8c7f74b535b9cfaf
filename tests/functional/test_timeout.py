"""A scenario that reaches its time limit reports what is known by then."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

MODELS = '''\
"""A model that never comes to an end when it is called on many samples."""

import time

import keras
import tensorflow as tf


class Endless(keras.layers.Layer):
    def call(self, inputs):
        if tf.executing_eagerly() and inputs.shape[0] > 16:
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


Ended = Future[Any]


@pytest.fixture(scope="module")
def outcomes(run: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """Run in one process and in several, both at once, since most of the time is waiting."""
    folder = tmp_path_factory.mktemp("endless")
    (folder / "endless_models.py").write_text(MODELS)
    (folder / "a.yaml").write_text(SCENARIO)
    (folder / "b.yaml").write_text(QUICK)
    how = ["--allow-code", "--no-cache", "--format", "json"]
    with ThreadPoolExecutor() as threads:
        yield {
            name: threads.submit(run, "compare", *files, *how, *limits, cwd=folder)
            for name, files, limits in (
                ("one", ["a.yaml"], ["--timeout", "40"]),
                ("several", ["a.yaml", "b.yaml"], ["--timeout", "25", "--jobs", "2"]),
            )
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


def test_in_one_process(outcomes: dict[str, Ended]) -> None:
    outcome = outcomes["one"].result()
    assert outcome.status == 2
    (scenario,) = outcome.json()["scenarios"]
    holds_what_is_known(scenario, 40)


def test_in_several_processes(outcomes: dict[str, Ended]) -> None:
    outcome = outcomes["several"].result()
    assert outcome.status == 2
    slow, quick = outcome.json()["scenarios"]
    holds_what_is_known(slow, 25)
    assert quick["pairs"][0]["verdict"] == "equivalent"
