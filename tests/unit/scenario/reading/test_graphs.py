"""Graphs in building order, and the faults of their nodes."""

# ruff: noqa: E501 - the tables pair each input with its message, one per line
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from layerlens.scenario.yaml.positions import YamlMapping

INPUT = "input: {shape: [64, 15]}\n"


def test_a_graph_keeps_its_order_and_names_the_node_whose_layer_is_shared(read: Any) -> None:
    scenario = read(
        INPUT + "models:\n"
        "  a:\n"
        "    graph:\n"
        "      total: {Add: {}, from: [one, two, three]}\n"
        "      three: {share: two, from: input}\n"
        "      one: {Dense: 4, from: input}\n"
        "      two: {share: one, from: [input]}\n"
        "    outputs: total\n"
        "    select: '[:, -1]'\n"
        "  b: [Flatten]\n"
    )
    model = scenario.model("a")
    assert [node.name for node in model.nodes] == ["one", "two", "three", "total"]
    assert [node.share for node in model.nodes] == [None, "one", "one", None]
    assert model.nodes[-1].inputs == ("one", "two", "three")
    assert model.outputs == ("total",)
    assert model.select == "[:, -1]"


@pytest.mark.parametrize(
    ("graph", "fault"),
    [
        ("h: {Dense: 4, from: inptu}", "unknown node or input `inptu` | did you mean `input`?"),
        ("h: {Dense: 4}", "the node `h` has no `from`"),
        ("h: {Dense: 4, frm: input}", "unknown key `frm` | did you mean `from`?"),
        ("h: {from: input}", "the node `h` has no layer"),
        ("h: {share: k, from: input}, g: {Dense: 4, from: h}", "unknown node `k`"),
        ("h: {Dense: 4, from: g}, g: {Dense: 4, from: h}", "the graph has a cycle: g → h → g"),
        ("h: {share: h, from: input}", "the node `h` shares itself"),
        ("h: {Dense: 4, from: input}, g: {share: h, ReLU: , from: h}", "has both `share` and its own layer, `ReLU`"),
        ("h: {Dense: 4, ReLU: , from: input}", "the node `h` already has the layer `Dense`; received `ReLU`"),
        ("h: {Dense: 4, from: input}, input: {ReLU: , from: h}", "the node `input` has the same name as an input"),
        ("h: {Dense: 4, from: input}, a/b: {ReLU: , from: h}", '"a/b" cannot name a node'),
        ("h: {Dense: 4, from: 'inptu:0'}", "unknown node or input `inptu:0` | did you mean `input`?"),
        ("h: {Dense: 4, from: 'input:last'}", '"last" is not an output of `input` | outputs count from 0: `input:0` is the first'),
        ("h: {Dense: 4, from: 'input:-1'}", '"-1" is not an output of `input`'),
        ("h: {Dense: 4, from: 'g:1'}, g: {Dense: 4, from: 'h:0'}", "the graph has a cycle: g → h → g"),
        ("h: 3", "the node `h` has a layer and its inputs; received the number 3"),
    ],
)  # fmt: skip
def test_a_graph_at_fault(told: Any, graph: str, fault: str) -> None:
    (found,) = told(f"{INPUT}models:\n  a: {{graph: {{{graph}}}, outputs: [h]}}\n  b: [Flatten]\n")
    assert fault in found


def test_one_output_of_a_node_is_named_by_its_position(read: Any) -> None:
    scenario = read(
        INPUT + "models:\n"
        "  a:\n"
        "    graph:\n"
        "      out: {Add: {}, from: ['rnn:1', 'rnn:2']}\n"
        "      rnn: {LSTM: {units: 4, return_state: true}, from: 'input:0'}\n"
        "    outputs: [out, 'rnn:0']\n"
        "  b: [Flatten]\n"
    )
    model = scenario.model("a")
    assert [node.name for node in model.nodes] == ["rnn", "out"]
    assert model.nodes[-1].inputs == ("rnn:1", "rnn:2")
    assert model.outputs == ("out", "rnn:0")


def test_outputs_at_fault(told: Any) -> None:
    graph = "graph: {h: {Dense: 4, from: input}}"
    (found,) = told(f"{INPUT}models:\n  a: {{{graph}, outputs: ['h:x']}}\n  b: [Flatten]\n")
    assert '"x" is not an output of `h`' in found


def test_a_large_graph_is_read_a_few_times_and_not_once_a_node(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = 60
    passes = []

    def counted(mapping: YamlMapping) -> Iterator[str]:
        if len(mapping) == nodes:
            passes.append(mapping)
        return iter(mapping.keys())

    monkeypatch.setattr(YamlMapping, "__iter__", counted)
    lines = [
        f"      n{n}: {{Dense: 2, from: {f'n{n - 1}' if n else 'input'}}}\n" for n in range(nodes)
    ]
    graph = "".join(["    graph:\n", *lines, f"    outputs: n{nodes - 1}\n"])
    scenario = read(INPUT + "models:\n  a:\n" + graph + "  b: [Flatten]\n")
    assert len(scenario.model("a").nodes) == nodes
    assert 0 < len(passes) < 8
