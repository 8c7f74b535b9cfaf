"""A transfer is suggested only where the models were shown to be equal with it."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.report.pairs import PairReport
from layerlens.run.pipeline import compare_scenarios
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")

HEADS = {
    "graph": {
        "a": {"Dense": 3, "from": ["input"]},
        "b": {"Dense": 5, "from": ["input"]},
        "out": {"Concatenate": {}, "from": ["a", "b"]},
    },
    "outputs": ["out"],
}


def pair_of(one: Any, other: Any, **scenario: Any) -> PairReport:
    data = {"input": {"shape": [4]}, "models": {"one": one, "other": other}, **scenario}
    (report,) = compare_scenarios(scenario_from_mapping(data), RunOptions()).scenarios
    assert not report.errors
    (pair,) = report.pairs
    return pair


def dense(units: int, name: str, **more: Any) -> dict[str, Any]:
    return {"Dense": {"units": units, "name": name, **more}}


@pytest.mark.parametrize(
    ("one", "other", "yaml"),
    [
        (HEADS, [dense(8, "c")], "transfer: {pairs: [{from: [a, b], to: c, join: -1}]}"),
        ([dense(8, "c")], HEADS, "transfer: {pairs: [{from: c, to: [a, b], split: -1}]}"),
        (
            [dense(3, "d", use_bias=False)],
            [{"EinsumDense": {"equation": "ab,cb->ac", "output_shape": 3, "name": "e"}}],
            "transfer: {pairs: [{from: d/kernel, to: e/kernel, transpose: [1, 0]}]}",
        ),
    ],
)
def test_a_mapping_that_works_is_written_down(one: Any, other: Any, yaml: str) -> None:
    pair = pair_of(one, other)
    assert pair.verdict == "param_mismatch"
    assert f"suggest `{yaml}`, with which both compute the same" in pair.explanation


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (HEADS, [dense(8, "c", activation="tanh")]),  # joined, it computes something else
        (HEADS, [dense(8, "c", use_bias=False)]),  # a bias has no place
        ([dense(3, "d", use_bias=False)], [dense(3, "d"), dense(3, "e")]),
    ],
)
def test_a_mapping_that_does_not_work_is_not(one: Any, other: Any) -> None:
    pair = pair_of(one, other)
    assert pair.verdict == "param_mismatch"
    assert "suggest" not in pair.explanation


def crossed(first: str, activation: str = "linear") -> dict[str, Any]:
    nodes = {
        "p": {**dense(3, "left", activation=activation), "from": ["x"]},
        "q": {**dense(3, "right"), "from": ["y"]},
    }
    order = ("p", "q") if first == "p" else ("q", "p")
    graph: dict[str, Any] = {name: nodes[name] for name in order}
    graph["out"] = {"Concatenate": {}, "from": ["p", "q"]}
    return {"graph": graph, "outputs": ["out"]}


INPUTS = {"x": {"shape": [2]}, "y": {"shape": [2]}}


def test_names_that_cross_are_told_where_they_make_the_models_agree() -> None:
    pair = pair_of(crossed("p"), crossed("q"), input=None, inputs=INPUTS)
    assert pair.verdict == "different"
    assert "Names that cross suggest `transfer: by_name`, with which both" in pair.explanation
    other = pair_of(crossed("p"), crossed("q", "tanh"), input=None, inputs=INPUTS)
    assert other.verdict == "different"
    assert "suggest" not in other.explanation


def test_own_weights_that_differ_are_named() -> None:
    given = {"d/kernel": [[1.0, 2.0]] * 4, "d/bias": [0.0, 0.0]}
    other = {**given, "d/bias": [0.0, 0.5]}
    layers = [dense(2, "d")]
    pair = pair_of(
        {"layers": layers, "weights": given}, {"layers": layers, "weights": other}, transfer="none"
    )
    assert (pair.verdict, "weights" in pair.also_differs) == ("different", True)
    assert "1 of 2 weights differs: `d/bias` by up to 0.5." in pair.explanation
    assert "carried over" not in pair.explanation  # given values stay
    same = pair_of(
        {"layers": layers, "weights": given}, {"layers": layers, "weights": given}, transfer="none"
    )
    assert (same.verdict, same.also_differs) == ("equivalent", ())


def test_models_that_agree_once_their_weights_are_carried_over() -> None:
    ones = dense(2, "d", kernel_initializer="ones")
    pair = pair_of([dense(2, "d")], [ones], transfer="none")
    assert pair.verdict == "different"
    assert "carried over, they compute the same: only the weights differ" in pair.explanation
    tanh = dense(2, "d", kernel_initializer="ones", activation="tanh")
    other = pair_of([dense(2, "d")], [tanh], transfer="none")
    assert "carried over, they still differ" in other.explanation
