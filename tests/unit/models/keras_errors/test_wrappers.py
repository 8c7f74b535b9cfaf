"""Remedies for wrappers, and for the layers and cells in them."""

from __future__ import annotations

import pytest

from tests.unit.models.keras_errors.remedies import cases, check_chain

pytestmark = pytest.mark.usefixtures("backend")

#: name | input shape | broken layers | words of the remedy | layers mended as it says
CHAINS = """
both forward | [5, 3] | Bidirectional: {layer: {LSTM: 2}, backward_layer: {LSTM: 2}} | \
set `go_backwards: true` on one | \
Bidirectional: {layer: {LSTM: 2}, backward_layer: {LSTM: {units: 2, go_backwards: true}}}
no direction | [5, 3] | Bidirectional: {layer: {Dense: 2}} | use `Dense` itself | Dense: 2
layer for a cell | [5, 3] | RNN: {cell: {LSTM: 3}} | use `LSTMCell` instead | \
RNN: {cell: {LSTMCell: 3}}
layer among cells | [5, 3] | RNN: {cell: [{LSTMCell: 3}, {GRU: 2}]} | use `GRUCell` instead | \
RNN: {cell: [{LSTMCell: 3}, {GRUCell: 2}]}
nothing to normalise | [5, 3] | SpectralNormalization: {layer: {Dropout: 0.5}} | \
wraps a layer with a kernel, such as `Dense` | SpectralNormalization: {layer: {Dense: 2}}
several outputs | [5, 3] | TimeDistributed: {layer: {Functional: {input: {shape: [3]}, \
graph: {d: {Dense: 2, from: [input]}, e: {Dense: 3, from: [input]}}, outputs: [d, e]}}} | \
join the outputs inside it, with `Concatenate` | \
TimeDistributed: {layer: {Functional: {input: {shape: [3]}, graph: {d: {Dense: 2, from: [input]}, \
e: {Dense: 3, from: [input]}, c: {Concatenate: {}, from: [d, e]}}, outputs: [c]}}}
"""


@pytest.mark.parametrize(("shape", "broken", "words", "mended"), cases(CHAINS))
def test_a_chain_is_mended_by_its_remedy(shape: str, broken: str, words: str, mended: str) -> None:
    check_chain(shape, broken, words, mended)
