"""Every public layer of Keras with plausible arguments and the inputs it takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from layerlens.scenario.spec import InputSpec, LayerSpec

FLOAT_VECTOR = (InputSpec("x", (6,)),)
SEQUENCE = (InputSpec("x", (8, 6)),)
IMAGE = (InputSpec("x", (8, 8, 3)),)
VOLUME = (InputSpec("x", (6, 6, 6, 2)),)
VIDEO = (InputSpec("x", (4, 6, 6, 2)),)
TOKENS = (InputSpec("x", (5,), "int32", low=0, high=10),)
TWO_VECTORS = (InputSpec("x", (6,)), InputSpec("y", (6,)))
TWO_SEQUENCES = (InputSpec("x", (8, 6)), InputSpec("y", (8, 6)))
TEXT = (InputSpec("x", (5,), "string"),)
WAVE = (InputSpec("x", (4000,)),)
BOXES = (InputSpec("x", (8, 8, 3)),)

#: What cannot be built from a scenario: bases, and layers around other frameworks' code or files.
NOT_BUILDABLE = {
    "FlaxLayer": "needs a Flax module",
    "InputLayer": "the scenario's `input:` makes it",
    "InputSpec": "is no layer",
    "JaxLayer": "needs a JAX function",
    "Lambda": "needs a function",
    "Layer": "is the base class",
    "TFSMLayer": "needs a SavedModel on disk",
    "TorchModuleWrapper": "needs a torch module",
    "Wrapper": "is a base class",
    "MaxNumBoundingBoxes": "takes a mapping of boxes",
    "CutMix": "takes a mapping of images and labels",
    "MixUp": "takes a mapping of images and labels",
}


class Case(NamedTuple):
    layer: LayerSpec
    inputs: tuple[InputSpec, ...]

    @property
    def id(self) -> str:
        return self.layer.type


def layer(kind: str, **arguments: Any) -> LayerSpec:
    return LayerSpec(kind, arguments)


def _case(inputs: tuple[InputSpec, ...], kind: str, **arguments: Any) -> Case:
    return Case(layer(kind, **arguments), inputs)


def _alike(inputs: tuple[InputSpec, ...], kinds: str, **arguments: Any) -> list[Case]:
    return [_case(inputs, kind, **arguments) for kind in kinds.split()]


CASES: list[Case] = [
    *_alike(
        FLOAT_VECTOR,
        "ActivityRegularization ELU Identity LayerNormalization LeakyReLU PReLU "
        "RMSNormalization ReLU Softmax UnitNormalization BatchNormalization Flatten Normalization",
    ),
    _case(FLOAT_VECTOR, "Activation", activation="tanh"),
    _case(FLOAT_VECTOR, "Dense", units=4),
    _case(FLOAT_VECTOR, "EinsumDense", equation="ab,bc->ac", output_shape=4, bias_axes="c"),
    _case(FLOAT_VECTOR, "GaussianNoise", stddev=0.5),
    *_alike(FLOAT_VECTOR, "Dropout AlphaDropout GaussianDropout", rate=0.5),
    _case(FLOAT_VECTOR, "GroupNormalization", groups=2),
    _case(FLOAT_VECTOR, "RepeatVector", n=3),
    _case(FLOAT_VECTOR, "Rescaling", scale=1 / 3, offset=0.1),
    _case(FLOAT_VECTOR, "Reshape", target_shape=[2, 3]),
    _case(FLOAT_VECTOR, "SpectralNormalization", layer=layer("Dense", units=4)),
    _case(FLOAT_VECTOR, "Discretization", bin_boundaries=[-1.0, 0.0, 1.0]),
    _case(FLOAT_VECTOR, "Pipeline", layers=(layer("Dense", units=3), layer("ReLU"))),
    *_alike(TWO_VECTORS, "Add Average Concatenate Maximum Minimum Multiply Subtract"),
    _case(TWO_VECTORS, "Dot", axes=1),
    *_alike(TWO_SEQUENCES, "AdditiveAttention Attention"),
    _case(TWO_SEQUENCES, "MultiHeadAttention", num_heads=2, key_dim=3),
    _case(
        TWO_SEQUENCES,
        "GroupQueryAttention",
        head_dim=3,
        num_query_heads=4,
        num_key_value_heads=2,
    ),
    *_alike(
        SEQUENCE,
        "GlobalAveragePooling1D GlobalAvgPool1D GlobalMaxPool1D "
        "GlobalMaxPooling1D MaxPool1D MaxPooling1D UpSampling1D Masking",
    ),
    *_alike(SEQUENCE, "AveragePooling1D AvgPool1D", pool_size=2),
    *_alike(SEQUENCE, "AdaptiveAveragePooling1D AdaptiveMaxPooling1D", output_size=4),
    *_alike(SEQUENCE, "Cropping1D"),
    *_alike(SEQUENCE, "ZeroPadding1D"),
    *_alike(SEQUENCE, "GRU LSTM SimpleRNN", units=4),
    *_alike(
        SEQUENCE,
        "Conv1D Convolution1D Conv1DTranspose Convolution1DTranspose SeparableConv1D "
        "SeparableConvolution1D",
        filters=4,
        kernel_size=3,
    ),
    _case(SEQUENCE, "DepthwiseConv1D", kernel_size=3),
    _case(SEQUENCE, "Bidirectional", layer=layer("LSTM", units=4)),
    _case(SEQUENCE, "Permute", dims=[2, 1]),
    _case(SEQUENCE, "RNN", cell=layer("LSTMCell", units=4)),
    _case(SEQUENCE, "SpatialDropout1D", rate=0.5),
    _case(SEQUENCE, "TimeDistributed", layer=layer("Dense", units=4)),
    *[
        _case(SEQUENCE, "RNN", cell=layer(cell, units=4))
        for cell in ("GRUCell", "LSTMCell", "SimpleRNNCell")
    ],
    _case(
        SEQUENCE,
        "RNN",
        cell=layer("StackedRNNCells", cells=(layer("GRUCell", units=4), layer("GRUCell", units=3))),
    ),
    *_alike(TOKENS, "Embedding ReversibleEmbedding", input_dim=10, output_dim=4),
    _case(TOKENS, "CategoryEncoding", num_tokens=10),
    _case(TOKENS, "Hashing", num_bins=4),
    _case(
        (InputSpec("x", (1,), "int32", 0, 10), InputSpec("y", (1,), "int32", 0, 10)),
        "HashedCrossing",
        num_bins=4,
    ),
    _case(TOKENS, "IntegerLookup", vocabulary=[3, 5, 7]),
    _case(TEXT, "StringLookup", vocabulary=["a", "b"]),
    _case((InputSpec("x", (1,), "string"),), "TextVectorization", vocabulary=["a", "b"]),
    _case(WAVE, "MelSpectrogram"),
    _case((InputSpec("x", (4000, 1)),), "STFTSpectrogram"),
    *_alike(
        IMAGE,
        "GlobalAveragePooling2D GlobalAvgPool2D GlobalMaxPool2D "
        "GlobalMaxPooling2D MaxPool2D MaxPooling2D UpSampling2D ZeroPadding2D AugMix AutoContrast "
        "Equalization RandAugment RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale "
        "RandomInvert RandomPerspective Solarization ContrastLimitedAdaptiveHistogramEqualization "
        "RandomElasticTransform RandomColorJitter RandomShear",
    ),
    _case(IMAGE, "Cropping2D", cropping=1),
    *_alike(IMAGE, "AveragePooling2D AvgPool2D", pool_size=2),
    *_alike(IMAGE, "AdaptiveAveragePooling2D AdaptiveMaxPooling2D", output_size=4),
    *_alike(
        IMAGE,
        "Conv2D Convolution2D Conv2DTranspose Convolution2DTranspose SeparableConv2D "
        "SeparableConvolution2D",
        filters=4,
        kernel_size=3,
    ),
    _case(IMAGE, "DepthwiseConv2D", kernel_size=3),
    *_alike(IMAGE, "CenterCrop RandomCrop Resizing", height=4, width=4),
    *_alike(
        IMAGE,
        "RandomBrightness RandomColorDegeneration RandomContrast RandomHue "
        "RandomSaturation RandomSharpness RandomRotation",
        factor=0.2,
    ),
    _case(IMAGE, "RandomPosterization", factor=4),
    _case(IMAGE, "RandomTranslation", height_factor=0.2, width_factor=0.2),
    _case(IMAGE, "RandomZoom", height_factor=0.2),
    _case(IMAGE, "SpatialDropout2D", rate=0.5),
    *_alike(
        VOLUME,
        "GlobalAveragePooling3D GlobalAvgPool3D GlobalMaxPool3D "
        "GlobalMaxPooling3D MaxPool3D MaxPooling3D UpSampling3D ZeroPadding3D",
    ),
    *_alike(VOLUME, "AveragePooling3D AvgPool3D", pool_size=2),
    *_alike(VOLUME, "AdaptiveAveragePooling3D AdaptiveMaxPooling3D", output_size=3),
    _case(VOLUME, "Cropping3D", cropping=1),
    *_alike(
        VOLUME,
        "Conv3D Convolution3D Conv3DTranspose Convolution3DTranspose",
        filters=2,
        kernel_size=2,
    ),
    _case(VOLUME, "SpatialDropout3D", rate=0.5),
    _case((InputSpec("x", (4, 6, 2)),), "ConvLSTM1D", filters=2, kernel_size=2),
    _case(VIDEO, "ConvLSTM2D", filters=2, kernel_size=2),
    _case((InputSpec("x", (3, 4, 4, 4, 2)),), "ConvLSTM3D", filters=2, kernel_size=2),
]

#: The same layers in forms that keep state, hold values or nest.
VARIANTS: list[Case] = [
    _case(FLOAT_VECTOR, "Normalization", mean=[0.5] * 6, variance=[2.0] * 6),
    _case(FLOAT_VECTOR, "Normalization", axis=None, mean=0.5, variance=2.0),
    _case(FLOAT_VECTOR, "Discretization", num_bins=3, output_mode="one_hot"),
    _case(FLOAT_VECTOR, "Normalization", mean=0.0, variance=1.0, invert=True),
    _case(SEQUENCE, "GRU", units=4, stateful=True),
    _case(SEQUENCE, "LSTM", units=4, stateful=True, return_sequences=True),
    _case(SEQUENCE, "LSTM", units=4, return_state=True),
    _case(SEQUENCE, "LSTM", units=4, dropout=0.3, recurrent_dropout=0.2, unroll=True),
    _case(SEQUENCE, "Bidirectional", layer=layer("GRU", units=4, stateful=True)),
    _case(
        SEQUENCE,
        "Bidirectional",
        layer=layer("LSTM", units=4),
        backward_layer=layer("GRU", units=4, go_backwards=True),
    ),
    _case(SEQUENCE, "RNN", cell=layer("LSTMCell", units=4), stateful=True),
    _case(SEQUENCE, "RNN", cell=(layer("LSTMCell", units=4), layer("GRUCell", units=3))),
    _case(SEQUENCE, "Bidirectional", layer=layer("RNN", cell=layer("GRUCell", units=4))),
    _case(
        VIDEO,
        "TimeDistributed",
        layer=layer("Conv2D", filters=2, kernel_size=3),
    ),
    _case(
        VIDEO,
        "TimeDistributed",
        layer=(
            layer("Conv2D", filters=2, kernel_size=3),
            layer("Flatten"),
            layer("Dense", units=2),
        ),
    ),
    _case(VIDEO, "ConvLSTM2D", filters=2, kernel_size=2, stateful=True),
    _case(IMAGE, "SpectralNormalization", layer=layer("Conv2D", filters=2, kernel_size=3)),
    _case(TOKENS, "Embedding", input_dim=10, output_dim=4, mask_zero=True),
    _case(TOKENS, "IntegerLookup", vocabulary=[3, 5], output_mode="multi_hot"),
    _case(TEXT, "StringLookup", vocabulary=["a", "b"], output_mode="count"),
    _case(
        TEXT,
        "StringLookup",
        vocabulary=["a", "b"],
        output_mode="tf_idf",
        idf_weights=[0.5, 0.25],
    ),
    _case(SEQUENCE, "TimeDistributed", layer=layer("BatchNormalization")),
    _case(TWO_SEQUENCES, "Attention", use_scale=True),
    _case(FLOAT_VECTOR, "BatchNormalization", renorm=True),
    _case(FLOAT_VECTOR, "Dense", units=4, lora_rank=2),
]
