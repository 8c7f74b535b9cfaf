"""The names that PyTorch, Flax and others give to layers and arguments, and Keras' names."""

from __future__ import annotations

from collections.abc import Mapping

_TORCH_BATCH_NORM = (
    "PyTorch's defaults are `epsilon: 1.0e-5` and `momentum: 0.9` in Keras' terms, and its "
    "channels come first (`axis: 1`)"
)
_CHANNELS = "PyTorch's data has its channels first: `data_format: channels_first`"
_PAIRED_BIAS = "PyTorch adds two biases in each gate, Keras one (`GRU` has two)"

#: Class elsewhere → what to write in a scenario, and where the two differ in meaning.
FOREIGN_CLASSES: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(
        ("Linear", "LazyLinear", "FullyConnected", "InnerProduct", "Gemm"), ("Dense", None)
    ),
    "DenseGeneral": ("EinsumDense", None),
    **{f"BatchNorm{axes}d": ("BatchNormalization", _TORCH_BATCH_NORM) for axes in (1, 2, 3)},
    **{
        f"InstanceNorm{axes}d": (
            "GroupNormalization: {groups: -1}",
            "PyTorch's default is `epsilon: 1.0e-5`, without `center` and `scale`",
        )
        for axes in (1, 2, 3)
    },
    "LayerNorm": ("LayerNormalization", "PyTorch's default is `epsilon: 1.0e-5`, Flax's is 1.0e-6"),
    "GroupNorm": ("GroupNormalization", "PyTorch's default is `epsilon: 1.0e-5`, Flax's is 1.0e-6"),
    "RMSNorm": ("RMSNormalization", None),
    **{f"Conv{axes}d": (f"Conv{axes}D", _CHANNELS) for axes in (1, 2, 3)},
    **{f"ConvTranspose{axes}d": (f"Conv{axes}DTranspose", _CHANNELS) for axes in (1, 2, 3)},
    "Conv": ("Conv2D", None),
    **{f"MaxPool{axes}d": (f"MaxPooling{axes}D", _CHANNELS) for axes in (1, 2, 3)},
    **{f"AvgPool{axes}d": (f"AveragePooling{axes}D", _CHANNELS) for axes in (1, 2, 3)},
    **{
        f"Adaptive{kind}Pool{axes}d": (f"Adaptive{whole}Pooling{axes}D", _CHANNELS)
        for kind, whole in (("Max", "Max"), ("Avg", "Average"))
        for axes in (1, 2, 3)
    },
    **{f"Dropout{axes}d": (f"SpatialDropout{axes}D", _CHANNELS) for axes in (1, 2, 3)},
    "Embed": ("Embedding", None),
    "MultiheadAttention": ("MultiHeadAttention", "`key_dim` is the size of one head"),
    "ZeroPad1d": ("ZeroPadding1D", _CHANNELS),
    "ZeroPad2d": ("ZeroPadding2D", _CHANNELS),
    "Upsample": ("UpSampling2D", _CHANNELS),
    "Unflatten": ("Reshape", None),
    "Sequential": ("Sequential", None),
    "OptimizedLSTMCell": ("LSTMCell", None),
    **{
        name: (f"Activation: {keras}", None)
        for name, keras in (
            ("GELU", "gelu"),
            ("SiLU", "silu"),
            ("Swish", "silu"),
            ("Mish", "mish"),
            ("SELU", "selu"),
            ("CELU", "celu"),
            ("GLU", "glu"),
            ("Sigmoid", "sigmoid"),
            ("Hardsigmoid", "hard_sigmoid"),
            ("Hardswish", "hard_silu"),
            ("LogSigmoid", "log_sigmoid"),
            ("LogSoftmax", "log_softmax"),
            ("Softplus", "softplus"),
            ("Softsign", "softsign"),
            ("Tanh", "tanh"),
            ("ReLU6", "relu6"),
        )
    },
}

#: Argument elsewhere → its names in Keras, the first that a layer has, and where they differ.
FOREIGN_ARGUMENTS: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "out_features": (("units",), None),
    "features": (("units", "filters"), None),
    "hidden_size": (("units",), None),
    "hidden_dim": (("units",), None),
    "num_units": (("units",), None),
    "n_units": (("units",), None),
    "out_channels": (("filters",), None),
    "channels": (("filters",), None),
    "num_filters": (("filters",), None),
    "stride": (("strides",), None),
    **dict.fromkeys(("heads", "nhead", "n_heads"), (("num_heads",), None)),
    "dim": (("axis",), None),
    "dilation": (("dilation_rate",), None),
    "pad": (("padding",), None),
    "bias": (("use_bias",), None),
    "p": (("rate",), None),
    "prob": (("rate",), None),
    "dropout_rate": (("dropout", "rate"), None),
    "eps": (("epsilon",), None),
    "num_embeddings": (("input_dim",), None),
    "vocab_size": (("input_dim",), None),
    "embedding_dim": (("output_dim",), None),
    "embedding_size": (("output_dim",), None),
    "nonlinearity": (("activation",), None),
    "act": (("activation",), None),
    "normalized_shape": (("axis",), "`axis` names the axes; PyTorch gives their lengths"),
    "affine": (("scale",), "it is `center` and `scale` in Keras"),
    "elementwise_affine": (("scale",), "it is `center` and `scale` in Keras"),
    "num_groups": (("groups",), None),
    "scale_factor": (("size",), None),
    "embed_dim": (
        ("key_dim",),
        "`key_dim` is the size of one head: `embed_dim` divided by `num_heads`",
    ),
}
#: Arguments that have no form in Keras → what to do.
FOREIGN_ONLY: Mapping[str, str] = {
    "in_features": "Keras takes the size from the input: remove it",
    "in_channels": "Keras takes the number of channels from the input: remove it",
    "input_size": "Keras takes the size from the input: remove it",
    "batch_first": "Keras always has the batch first: remove it",
    "bidirectional": "write `Bidirectional: {layer: {...}}` around the layer",
    "num_layers": "write the layer as often as that, with `return_sequences: true`",
    "device": "remove it: layerlens chooses the device",
    "inplace": "remove it: Keras changes no tensor in place",
    "track_running_stats": "Keras always keeps the moving statistics: remove it",
}

#: Initializer elsewhere, in lower case → its name in Keras.
FOREIGN_INITIALIZERS: Mapping[str, str] = {
    "xavier": "glorot_uniform",
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
    "gaussian": "random_normal",
    "trunc_normal": "truncated_normal",
    "eye": "identity",
}
#: Activation elsewhere, in lower case → its name in Keras.
FOREIGN_ACTIVATIONS: Mapping[str, str] = {
    **dict.fromkeys(("identity", "id"), "linear"),
    "logistic": "sigmoid",
    "lrelu": "leaky_relu",
    "hardswish": "hard_swish",
    "exp": "exponential",
}
