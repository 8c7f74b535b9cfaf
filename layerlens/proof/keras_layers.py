"""What is known of Keras' own layers: which change nothing, and which end in an activation.

It applies to exact classes of Keras. Nothing is known of a subclass.
"""

from __future__ import annotations

from typing import Any

import keras

#: In inference these return what they were given.
NO_OPS = (
    "Identity",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
)

#: Layers whose final activation is a separate step: `Dense(activation=f)` is f of a linear Dense.
WITH_ACTIVATION = (
    "Dense",
    "EinsumDense",
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
)

#: Layers that neither take a mask nor read those of their inputs. `Multiply` reads them.
WITHOUT_MASKS = (
    *WITH_ACTIVATION,
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "CategoryEncoding",
    "Concatenate",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Dot",
    "ELU",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "Minimum",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Subtract",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
)


def is_exactly(layer: Any, name: str) -> bool:
    """Return whether a layer's class is Keras' own class of this name, not a subclass."""
    return type(layer) is getattr(keras.layers, name, None)


def is_no_op(layer: Any) -> bool:
    """Return whether a layer returns its input unchanged in inference."""
    return any(is_exactly(layer, name) for name in NO_OPS) or (
        is_exactly(layer, "Activation") and is_linear(layer.activation)
    )


def is_linear(activation: Any) -> bool:
    return activation is None or activation is keras.activations.linear


def activation_host(layer: Any) -> Any | None:
    """Return the layer that holds the final activation: the one a TimeDistributed applies."""
    while is_exactly(layer, "TimeDistributed"):
        layer = layer.layer
    return layer if any(is_exactly(layer, name) for name in WITH_ACTIVATION) else None


def ignores_masks(layer: Any) -> bool:
    """Return whether a layer is known to compute the same with a mask and without one."""
    while is_exactly(layer, "TimeDistributed"):
        layer = layer.layer
    name = type(layer).__name__
    return name in WITHOUT_MASKS and is_exactly(layer, name) and not layer._call_has_mask_arg
