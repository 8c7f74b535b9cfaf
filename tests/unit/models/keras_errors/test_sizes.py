"""Remedies for sizes: windows, groups, variable axes, target shapes."""

from __future__ import annotations

import pytest

from tests.unit.models.keras_errors.remedies import cases, check_chain, check_graph

pytestmark = pytest.mark.usefixtures("backend")

#: name | input shape | broken layers | words of the remedy | layers mended as it says
CHAINS = """
alias | [4, 4, 3] | MaxPool2D: 5 | take `pool_size: 4` or less | MaxPool2D: 4
kernel in a video | [3, 4, 9, 2] | ConvLSTM2D: {filters: 2, kernel_size: 5} | `kernel_size` 5 does \
not fit in axis 2 of (None, 3, 4, 9, 2), which is 4 | ConvLSTM2D: {filters: 2, kernel_size: 4}
large kernel | [4, 9, 3] | Conv2D: {filters: 2, kernel_size: 5} | `kernel_size` 5 does not fit in \
axis 1 of (None, 4, 9, 3), which is 4; take `kernel_size: 4` or less | \
Conv2D: {filters: 2, kernel_size: 4}
large kernel, padded | [4, 9, 3] | Conv2D: {filters: 2, kernel_size: 5} | set `padding: same` | \
Conv2D: {filters: 2, kernel_size: 5, padding: same}
spread kernel | [8, 3] | Conv1D: {filters: 2, kernel_size: 5, dilation_rate: 2} | \
`kernel_size` 5, spread over 9 by `dilation_rate: 2`, does not fit in axis 1 of (None, 8, 3), \
which \
is 8; take `kernel_size: 4` or less | Conv1D: {filters: 2, kernel_size: 4, dilation_rate: 2}
large pool | [4, 3] | AveragePooling1D: 5 | take `pool_size: 4` or less | AveragePooling1D: 4
large kernel in time | [5, 4, 4, 3] | TimeDistributed: {layer: {Conv2D: {filters: 2, kernel_size: \
5}}} | take `kernel_size: 4` or less | TimeDistributed: {layer: {Conv2D: {filters: 2, \
kernel_size: 4}}}
channels first | [3, 9, 9] | Conv2D: {filters: 2, kernel_size: 5} | looks like channels first; \
put `Permute: {dims: [2, 3, 1]}` before `conv2d` | Permute: [2, 3, 1], \
Conv2D: {filters: 2, kernel_size: 5}
cropped away | [4, 4, 3] | Cropping2D: 2 | crop less on both sides together | Cropping2D: 1
variable features | [null] | Dense: 2 | declare `shape: [null, 1]` | Reshape: [-1, 1], Dense: 2
flattened length | [null, 4] | Flatten, Dense: 2 | `flatten` merges a variable axis into the \
features, so their number is unknown to `dense`; put `GlobalAveragePooling1D` instead | \
GlobalAveragePooling1D, Dense: 2
variable slopes | [null, 3] | PReLU | set `shared_axes: [1]` | PReLU: {shared_axes: [1]}
variable axis normalised | [null, 4] | BatchNormalization: {axis: 1} | set `axis: -1` | \
BatchNormalization: {axis: -1}
reshape | [12] | Reshape: [5, 2] | (None, 12) has 12 numbers per sample; `target_shape: [-1, 2]` \
fits | Reshape: [-1, 2]
reshape uneven | [13] | Reshape: [5, 2] | [5, 2] has 10; the sizes in `target_shape` have to \
multiply to 13, such as [-1] | Reshape: [-1]
reshape unknowns | [12] | Reshape: [-1, -1] | only one entry of `target_shape: [-1, -1]` can be \
-1 | \
Reshape: [-1, 6]
axis too far | [5, 4] | BatchNormalization: {axis: 5} | -1 is the last of (None, 5, 4) | \
BatchNormalization: {axis: -1}
axis too far, layer norm | [5, 4] | LayerNormalization: {axis: 3} | count axes from 0, the batch, \
to 2 | LayerNormalization: {axis: 2}
groups of channels | [5, 6] | GroupNormalization | `groups` has to divide the 6 channels: \
`1`, `2`, `3` or `6` | GroupNormalization: {groups: 3}
groups in conv | [9, 9, 3] | Conv2D: {filters: 2, kernel_size: 3, groups: 2} | divide the 3 \
channels \
of (None, 9, 9, 3): `1` or `3` | Conv2D: {filters: 3, kernel_size: 3, groups: 3}
groups of filters | [9, 9, 4] | Conv2D: {filters: 3, kernel_size: 3, groups: 2} | `filters: 4`, or \
`groups: 1` | Conv2D: {filters: 4, kernel_size: 3, groups: 2}
statistics | [5, 4] | Normalization: {mean: [1, 2, 3], variance: [1, 2, 3]} | one number for \
each of \
the 4 features | Normalization: {mean: [1, 2, 3, 4], variance: [1, 2, 3, 4]}
"""

#: name | shapes of a and b | broken node `x` | words of the remedy | nodes mended, the last is `x`
GRAPHS = """
axis beyond | [7, 4] [7, 4] | Concatenate: 5, from: [a, b] | -1 is the last | \
x: {Concatenate: -1, from: [a, b]}
"""


@pytest.mark.parametrize(("shape", "broken", "words", "mended"), cases(CHAINS))
def test_a_chain_is_mended_by_its_remedy(shape: str, broken: str, words: str, mended: str) -> None:
    check_chain(shape, broken, words, mended)


@pytest.mark.parametrize(("shapes", "broken", "words", "mended"), cases(GRAPHS))
def test_a_graph_is_mended_by_its_remedy(shapes: str, broken: str, words: str, mended: str) -> None:
    check_graph(shapes, broken, words, mended)
