"""Models whose paths double with every block, for tests of what grows with paths."""

from __future__ import annotations

import itertools

from layerlens.scenario.spec import LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.pairs import layer

DOUBLINGS = 40


def residual(name: str, *end: LayerSpec, blocks: int = DOUBLINGS) -> ModelSpec:
    """Return x + relu(x) so many times, then the layers of `end`."""
    nodes, last = [], "input"
    for block in range(blocks):
        nodes.append(NodeSpec(f"relu{block}", layer("ReLU"), (last,)))
        nodes.append(NodeSpec(f"add{block}", layer("Add"), (last, f"relu{block}")))
        last = f"add{block}"
    for position, held in enumerate(end):
        nodes.append(NodeSpec(f"end{position}", held, (last,)))
        last = f"end{position}"
    return ModelSpec(name, "graph", nodes=tuple(nodes), outputs=(last,))


def doubled(name: str, kind: str, steps: int = DOUBLINGS, odd: int | None = None) -> ModelSpec:
    """Return a merging layer of its own output twice over, so many times; one may be `Average`."""
    names = ["input", *(f"m{step}" for step in range(steps))]
    nodes = tuple(
        NodeSpec(name, layer("Average" if step == odd else kind), (given, given))
        for step, (given, name) in enumerate(itertools.pairwise(names))
    )
    return ModelSpec(name, "graph", nodes=nodes, outputs=(names[-1],))
