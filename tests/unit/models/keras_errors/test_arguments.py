"""Remedies for values and names of arguments."""

from __future__ import annotations

import pytest

from tests.unit.models.keras_errors.remedies import cases, check_chain

pytestmark = pytest.mark.usefixtures("backend")

#: name | input shape | broken layers | words of the remedy | layers mended as it says
CHAINS = """
stride of nothing | [8, 6] | MaxPooling1D: {strides: 0} | at least 1 | MaxPooling1D: {strides: 1}
dtype | [4] | Dense: {units: 2, dtype: float23} | the nearest is `dtype: float32` | \
Dense: {units: 2, dtype: float32}
same name | [4] | Dense: {units: 2, name: a}, Dense: {units: 2, name: a} | another `name` | \
Dense: {units: 2, name: a}, Dense: 2
no units | [5] | Dense: 0 | `units` is a count: an integer of at least 1 | Dense: 1
percent | [5] | Dropout: 50 | for 50 percent write `rate: 0.5` | Dropout: 0.5
strides and dilation | [9, 3] | Conv1D: {filters: 2, kernel_size: 3, strides: 2, dilation_rate: \
2} | \
remove either | Conv1D: {filters: 2, kernel_size: 3, strides: 2}
padding | [9, 9, 3] | Conv2D: {filters: 2, kernel_size: 3, padding: causal} | use `same` or \
`valid` | \
Conv2D: {filters: 2, kernel_size: 3, padding: same}
interpolation | [8, 8, 3] | RandomZoom: {height_factor: 0.1, interpolation: bicubic} | \
`interpolation` is one of `bilinear` or `nearest` | RandomZoom: {height_factor: 0.1, \
interpolation: nearest}
output padding | [5, 3] | Conv1DTranspose: {filters: 2, kernel_size: 3, strides: 2, \
output_padding: 2} | at most 1 | Conv1DTranspose: {filters: 2, kernel_size: 3, strides: 2, \
output_padding: 1}
either argument | [5] | Discretization | set `bin_boundaries` or `num_bins` | \
Discretization: {bin_boundaries: [0, 1]}
value of an argument | [5] | ReLU: {max_value: -1} | change `max_value: -1` | ReLU: {max_value: 1}
rows fixed | [4, null, 5, 2] | ConvLSTM2D: {filters: 2, kernel_size: 3} | instead of `null` | none
"""


@pytest.mark.parametrize(("shape", "broken", "words", "mended"), cases(CHAINS))
def test_a_chain_is_mended_by_its_remedy(shape: str, broken: str, words: str, mended: str) -> None:
    check_chain(shape, broken, words, mended)
