"""Layers are connected in order, shared layers once, and faults of a graph are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layerlens.errors import ScenarioError
from layerlens.models.build_model import build_model
from layerlens.scenario.reading.scenarios import read_scenarios
from layerlens.scenario.spec import InputSpec
from tests.unit.models.build.models import SEQUENCE, VECTOR, build, chain, graph, node, refusal
from tests.unit.tables.every_layer import layer


def test_an_input_given_twice_is_query_and_value() -> None:
    for attention in (layer("Attention"), layer("MultiHeadAttention", num_heads=2, key_dim=3)):
        spec = graph(node("mix", attention, "input", "input"), outputs=("mix",))
        built = build(spec, SEQUENCE)
        assert built.report.output_shape == (None, 64, 15)
        assert built.report.layers[0].name == "mix"


def test_nodes_are_put_in_order_and_shared_layers_counted_once() -> None:
    spec = graph(
        node("sum", layer("Add"), "left", "right"),
        node("right", None, "b", share="left"),
        node("left", layer("Dense", units=4), "a"),
        outputs=("sum", "left"),
    )
    built = build(spec, (InputSpec("a", (6,)), InputSpec("b", (6,))))
    assert built.report.params == 28
    assert built.report.output_shape == ((None, 4), (None, 4))
    total, left = built.model([np.ones((2, 6)), np.zeros((2, 6))])
    np.testing.assert_allclose(total, left)  # zeros through the shared layer add its zero bias


def test_the_state_of_one_layer_starts_another() -> None:
    encoder = node("encoder", layer("LSTM", units=4, return_state=True), "source")
    inputs = (InputSpec("source", (5, 3)), InputSpec("target", (2, 3)))
    decoder = layer("LSTM", units=4, return_sequences=True)
    spec = graph(
        encoder, node("decoder", decoder, "target", "encoder:1", "encoder:2"), outputs=("decoder",)
    )
    model = build(spec, inputs).model
    x, y = np.ones((1, 5, 3)), np.ones((1, 2, 3))
    assert not np.allclose(model([x, y]), model([x * 2, y]))
    assert len(build(graph(encoder, outputs=("encoder",)), inputs).model.outputs) == 3


def test_a_graph_at_fault_names_the_fault() -> None:
    circle = graph(node("a", layer("ReLU"), "b"), node("b", layer("ReLU"), "a"), outputs=("a",))
    with pytest.raises(ScenarioError, match="the graph has a cycle: a -> b -> a"):
        build_model(circle, VECTOR)
    lost = graph(node("a", layer("ReLU"), "inptu"), outputs=("a",))
    with pytest.raises(ScenarioError, match="`inptu` is not a node or input; there are `input`"):
        build_model(lost, VECTOR)
    beyond = graph(node("a", layer("ReLU"), "input"), outputs=("a:1",))
    with pytest.raises(ScenarioError, match="takes output 1 of `a`, which has 1"):
        build_model(beyond, VECTOR)


def test_two_layers_of_one_name_are_refused() -> None:
    spec = chain(layer("Dense", units=3, name="same"), layer("ReLU", name="same"))
    assert "two layers of the model are called `same`" in refusal(spec).report.error.message


OUT_OF_RANGE = """
input: {shape: [5, 3]}
models:
  a:
    graph:
      enc: {GRU: {units: 4, return_state: true}, from: [input]}
      out: {Dense: 2, from: ["SOURCE"]}
      att:
        MultiHeadAttention: {num_heads: 1, key_dim: 2}
        from: [input, input]
        call: {attention_mask: "node:MASK"}
    outputs: [out, "OUTPUT"]
  b: [Flatten]
"""


@pytest.mark.parametrize(
    ("written", "line", "column", "has"),
    [("SOURCE", 7, 30, 2), ("MASK", 11, 32, 2), ("OUTPUT", 12, 20, 2)],
)
def test_an_output_out_of_range_is_placed_where_it_is_named(
    tmp_path: Path, written: str, line: int, column: int, has: int
) -> None:
    text = OUT_OF_RANGE.replace(written, "enc:7")
    for other in ("SOURCE", "MASK", "OUTPUT"):
        text = text.replace(other, "enc:1")
    path = tmp_path / "s.yaml"
    path.write_text(text)
    (scenario,) = read_scenarios(path)
    with pytest.raises(ScenarioError, match=f"output 7 of `enc`, which has {has}") as caught:
        build_model(scenario.models[0], scenario.inputs)
    (fault,) = caught.value.faults
    assert fault.where is not None
    assert (fault.where.line, fault.where.column) == (line, column)
