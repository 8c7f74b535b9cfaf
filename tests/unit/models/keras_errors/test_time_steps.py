"""Remedies for layers that take a sequence."""

from __future__ import annotations

import pytest

from tests.unit.models.keras_errors.remedies import build, cases, check_chain, error_of

pytestmark = pytest.mark.usefixtures("backend")

#: name | input shape | broken layers | words of the remedy | layers mended as it says
CHAINS = """
stacked lstm | [5, 3] | LSTM: 8, LSTM: 8 | `lstm` returns only its last step, shape (None, 8); \
set `return_sequences: true` on it, or put `RepeatVector` between | \
LSTM: {units: 8, return_sequences: true}, LSTM: 8
stacked lstm, repeated | [5, 3] | LSTM: 8, LSTM: 8 | or put `RepeatVector` between | \
LSTM: 8, RepeatVector: 4, LSTM: 8
dropout between | [5, 3] | GRU: 8, Dropout: 0.5, SimpleRNN: 2 | `gru` returns only its last step | \
GRU: {units: 8, return_sequences: true}, Dropout: 0.5, SimpleRNN: 2
behind bidirectional | [5, 3] | Bidirectional: {layer: {LSTM: 8}}, LSTM: 8 | \
`bidirectional` returns only its last step, shape (None, 16); set `return_sequences: true` on its \
inner layer | Bidirectional: {layer: {LSTM: {units: 8, return_sequences: true}}}, LSTM: 8
time distributed behind lstm | [5, 3] | LSTM: 8, TimeDistributed: {layer: {Dense: 2}} | \
`return_sequences: true` on it | \
LSTM: {units: 8, return_sequences: true}, TimeDistributed: {layer: {Dense: 2}}
time distributed left out | [5] | TimeDistributed: {layer: {Dense: 2}} | \
`Dense` also takes a vector | Dense: 2
time distributed on a vector | [5] | TimeDistributed: {layer: {Dense: 2}} | \
`Reshape: {target_shape: [5, 1]}` | \
Reshape: {target_shape: [5, 1]}, TimeDistributed: {layer: {Dense: 2}}
cell on a vector | [5, 3] | GRU: 8, RNN: {cell: {LSTMCell: 4}} | `return_sequences: true` on it | \
GRU: {units: 8, return_sequences: true}, RNN: {cell: {LSTMCell: 4}}
flatten before lstm | [5, 3] | Flatten, LSTM: 8 | `flatten` turns the sequence into one vector, \
shape (None, 15); remove it | LSTM: 8
lstm on numbers | [5] | LSTM: 8 | declare it as `shape: [5, 1]` | Reshape: [5, 1], LSTM: 8
lstm on variable numbers | [null] | LSTM: 8 | `Reshape: {target_shape: [-1, 1]}` | \
Reshape: [-1, 1], LSTM: 8
time distributed lstm | [5, 3] | TimeDistributed: {layer: {LSTM: 8}} | \
remove `TimeDistributed` | LSTM: 8
time distributed image | [9, 9, 3] | TimeDistributed: {layer: {Conv2D: {filters: 2, \
kernel_size: 3}}} | `Reshape: {target_shape: [1, 9, 9, 3]}` | Reshape: [1, 9, 9, 3], \
TimeDistributed: {layer: {Conv2D: {filters: 2, kernel_size: 3}}}
twice time distributed | [5, 3] | TimeDistributed: {layer: {TimeDistributed: {layer: {Dense: 2}}}} \
| remove one `TimeDistributed` | TimeDistributed: {layer: {Dense: 2}}
repeated sequence | [5, 3] | LSTM: {units: 3, return_sequences: true}, RepeatVector: 4 | \
set `return_sequences: false` on it | LSTM: {units: 3, return_sequences: false}, RepeatVector: 4
repeated input | [5, 3] | RepeatVector: 4 | `GlobalAveragePooling1D` or `Flatten` before it | \
GlobalAveragePooling1D, RepeatVector: 4
repeated image | [5, 3, 2] | RepeatVector: 4 | `GlobalAveragePooling2D` before it | \
GlobalAveragePooling2D, RepeatVector: 4
conv1d on a vector | [9] | Conv1D: {filters: 2, kernel_size: 3} | `shape: [9, 1]` | \
Reshape: [9, 1], Conv1D: {filters: 2, kernel_size: 3}
"""


@pytest.mark.parametrize(("shape", "broken", "words", "mended"), cases(CHAINS))
def test_a_chain_is_mended_by_its_remedy(shape: str, broken: str, words: str, mended: str) -> None:
    check_chain(shape, broken, words, mended)


def test_the_remedy_is_for_the_producer_not_for_a_layer_of_the_same_shape() -> None:
    inputs = {"a": {"shape": [5, 3]}, "b": {"shape": [5, 3]}}
    lstm = {"LSTM": {"units": 4, "return_sequences": False}}
    graph = {
        "mine": {**lstm, "from": ["a"]},
        "dropped": {"Dropout": 0.5, "from": ["mine"]},
        "other": {**lstm, "from": ["b"]},
        "x": {"LSTM": 4, "from": ["dropped"]},
    }
    error = error_of(build(inputs, {"graph": graph, "outputs": ["x", "other"]}))
    assert (error.hint or "").startswith("`mine` returns only its last step, shape (None, 4);")
