"""Remedies for layers with several inputs."""

from __future__ import annotations

import pytest

from tests.unit.models.keras_errors.remedies import (
    build,
    cases,
    check_chain,
    check_graph,
    error_of,
    layers_of,
)

pytestmark = pytest.mark.usefixtures("backend")

#: name | input shape | broken layers | words of the remedy | layers mended as it says
CHAINS = """
states come along | [5, 3] | LSTM: {units: 4, return_state: true}, Dense: 2 | `lstm` returns its \
states in addition to its output; remove `return_state: true` | LSTM: 4, Dense: 2
"""

#: name | shapes of a and b | broken node `x` | words of the remedy | nodes mended, the last is `x`
GRAPHS = """
widths | [4] [5] | Add, from: [a, b] | axis 1 is 4 in (None, 4) and 5 in (None, 5); give both the \
same width, for example with `Dense: 4` after the second | d: {Dense: 4, from: [b]}, x: {Add, \
from: [a, d]}
widths, joined | [4] [5] | Multiply, from: [a, b] | or join them with `Concatenate` | \
x: {Concatenate, from: [a, b]}
lengths | [7, 4] [6, 4] | Add, from: [a, b] | `Cropping1D: {cropping: [0, 1]}` after the larger | \
d: {Cropping1D: [0, 1], from: [a]}, x: {Add, from: [d, b]}
images | [8, 8, 4] [7, 7, 2] | Concatenate, from: [a, b] | \
`ZeroPadding2D: {padding: [[0, 1], [0, 1]]}` after the smaller | \
d: {ZeroPadding2D: [[0, 1], [0, 1]], from: [b]}, x: {Concatenate, from: [a, d]}
ranks | [4] [3, 5] | Add, from: [a, b] | put `Dense: 5` and then `RepeatVector: 3` after the \
vector | \
c: {Dense: 5, from: [a]}, d: {RepeatVector: 3, from: [c]}, x: {Add, from: [d, b]}
ranks joined | [4] [3, 5] | Concatenate, from: [a, b] | `RepeatVector: 3` after the vector | \
d: {RepeatVector: 3, from: [a]}, x: {Concatenate, from: [d, b]}
axis joined | [7, 4] [6, 4] | Concatenate, from: [a, b] | and only axis 2 is joined; set `axis: \
1` | \
x: {Concatenate: 1, from: [a, b]}
three subtracted | [4] [4] | Subtract, from: [a, b, b] | join two, and the result with the next | \
d: {Subtract, from: [a, b]}, x: {Subtract, from: [d, b]}
dot | [7, 4] [4, 5] | Dot: -1, from: [a, b] | `axes: [2, 1]` would fit | \
x: {Dot: [2, 1], from: [a, b]}
dot of widths | [4] [5] | Dot: 1, from: [a, b] | `Dense: 4` after the second | \
d: {Dense: 4, from: [b]}, x: {Dot: 1, from: [a, d]}
two for one | [4] [5] | Dense: 3, from: [a, b] | join them first with `Concatenate` | \
d: {Concatenate, from: [a, b]}, x: {Dense: 3, from: [d]}
two for time distributed | [4, 2] [4, 2] | TimeDistributed: {layer: {Dense: 3}}, from: [a, b] | \
with `Concatenate` or `Add` | d: {Add, from: [a, b]}, \
x: {TimeDistributed: {layer: {Dense: 3}}, from: [d]}
one for attention | [4, 2] [5] | Attention, from: [a] | `from: [a, a]` | \
x: {Attention, from: [a, a]}
one for heads | [4, 2] [5] | MultiHeadAttention: {num_heads: 2, key_dim: 3}, from: [a] | \
takes a query and a value | x: {MultiHeadAttention: {num_heads: 2, key_dim: 3}, from: [a, a]}
keys of another length | [4, 2] [5, 2] | MultiHeadAttention: {num_heads: 2, key_dim: 3}, \
from: [a, a, b] | remove the key | \
x: {MultiHeadAttention: {num_heads: 2, key_dim: 3}, from: [a, b]}
"""


@pytest.mark.parametrize(("shape", "broken", "words", "mended"), cases(CHAINS))
def test_a_chain_is_mended_by_its_remedy(shape: str, broken: str, words: str, mended: str) -> None:
    check_chain(shape, broken, words, mended)


@pytest.mark.parametrize(("shapes", "broken", "words", "mended"), cases(GRAPHS))
def test_a_graph_is_mended_by_its_remedy(shapes: str, broken: str, words: str, mended: str) -> None:
    check_graph(shapes, broken, words, mended)


def test_shared_layer_on_another_width() -> None:
    inputs = {"a": {"shape": [5]}, "b": {"shape": [6]}}
    graph = {"d": {"Dense": 2, "from": ["a"]}, "x": {"share": "d", "from": ["b"]}}
    error = error_of(build(inputs, {"graph": graph, "outputs": ["x"]}))
    assert "`d` was built for an axis -1 of 5 and now receives (None, 6)" in (error.hint or "")


def test_returned_states_are_left_out() -> None:
    layers = layers_of("GRU: {units: 3, return_state: true}, Dense: 2")
    hint = error_of(build({"input": {"shape": [4, 2]}}, layers)).hint
    assert hint == (
        "`gru` returns its states in addition to its output; remove `return_state: true` from it, "
        "or in a `graph:` take its output alone, `gru:0`"
    )
