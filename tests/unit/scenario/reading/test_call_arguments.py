"""`call:` beside a layer: tensors, plain data, and the faults of both."""

# ruff: noqa: E501 - the tables pair each input with its message, one per line
from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.spec import NamedTensor

INPUT = "inputs: {x: {shape: [5, 4]}, m: {shape: [5], dtype: bool}}\n"


def test_call_arguments_are_plain_data_or_tensors(read: Any) -> None:
    scenario = read(
        INPUT + "models:\n"
        "  a:\n"
        "    graph:\n"
        "      out: {LSTM: 3, from: x, call: {mask: 'input:m', initial_state: ['node:enc:1', 'node:enc:2']}}\n"
        "      enc: {LSTM: {units: 3, return_state: true}, from: x}\n"
        "      again: {share: out, from: x, call: {training: true}}\n"
        "    outputs: [out, again]\n"
        "  b: {graph: {d: {Dropout: 0.5, from: x}}, outputs: d}\n"
    )
    nodes = {node.name: node for node in scenario.model("a").nodes}
    assert list(nodes) == ["enc", "out", "again"], "a node follows those that its call names"
    assert nodes["out"].call == {
        "mask": NamedTensor("input", "m"),
        "initial_state": (NamedTensor("node", "enc:1"), NamedTensor("node", "enc:2")),
    }
    assert nodes["again"].call == {"training": True}
    assert nodes["enc"].call == {}


def test_a_layer_of_a_list_takes_call_too(read: Any) -> None:
    scenario = read(
        "input: {shape: [4]}\n"
        "models: {a: [{Dropout: 0.5, call: {training: true}}, Flatten], b: [Flatten]}\n"
    )
    dropout, flatten = scenario.model("a").layers
    assert (dropout.arguments, dropout.call) == ({"rate": 0.5}, {"training": True})
    assert flatten.call == {}


@pytest.mark.parametrize(
    ("layer", "fault"),
    [
        ("Dropout: {rate: 0.5, training: true}", "unknown argument `training` of `Dropout` | write arguments of the call next to the layer: `{Dropout: ..., call: {training: ...}}`"),
        ("Dense: {units: 4, call: {training: true}}", "unknown argument `call` of `Dense` | write arguments of the call next to the layer: `{Dense: ..., call: {...}}`"),
        ("{Dropout: 0.5, call: {trainin: true}}", "unknown argument `trainin` of the call of `Dropout` | did you mean `training`?"),
        ("{Dropout: 0.5, call: {rate: 0.2}}", "unknown argument `rate` of the call of `Dropout` | it is an argument of the layer: write `Dropout: {rate: ...}`"),
        ("{Dropout: 0.5, call: {training: 'yes'}}", "`training` of the call of `Dropout` takes true or false; received the text \"yes\" | YAML 1.2"),
        ("{Dropout: 0.5, call: training}", "`call` of `Dropout` takes a mapping of arguments; received the text \"training\""),
        ("{Dropout: 0.5, call: {}}", "`call` of `Dropout` takes a mapping of arguments; received an empty mapping"),
        ("{LSTM: 3, call: {mask: [[true]]}}", "`mask` of the call of `LSTM` takes a tensor; received a list of 1 | write `mask: input:NAME` or `mask: node:NAME`"),
        ("{LSTM: 3, call: {mask: 'input:inptu'}}", '"input:inptu" is not an input of this model | did you mean `input:input`?'),
        ("{LSTM: 3, call: {mask: 'node:h'}}", '"node:h" is not a node of this model | a list of layers has no nodes: write the model as a `graph:`'),
        ("TimeDistributed: {layer: {Dropout: 0.5, call: {training: true}}}", "`call` belongs to a layer of the model, not to a layer inside another one | write it beside the outer layer"),
        ("Sequential: [{Dropout: 0.5, call: {training: true}}]", "`call` belongs to a layer of the model, not to a layer inside another one"),
        ("{call: {training: true}}", "one layer is expected here; received a mapping with `call`"),
    ],
)  # fmt: skip
def test_a_call_at_fault_in_a_list(told: Any, layer: str, fault: str) -> None:
    (found,) = told(f"input: {{shape: [5, 4]}}\nmodels:\n  a:\n    - {layer}\n  b: [Flatten]\n")
    assert fault in found


@pytest.mark.parametrize(
    ("nodes", "fault"),
    [
        ("out: {GRU: 3, from: x, call: {mask: 'node:m'}}", '"node:m" is not a node of this model | `m` is an input: write "input:m"'),
        ("out: {GRU: 3, from: x, call: {mask: 'input:h'}}, h: {Flatten: , from: x}", '"input:h" is not an input of this model | `h` is a node: write "node:h"'),
        ("out: {GRU: 3, from: x, call: {mask: 'node:out'}}", 'the graph has a cycle: out → out'),
        ("out: {GRU: 3, from: x, call: {mask: 'node:h:z'}}, h: {Flatten: , from: x}", '"node:h:z" is not a node of this model | did you mean `node:h`?'),
        ("out: {GRU: 3, from: x, call: {mask: 'node:h'}}, h: {GRU: 3, from: x, call: {mask: 'node:out'}}", "the graph has a cycle: h → out → h"),
        ("h: {GRU: 3, from: x}, out: {share: h, from: x, call: {maks: 'input:m'}}", "unknown argument `maks` of the call of `GRU` | did you mean `mask`?"),
        ("out: {GRU: 3, from: x, calls: {mask: 'input:m'}}", "unknown key `calls` | did you mean `call`?"),
    ],
)  # fmt: skip
def test_a_call_at_fault_in_a_graph(told: Any, nodes: str, fault: str) -> None:
    (found,) = told(
        f"{INPUT}models:\n  a: {{graph: {{{nodes}}}, outputs: [out]}}\n"
        "  b: {graph: {d: {Flatten: , from: x}}, outputs: d}\n"
    )
    assert fault in found


def test_several_faults_are_told_with_their_places(told: Any) -> None:
    found = told(
        "input: {shape: [5, 4]}\n"
        "models:\n"
        "  a:\n"
        "    - {Dropout: 0.5, call: {a: 1, b: 2}}\n"
        "    - {LSTM: 3, call: {mask: 3}}\n"
        "  b: [Flatten]\n"
    )
    assert [text.partition(" ")[0] for text in found] == ["4:29:", "4:35:", "5:30:"]
