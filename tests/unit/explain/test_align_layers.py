"""Two layer tables lined up, chains and graphs, and the difference of their counts attributed."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens import summary
from layerlens.explain.align_layers import align_layers, align_with_reference
from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import ModelReport
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")


def reports(shape: list[int | None], **models: Any) -> list[ModelReport]:
    (scenario,) = scenario_from_mapping(
        {"input": {"shape": shape}, "models": models}, least_models=1
    )
    made = [
        build_model(model, scenario.inputs_of(model), allocate=False) for model in scenario.models
    ]
    assert all(isinstance(one, Built) for one in made)
    return [one.report for one in made]


def lined_up(shape: list[int | None], **models: Any) -> ModelsDiff:
    (diff,) = align_with_reference(reports(shape, **models))
    return diff


def told(diff: ModelsDiff) -> list[tuple[str, str | None, str | None]]:
    return [(row.change, row.reference, row.candidate) for row in diff.layers]


def arguments(diff: ModelsDiff) -> list[tuple[str, Any, Any]]:
    return [
        (change.name, change.reference, change.candidate)
        for row in diff.layers
        for change in row.arguments
    ]


GRU = {"GRU": {"units": 16, "return_sequences": True}}
BEFORE = {"GRU": {"units": 16, "return_sequences": True, "reset_after": False}}


def test_the_same_is_the_same_whatever_it_is_called() -> None:
    diff = lined_up([8, 15], a=[GRU, {"Dense": 3}], b=[GRU, {"Dense": {"units": 3, "name": "d"}}])
    assert told(diff) == [("same", "gru", "gru"), ("same", "dense", "d")]
    assert diff.params == ()


def test_changed_arguments_are_named_defaults_too() -> None:
    diff = lined_up([8, 15], before=[BEFORE], after=[GRU])
    (row,) = diff.layers
    assert (row.change, set(row.differs)) == ("changed", {"arguments", "params"})
    assert arguments(diff) == [("reset_after", False, True)]
    assert [gap.text for gap in diff.params] == ["+48: second bias of `gru` (reset_after)"]


def test_arguments_of_held_layers_are_named_once() -> None:
    one, other = (
        [{"Bidirectional": {"layer": {"GRU": {"units": 3, "reset_after": way}}}}]
        for way in (True, False)
    )
    diff = lined_up([8, 5], a=one, b=other)
    assert arguments(diff) == [("layer.reset_after", True, False)]
    assert sum(gap.params for gap in diff.params) == -2 * 9


def test_what_only_one_has_and_what_replaces_another() -> None:
    diff = lined_up(
        [8, 5],
        a=[GRU, {"TimeDistributed": {"layer": {"Dense": 3}}}, {"Activation": "relu"}],
        b=[GRU, {"Dropout": 0.5}, {"Dense": 3}],
    )
    assert told(diff) == [
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


def test_branches_of_a_graph_find_each_other_in_any_order_and_under_any_name() -> None:
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
    diff = lined_up([8, 4], a=one, b=other)
    assert told(diff) == [
        ("same", "left", "r"),
        ("same", "right", "p"),
        ("same", "deep", "q"),
        ("same", "sum", "s"),
    ]
    swapped = graph(*_nodes(other), ("t", {"Subtract": {}}, ["q", "r"]), output="t")
    rows = {row.reference: row for row in lined_up([8, 4], a=one, b=swapped).layers}
    assert (rows["sum"].change, rows["sum"].differs) == ("changed", ("inputs",))
    assert rows["deep"].change == "same"


def _nodes(model: dict[str, Any]) -> list[tuple[str, Any, list[str]]]:
    return [
        (name, {k: v for k, v in node.items() if k != "from"}, node["from"])
        for name, node in model["graph"].items()
        if name != "s"
    ]


def test_a_layer_put_into_a_branch_does_not_spoil_what_follows() -> None:
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
    diff = lined_up([8, 4], a=one, b=other)
    assert told(diff) == [
        ("same", "left", "left"),
        ("only_candidate", None, "norm"),
        ("same", "sum", "sum"),
        ("changed", "out", "out"),
    ]
    assert [gap.text for gap in diff.params] == [
        "+8: `norm` (LayerNormalization), only in `b`",
        "-2: bias of `out` (use_bias)",
    ]


@pytest.mark.parametrize(
    ("one", "other", "texts"),
    [
        ([{"Dense": 4}], [{"Dense": 6}], ["+12: kernel and bias of `dense` (units 4 → 6)"]),
        (
            [{"LSTM": {"units": 4}}],
            [{"GRU": {"units": 4, "reset_after": False}}],
            ["-40: kernel, recurrent kernel and bias of `gru` (in place of `lstm`) (gates 4 → 3)"],
        ),
        (
            [{"Conv1D": {"filters": 2, "kernel_size": 3}}],
            [{"Conv1D": {"filters": 2, "kernel_size": 5}}],
            ["+20: kernel of `conv1d` (kernel_size 3 → 5)"],
        ),
        (
            [{"BatchNormalization": {}}],
            [{"BatchNormalization": {"scale": False}}],
            ["-5: gamma of `batch_normalization` (scale)"],
        ),
        (
            [{"LSTM": {"units": 2}}],
            [{"Bidirectional": {"layer": {"LSTM": {"units": 2}}}}],
            [
                "+56: kernel and recurrent kernel of `backward_lstm` of `bidirectional`",
                "+8: bias of `backward_lstm` of `bidirectional` (use_bias)",
            ],
        ),
        (
            [{"TimeDistributed": {"layer": {"Dense": 2}}}],
            [{"Conv1D": {"filters": 2, "kernel_size": 1, "use_bias": False}}],
            ["-2: bias of `time_distributed` (use_bias)"],
        ),
    ],
    ids=["units", "gates", "window", "scale", "directions", "wrapped"],
)
def test_gaps_have_their_cause_and_add_up(one: Any, other: Any, texts: list[str]) -> None:
    first, second = reports([7, 5], a=one, b=other)
    if "Dense" in one[0]:
        first, second = reports([5], a=one, b=other)
    diff = align_layers(first, second)
    assert [gap.text for gap in diff.params] == texts
    assert sum(gap.params for gap in diff.params) == (second.params or 0) - (first.params or 0)


def test_sharing_is_attributed() -> None:
    own = graph(
        ("a", {"Dense": 4}, ["input"]),
        ("b", {"Dense": 4}, ["a"]),
        output="b",
    )
    shared = {
        "graph": {
            "a": {"Dense": 4, "from": ["input"]},
            "b": {"share": "a", "from": ["a"]},
        },
        "outputs": ["b"],
    }
    diff = lined_up([4], one=own, other=shared)
    assert sum(gap.params for gap in diff.params) == -20
    assert "counted once" in diff.params[0].text


def test_one_model_alone_is_lined_up_with_nothing() -> None:
    assert align_with_reference(reports([4], a=[{"Dense": 3}])) == ()


# --- held layers with other names -----------------------------------------------------------------


def _nested(*units: int, frozen: bool = False) -> Any:
    import keras

    held = [keras.layers.Dense(n) for n in units]
    base = keras.Sequential([keras.Input((4,)), *held], name="base")
    base.trainable = not frozen
    return keras.Sequential([keras.Input((4,)), base, keras.layers.Dense(2)])


def _of_objects(one: Any, other: Any) -> ModelsDiff:
    (report,) = summary({"a": one, "b": other}).scenarios
    (diff,) = report.diffs
    return diff


def test_held_layers_are_lined_up_whatever_their_numbers_are() -> None:
    assert _of_objects(_nested(3, 3), _nested(3, 3, frozen=True)).params == ()
    wider = _of_objects(_nested(3, 3), _nested(5, 3)).params
    assert [gap.params for gap in wider] == [10, 6]
    assert "(units 3 → 5)" in wider[0].text
    assert "(inputs 3 → 5)" in wider[1].text


def test_a_held_layer_more_or_less_is_counted_alone() -> None:
    more = _of_objects(_nested(3, 3), _nested(3, 3, 3)).params
    assert [gap.params for gap in more] == [9, 3]
    less = _of_objects(_nested(3, 3, 3), _nested(3, 3)).params
    assert [gap.params for gap in less] == [-9, -3]


def test_wrapped_layers_with_other_names_have_no_gap() -> None:
    import keras

    def wrapped(units: int) -> Any:
        inner = keras.layers.GRU(units)
        return keras.Sequential([keras.Input((5, 4)), keras.layers.Bidirectional(inner)])

    assert _of_objects(wrapped(3), wrapped(3)).params == ()
    gaps = _of_objects(wrapped(3), wrapped(4)).params
    assert all("units 3 → 4" in gap.text for gap in gaps)
