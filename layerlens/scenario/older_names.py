"""The names that Keras 1 and 2 gave to layers and arguments, and what Keras 3 has instead."""

from __future__ import annotations

from collections.abc import Mapping

#: Class in Keras 1 or 2 → the class in Keras 3 that computes the same.
RENAMED_CLASSES: Mapping[str, str] = {
    **{f"Convolution{axes}D": f"Conv{axes}D" for axes in (1, 2, 3)},
    **{f"AtrousConvolution{axes}D": f"Conv{axes}D" for axes in (1, 2)},
    **{f"AtrousConv{axes}D": f"Conv{axes}D" for axes in (1, 2)},
    **{f"Deconvolution{axes}D": f"Conv{axes}DTranspose" for axes in (2, 3)},
    **{f"Convolution{axes}DTranspose": f"Conv{axes}DTranspose" for axes in (2, 3)},
    **{f"SeparableConvolution{axes}D": f"SeparableConv{axes}D" for axes in (1, 2)},
    "TimeDistributedDense": "Dense",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "LayerNormalizationV1": "LayerNormalization",
    **{f"{kind}{end}": kind for kind in ("LSTM", "GRU") for end in ("V1", "V2")},
    **{f"{start}{kind}": kind for kind in ("LSTM", "GRU") for start in ("CuDNN", "Unified")},
    "ThresholdedReLU": "ReLU",
}

OWN_LAYER = "write a custom layer, and build the model in a function"
#: Classes that Keras 3 neither has nor expresses → what they are, and what to write instead.
GONE_CLASSES: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("LocallyConnected1D", "LocallyConnected2D"),
        ("a convolution with different weights at each position", OWN_LAYER),
    ),
    "SReLU": ("a rectifier with four learned values", OWN_LAYER),
    "ParametricSoftplus": ("a softplus with two learned values", OWN_LAYER),
    "Graph": ("the graph model of Keras 0 and 1", "write it with the functional API"),
    "TensorFlowOpLayer": ("a raw operation of TensorFlow", "write it with `keras.ops`"),
    "SlicingOpLambda": ("a slice by a TensorFlow operation", "slice the tensor itself: `x[:, 0]`"),
    "ClassMethod": ("a method of a TensorFlow class", "write it with `keras.ops`"),
    "InstanceMethod": ("a method of a TensorFlow object", "write it with `keras.ops`"),
    "InstanceProperty": ("a property of a TensorFlow object", "write it with `keras.ops`"),
    "DenseFeatures": ("a layer of TensorFlow's feature columns", "use `FeatureSpace`"),
    "SequenceFeatures": ("a layer of TensorFlow's feature columns", "use `FeatureSpace`"),
    "CategoryCrossing": ("a crossing of categories as text", "use `HashedCrossing`"),
    **dict.fromkeys(("RandomHeight", "RandomWidth"), ("a random size", "use `RandomZoom`")),
    **dict.fromkeys(
        ("RandomFourierFeatures", "PeepholeLSTMCell", "LinearModel", "WideDeepModel"),
        ("an experiment of tf.keras", OWN_LAYER),
    ),
}
#: Modes of Merge → the layer that computes the same.
MERGE_MODES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
    "dot": "Dot",
}

_WEIGHTED = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
_IMAGE = {"dim_ordering": "data_format"}
_CONVOLUTION = {
    **_WEIGHTED,
    **_IMAGE,
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "atrous_rate": "dilation_rate",
}
_SEPARABLE = {name: new for name, new in _CONVOLUTION.items() if not name.startswith(("W_", "in"))}
_RECURRENT = {
    **_WEIGHTED,
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
_POOLING = {**_IMAGE, "pool_length": "pool_size", "stride": "strides", "border_mode": "padding"}
_DROPOUT = {**_IMAGE, "p": "rate"}

#: The layers whose weights are turned over by Theano, which convolves and does not correlate.
CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "ConvLSTM2D")
GATED = ("LSTM", "LSTMCell", "GRU", "GRUCell")
CONV_LSTM = ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")

#: Class in Keras 3 → older name of an argument → its name in Keras 3.
RENAMED_ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    "Dense": {**_WEIGHTED, "output_dim": "units"},
    **dict.fromkeys(CONVOLUTIONS, _CONVOLUTION),
    "ConvLSTM2D": {**_RECURRENT, **_CONVOLUTION},
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _SEPARABLE),
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU"), _RECURRENT),
    **dict.fromkeys(
        [f"{kind}Pooling{axes}D" for kind in ("Max", "Average") for axes in (1, 2, 3)], _POOLING
    ),
    **dict.fromkeys(
        [f"Global{kind}Pooling{axes}D" for kind in ("Max", "Average") for axes in (1, 2, 3)],
        _IMAGE,
    ),
    **dict.fromkeys(("Dropout", "GaussianDropout"), _DROPOUT),
    **dict.fromkeys([f"SpatialDropout{axes}D" for axes in (1, 2, 3)], _DROPOUT),
    "GaussianNoise": {"sigma": "stddev"},
    "UpSampling1D": {"length": "size"},
    **dict.fromkeys(
        [f"{kind}{axes}D" for kind in ("UpSampling", "ZeroPadding", "Cropping") for axes in (2, 3)],
        _IMAGE,
    ),
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "PReLU": {"init": "alpha_initializer"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "CategoryEncoding": {"max_tokens": "num_tokens"},
    "InputLayer": {"input_dtype": "dtype", "batch_input_shape": "batch_shape"},
}


#: Arguments that say the shape or dtype of a first layer's input, which an InputLayer has.
OF_THE_INPUT = ("batch_input_shape", "input_shape", "input_dim", "input_length", "input_dtype")
