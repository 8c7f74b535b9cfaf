"""Remedies for inputs with too many or too few axes."""

from __future__ import annotations

import pytest

from tests.unit.models.keras_errors.remedies import cases, check_chain

pytestmark = pytest.mark.usefixtures("backend")

#: name | input shape | broken layers | words of the remedy | layers mended as it says
CHAINS = """
lstm on an image | [28, 28, 3] | LSTM: 8 | `Reshape: {target_shape: [28, 84]}` | \
Reshape: {target_shape: [28, 84]}, LSTM: 8
lstm on a video | [2, 9, 9, 3] | LSTM: 8 | use `ConvLSTM2D` | \
ConvLSTM2D: {filters: 2, kernel_size: 3}
one number, normalised | [] | LayerNormalization | `shape: [1]` | Reshape: [1], LayerNormalization
no channels | [28, 28] | Conv2D: {filters: 2, kernel_size: 3} | has no channel axis for `Conv2D`: \
declare the input as `shape: [28, 28, 1]` | Reshape: [28, 28, 1], Conv2D: {filters: 2, \
kernel_size: 3}
a sequence after all | [28, 4] | MaxPooling2D: 2 | use `MaxPooling1D` | MaxPooling1D: 2
image for a volume | [9, 9, 3] | Conv3D: {filters: 2, kernel_size: 3} | for an image use \
`Conv2D` | \
Conv2D: {filters: 2, kernel_size: 3}
image as a vector | [784] | Conv2D: {filters: 2, kernel_size: 3} | \
`Reshape: {target_shape: [28, 28, 1]}` | Reshape: [28, 28, 1], Conv2D: {filters: 2, kernel_size: 3}
flatten before conv | [9, 9, 3] | Flatten, Conv2D: {filters: 2, kernel_size: 3} | \
put it after `conv2d` | Conv2D: {filters: 2, kernel_size: 3}, Flatten
samples counted in | [100, 9, 9, 3] | Conv2D: {filters: 2, kernel_size: 3} | \
if 100 is the number of samples, remove it from `shape` | \
TimeDistributed: {layer: {Conv2D: {filters: 2, kernel_size: 3}}}
conv1d on an image | [9, 9, 3] | Conv1D: {filters: 2, kernel_size: 3} | use `Conv2D` | \
Conv2D: {filters: 2, kernel_size: 3}
convlstm on an image | [9, 9, 3] | ConvLSTM2D: {filters: 2, kernel_size: 3} | \
`Reshape: {target_shape: [1, 9, 9, 3]}` | Reshape: [1, 9, 9, 3], ConvLSTM2D: {filters: 2, \
kernel_size: 3}
global pooling twice | [9, 3] | GlobalMaxPooling1D, GlobalAveragePooling1D | \
is already one vector per sample; remove `global_average_pooling1d` | GlobalMaxPooling1D
upsampling | [9, 3] | UpSampling2D: 2 | use `UpSampling1D` | UpSampling1D: 2
padding an image | [9, 9, 3] | ZeroPadding1D: 2 | use `ZeroPadding2D` | ZeroPadding2D: 2
cropping a sequence | [9, 3] | Cropping2D: 2 | use `Cropping1D` | Cropping1D: 2
transposed | [9, 3] | Conv2DTranspose: {filters: 2, kernel_size: 3} | \
for a sequence use `Conv1DTranspose` | Conv1DTranspose: {filters: 2, kernel_size: 3}
spatial dropout | [9, 3] | SpatialDropout2D: 0.5 | use `SpatialDropout1D` | SpatialDropout1D: 0.5
spatial dropout of a vector | [9] | SpatialDropout1D: 0.5 | use `Dropout` | Dropout: 0.5
one number | [] | Dense: 2 | `Reshape: {target_shape: [1]}` | Reshape: [1], Dense: 2
permute | [9, 3, 2] | Permute: [2, 1] | 3 entries, such as `dims: [2, 3, 1]` | Permute: [2, 3, 1]
permute from zero | [9, 3] | Permute: [0, 1] | counted from 1 | Permute: [2, 1]
"""


@pytest.mark.parametrize(("shape", "broken", "words", "mended"), cases(CHAINS))
def test_a_chain_is_mended_by_its_remedy(shape: str, broken: str, words: str, mended: str) -> None:
    check_chain(shape, broken, words, mended)
