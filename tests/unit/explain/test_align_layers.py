"""The layers of two models are aligned, in chains and in graphs."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.explain.align_layers import align_with_reference
from layerlens.report.diffs import ModelsDiff
from tests.unit.tables.layer_tables import aligned, reports

pytestmark = pytest.mark.usefixtures("backend")


def changes(diff: ModelsDiff) -> list[tuple[str, str | None, str | None]]:
    return [(row.change, row.reference, row.candidate) for row in diff.layers]


def arguments(diff: ModelsDiff) -> list[tuple[str, Any, Any]]:
    return [
        (change.name, change.reference, change.candidate)
        for row in diff.layers
        for change in row.arguments
    ]


GRU = {"GRU": {"units": 16, "return_sequences": True}}
BEFORE = {"GRU": {"units": 16, "return_sequences": True, "reset_after": False}}


def test_names_do_not_make_layers_differ() -> None:
    diff = aligned([8, 15], a=[GRU, {"Dense": 3}], b=[GRU, {"Dense": {"units": 3, "name": "d"}}])
    assert changes(diff) == [("same", "gru", "gru"), ("same", "dense", "d")]
    assert diff.params == ()


def test_changed_arguments_are_named_including_defaults() -> None:
    diff = aligned([8, 15], before=[BEFORE], after=[GRU])
    (row,) = diff.layers
    assert (row.change, set(row.differs)) == ("changed", {"arguments", "params"})
    assert arguments(diff) == [("reset_after", False, True)]
    assert [gap.text for gap in diff.params] == ["+48: second bias of `gru` (reset_after)"]


def test_arguments_of_wrapped_layers_are_named_once() -> None:
    one, other = (
        [{"Bidirectional": {"layer": {"GRU": {"units": 3, "reset_after": way}}}}]
        for way in (True, False)
    )
    diff = aligned([8, 5], a=one, b=other)
    assert arguments(diff) == [("layer.reset_after", True, False)]
    assert sum(gap.params for gap in diff.params) == -2 * 9


def test_layers_in_one_model_only_and_replaced_layers() -> None:
    diff = aligned(
        [8, 5],
        a=[GRU, {"TimeDistributed": {"layer": {"Dense": 3}}}, {"Activation": "relu"}],
        b=[GRU, {"Dropout": 0.5}, {"Dense": 3}],
    )
    assert changes(diff) == [
        ("same", "gru", "gru"),
        ("only_candidate", None, "dropout"),
        ("changed", "time_distributed", "dense"),
        ("only_reference", "activation", None),
    ]


def graph(*nodes: tuple[str, Any, list[str]], output: str) -> dict[str, Any]:
    return {
        "graph": {name: {**layer, "from": given} for name, layer, given in nodes},
        "outputs": [output],
    }


TALL = {"Conv1D": {"filters": 4, "kernel_size": 3, "padding": "same"}}
FLAT = {"Conv1D": {"filters": 4, "kernel_size": 1}}


def test_branches_are_matched_in_any_order_and_under_any_name() -> None:
    one = graph(
        ("left", TALL, ["input"]),
        ("right", FLAT, ["input"]),
        ("deep", FLAT, ["right"]),
        ("sum", {"Subtract": {}}, ["left", "deep"]),
        output="sum",
    )
    other = graph(
        ("p", FLAT, ["input"]),
        ("q", FLAT, ["p"]),
        ("r", TALL, ["input"]),
        ("s", {"Subtract": {}}, ["r", "q"]),
        output="s",
    )
    diff = aligned([8, 4], a=one, b=other)
    assert changes(diff) == [
        ("same", "left", "r"),
        ("same", "right", "p"),
        ("same", "deep", "q"),
        ("same", "sum", "s"),
    ]
    swapped = graph(*_nodes(other), ("t", {"Subtract": {}}, ["q", "r"]), output="t")
    rows = {row.reference: row for row in aligned([8, 4], a=one, b=swapped).layers}
    assert (rows["sum"].change, rows["sum"].differs) == ("changed", ("inputs",))
    assert rows["deep"].change == "same"


def _nodes(model: dict[str, Any]) -> list[tuple[str, Any, list[str]]]:
    return [
        (name, {k: v for k, v in node.items() if k != "from"}, node["from"])
        for name, node in model["graph"].items()
        if name != "s"
    ]


def test_an_inserted_layer_leaves_the_layers_after_it_matched() -> None:
    one = graph(
        ("left", TALL, ["input"]),
        ("sum", {"Add": {}}, ["left", "input"]),
        ("out", {"Dense": 2}, ["sum"]),
        output="out",
    )
    other = graph(
        ("left", TALL, ["input"]),
        ("norm", {"LayerNormalization": {}}, ["left"]),
        ("sum", {"Add": {}}, ["norm", "input"]),
        ("out", {"Dense": {"units": 2, "use_bias": False}}, ["sum"]),
        output="out",
    )
    diff = aligned([8, 4], a=one, b=other)
    assert changes(diff) == [
        ("same", "left", "left"),
        ("only_candidate", None, "norm"),
        ("same", "sum", "sum"),
        ("changed", "out", "out"),
    ]
    assert [gap.text for gap in diff.params] == [
        "+8: `norm` (LayerNormalization), only in `b`",
        "-2: bias of `out` (use_bias)",
    ]


def test_one_model_has_no_diff() -> None:
    assert align_with_reference(reports([4], a=[{"Dense": 3}])) == ()
