"""Remedies for values and names of arguments."""

from __future__ import annotations

import pytest

from tests.unit.models.keras_errors.remedies import cases, check_chain, check_graph

pytestmark = pytest.mark.usefixtures("backend")

#: name | input shape | broken layers | words of the remedy | layers mended as it says
CHAINS = """
stride of nothing | [8, 6] | MaxPooling1D: {strides: 0} | at least 1 | MaxPooling1D: {strides: 1}
dtype | [4] | Dense: {units: 2, dtype: float23} | the nearest is `dtype: float32` | \
Dense: {units: 2, dtype: float32}
same name | [4] | Dense: {units: 2, name: a}, Dense: {units: 2, name: a} | another `name` | \
Dense: {units: 2, name: a}, Dense: 2
activation | [5] | Dense: {units: 3, activation: rleu} | the nearest is `relu` | \
Dense: {units: 3, activation: relu}
function of TensorFlow | [5] | Dense: {units: 3, activation: tf.nn.relu} | the nearest is `relu` | \
Dense: {units: 3, activation: relu}
activation elsewhere | [5] | Dense: {units: 3, activation: Identity} | write `linear` | \
Dense: {units: 3, activation: linear}
initializer elsewhere | [5] | Dense: {units: 3, kernel_initializer: kaiming_normal} | \
write `he_normal` | Dense: {units: 3, kernel_initializer: he_normal}
initializer | [5] | Dense: {units: 3, kernel_initializer: xavier} | write \
`glorot_uniform` | \
Dense: {units: 3, kernel_initializer: glorot_uniform}
constraint | [5] | Dense: {units: 3, kernel_constraint: maxnorm} | the nearest is `max_norm` | \
Dense: {units: 3, kernel_constraint: max_norm}
no units | [5] | Dense: 0 | `units` is a count: an integer of at least 1 | Dense: 1
percent | [5] | Dropout: 50 | for 50 percent write `rate: 0.5` | Dropout: 0.5
strides and dilation | [9, 3] | Conv1D: {filters: 2, kernel_size: 3, strides: 2, dilation_rate: \
2} | \
remove either | Conv1D: {filters: 2, kernel_size: 3, strides: 2}
padding | [9, 9, 3] | Conv2D: {filters: 2, kernel_size: 3, padding: causal} | use `same` or \
`valid` | \
Conv2D: {filters: 2, kernel_size: 3, padding: same}
padding by a number | [9, 9, 3] | Conv2D: {filters: 2, kernel_size: 3, padding: 1} | put \
`ZeroPadding2D: 1` before the layer | ZeroPadding2D: 1, Conv2D: {filters: 2, kernel_size: 3}
mode of an initializer | [5] | Dense: {units: 3, kernel_initializer: {VarianceScaling: {mode: \
fanin}}} | the nearest is `mode: fan_in` | Dense: {units: 3, kernel_initializer: \
{VarianceScaling: {mode: fan_in}}}
layer as an activation | [5] | Dense: {units: 3, activation: LeakyReLU} | the layer of this \
name is `activation: {LeakyReLU: {}}` | Dense: {units: 3, activation: {LeakyReLU: {}}}
data format | [9, 3] | Conv1D: {filters: 2, kernel_size: 3, data_format: channel_last} | \
the nearest is `data_format: channels_last` | Conv1D: {filters: 2, kernel_size: 3, data_format: \
channels_last}
merge mode | [5, 3] | Bidirectional: {layer: {LSTM: 2}, merge_mode: add} | \
the nearest is `merge_mode: sum` | Bidirectional: {layer: {LSTM: 2}, merge_mode: sum}
output padding | [5, 3] | Conv1DTranspose: {filters: 2, kernel_size: 3, strides: 2, \
output_padding: 2} | at most 1 | Conv1DTranspose: {filters: 2, kernel_size: 3, strides: 2, \
output_padding: 1}
either argument | [5] | Discretization | set `bin_boundaries` or `num_bins` | \
Discretization: {bin_boundaries: [0, 1]}
value of an argument | [5] | ReLU: {max_value: -1} | change `max_value: -1` | ReLU: {max_value: 1}
rows fixed | [4, null, 5, 2] | ConvLSTM2D: {filters: 2, kernel_size: 3} | instead of `null` | none
"""

#: name | shapes of a and b | broken node `x` | words of the remedy | nodes mended, the last is `x`
GRAPHS = """
score mode | [4, 2] [5, 2] | Attention: {score_mode: dotted}, from: [a, b] | \
the nearest is `score_mode: dot` | x: {Attention: {score_mode: dot}, from: [a, b]}
"""


@pytest.mark.parametrize(("shape", "broken", "words", "mended"), cases(CHAINS))
def test_a_chain_is_mended_by_its_remedy(shape: str, broken: str, words: str, mended: str) -> None:
    check_chain(shape, broken, words, mended)


@pytest.mark.parametrize(("shapes", "broken", "words", "mended"), cases(GRAPHS))
def test_a_graph_is_mended_by_its_remedy(shapes: str, broken: str, words: str, mended: str) -> None:
    check_graph(shapes, broken, words, mended)
