"""Models in the place of layers: their forms, and their faults."""

# ruff: noqa: E501 - the tables pair each input with its message, one per line
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layerlens.scenario.spec import InputSpec, layer_specs


def test_each_form_of_a_nested_model_is_read(read: Any) -> None:
    scenario = read(
        "input: {shape: [6, 4]}\n"
        "models:\n"
        "  a:\n"
        "    - Sequential: [{Dense: 3}, {TimeDistributed: {layer: {Sequential: [{Dense: 2}]}}}]\n"
        "    - Sequential: {layers: [ReLU], name: s, trainable: false}\n"
        "    - Functional:\n"
        "        graph: {t: {Add: {}, from: [p, p]}}\n"
        "        outputs: t\n"
        "        inputs: {p: {shape: [6, 2], dtype: float64}}\n"
        "    - Functional: {layers: [{Dropout: 0.5, call: {training: false}}], input: {shape: [6, 2]}}\n"
        "  b: [Flatten]\n"
    )
    first, second, graph, chain = scenario.model("a").layers
    types = ["Sequential", "Dense", "TimeDistributed", "Sequential", "Dense"]
    assert [layer.type for layer in layer_specs(first)] == types
    assert first.arguments == {}
    assert second.arguments == {"name": "s", "trainable": False}
    assert graph.model.inputs == (InputSpec("p", (6, 2), "float64"),)
    assert (graph.model.outputs, graph.model.nodes[0].inputs) == (("t",), ("p", "p"))
    assert chain.model.layers[0].call == {"training": False}


def test_a_nested_file_is_relative_to_the_scenario(read: Any, tmp_path: Any) -> None:
    (tmp_path / "base.keras").write_bytes(b"")
    text = "input: {shape: [6]}\nmodels:\n  a: [{Model: base.keras}, {Model: {file: base.keras, trainable: false}}]\n  b: [Flatten]\n"
    short, long = read(text).model("a").layers
    assert short.model.file == long.model.file
    assert short.model.file.endswith("/base.keras")
    assert long.arguments == {"trainable": False}


@pytest.mark.parametrize(
    ("layer", "fault"),
    [
        ("Sequential: []", "`layers` is empty | give it at least one entry"),
        ("Sequential: Flatten", "`Sequential` takes a list of layers, or `{layers: [...], name: ..., trainable: ...}`; received the text \"Flatten\""),
        ("Sequential:", "`Sequential` takes a list of layers, or `{layers: [...], name: ..., trainable: ...}`; received nothing"),
        ("Sequential: {layer: [Flatten]}", "unknown key `layer` | did you mean `layers`?"),
        ("Sequential: {layers: [Flatten], name: a/b}", '"a/b" cannot name a layer | Keras takes any name without `/`'),
        ("Sequential: {layers: [Flatten], trainable: 3}", "`trainable` takes true or false; received the number 3"),
        ("Sequential: [Flaten]", "unknown layer `Flaten` | did you mean `Flatten`?"),
        ("Sequental: [Flatten]", "unknown layer `Sequental` | did you mean `Sequential`?"),
        ("Functional: {layers: [Flatten]}", "`Functional` needs the shapes of its inputs | add `input: {shape: [...]}`"),
        ("Functional: {input: {shape: [4]}}", "`Functional` needs `graph` or `layers`"),
        ("Functional: {graph: {o: {ReLU: , from: x}}, inputs: {x: {shape: [4]}}}", "`outputs` is missing | add `outputs: [node]`"),
        ("Functional: {graph: {o: {ReLU: , from: x}}, outputs: x, inputs: {x: {shape: [4]}}}", "`outputs` takes names of nodes; `x` is an input | add a node "
            "that returns it: `same: {Identity: {}, from: [x]}`"),
        ("Functional: {graph: {o: {ReLU: , from: x}}, outputs: p, inputs: {x: {shape: [4]}}}", "unknown node or input `p` | allowed: o"),
        ("Functional: {graph: {o: {ReLU: , from: y}}, outputs: o, inputs: {x: {shape: [4]}}}", "unknown node or input `y` | allowed: x"),
        ("Functional: {graph: {o: {ReLU: , from: p}, p: {ReLU: , from: o}}, outputs: o, inputs: {x: {shape: [4]}}}", "the graph has a cycle: p → o → p"),
        ("Functional: {layers: [ReLU], graph: {o: {ReLU: , from: x}}, outputs: o, inputs: {x: {shape: [4]}}}", "`Functional` has one of `graph` and `layers`; received both"),
        ("Functional: {layers: [ReLU], outputs: o, inputs: {x: {shape: [4]}}}", "`outputs` belongs to `graph`"),
        ("Functional: {layers: [ReLU], input: {shape: [4], low: 3}}", "unknown key `low` | allowed: shape, dtype"),
        ("Functional: [ReLU]", "`Functional` takes `{graph: {...}, outputs: [...], inputs: {...}}`; received a list of 1"),
        ("Model: base.keras", 'there is no file "base.keras" | paths are relative to the scenario\'s folder'),
        ("Model: base.txt", '"base.txt" is not the name of a saved model | they end in .keras'),
        ("Model: base.npz", '"base.npz" is not the name of a saved model | they end in .keras, .h5, .hdf5, .json'),
        ("Model: {files: base.keras}", "unknown key `files` | did you mean `file`?"),
        ("Model: 3", "`Model` takes `{file: base.keras, trainable: ...}`; received the number 3"),
    ],
)  # fmt: skip
def test_a_nested_model_at_fault(told: Any, layer: str, fault: str) -> None:
    found = told(f"input: {{shape: [4]}}\nmodels:\n  a:\n    - {layer}\n  b: [Flatten]\n")
    assert [text for text in found if fault in text] == found[:1]


def test_a_link_to_no_file_is_named_as_such(told: Any, tmp_path: Path) -> None:
    link = tmp_path / "link.keras"
    link.symlink_to("gone.keras")
    (found,) = told(f"input: {{shape: [4]}}\nmodels:\n  a: [{{Model: {link}}}]\n  b: [Flatten]\n")
    assert "is a link to gone.keras, which does not exist" in found
