"""How the degree and size of a polynomial grow from a layer's input to its output.

A rule applies to one exact class of Keras. A layer that is not known to be a polynomial of its
inputs and weights is not treated as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm, prod
from typing import Any

import keras


@dataclass(frozen=True, slots=True)
class Growth:
    """A bound on the values of a polynomial and on every intermediate sum.

    At variables of magnitude m >= 1 no partial sum exceeds `terms * m**degree`; `divisor` times
    the value has whole coefficients; `constant` is true where a term has no variable.
    """

    terms: int
    degree: int
    divisor: int = 1
    constant: bool = False


#: The limit of every sum: float64 is exact up to 2^53, which leaves three bits of margin.
EXACT = 2.0**50
#: The widest draws are whole numbers from -DRAW_LIMIT to DRAW_LIMIT.
DRAW_LIMIT = 2**20


def is_beyond_exact(growth: Growth) -> bool:
    """Return whether no draws of whole numbers stay exact for such a polynomial."""
    return growth.terms >= EXACT or growth.degree > 2 * DRAW_LIMIT or growth.divisor > DRAW_LIMIT


#: A variable by itself.
VARIABLE = Growth(1, 1)

Shape = tuple[int | None, ...]
Rule = Callable[[Any, Sequence[Growth], Sequence[Shape]], Growth | None]

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


def growth_of(
    layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape], *, masked: bool = False
) -> Growth | None:
    """Return how a layer's output grows in inference, None where it may not be a polynomial.

    `shapes` are those of the inputs, batch axis first; `masked` is true where one of them may have
    a mask. A final activation is ignored: see `activation_host`.
    """
    rule = _RULES.get(type(layer).__name__)
    if rule is None or not is_exactly(layer, type(layer).__name__):
        return None
    if masked and not ignores_masks(layer):
        return None
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        return None
    return rule(layer, inputs, shapes)


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
    return (
        name in _RULES
        and name != "Multiply"  # it reads masks off its inputs
        and is_exactly(layer, name)
        and not layer._call_has_mask_arg
    )


# --- rules ----------------------------------------------------------------------------------------


def _rearranged(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth:
    """The growth where elements are moved, repeated, dropped, or padded with zeros."""
    return Growth(
        max(growth.terms for growth in inputs),
        max(growth.degree for growth in inputs),
        lcm(*(growth.divisor for growth in inputs)),
        any(growth.constant for growth in inputs),
    )


def _up_sampled(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    nearest = getattr(layer, "interpolation", "nearest") == "nearest"
    return _rearranged(layer, inputs, shapes) if nearest else None


def _added(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    if not _have_one_shape(shapes):
        return None
    whole = _rearranged(layer, inputs, shapes)
    terms = sum(growth.terms for growth in inputs)
    return Growth(terms, whole.degree, whole.divisor, whole.constant)


def _averaged(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    return _divided(_added(layer, inputs, shapes), len(inputs))


def _have_one_shape(shapes: Sequence[Shape]) -> bool:
    """Return whether nothing is broadcast, as Keras' broadcasting depends on the batch size."""
    return len(set(shapes)) == 1


def _multiplied(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    return _product(inputs) if _have_one_shape(shapes) else None


def _product(inputs: Sequence[Growth]) -> Growth:
    return Growth(
        prod(growth.terms for growth in inputs),
        sum(growth.degree for growth in inputs),
        prod(growth.divisor for growth in inputs),
        any(growth.constant for growth in inputs),
    )


def _dotted(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    axes = layer.axes
    axis = axes if isinstance(axes, int) else axes[0]
    length = shapes[0][axis]
    if layer.normalize or length is None:
        return None
    product = _product(inputs)
    return Growth(product.terms * length, product.degree, product.divisor, product.constant)


def _weighted(inputs: Sequence[Growth], fan_in: int, factors: int = 1) -> Growth:
    """Sum `fan_in` inputs, each times `factors` weights, and a bias."""
    (given,) = inputs
    return Growth(given.terms * fan_in + 1, given.degree + factors, given.divisor, given.constant)


def _dense(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth:
    return _weighted(inputs, int(layer.kernel.shape[0]))


def _embedded(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth:
    return _weighted(inputs, layer.input_dim)


def _encoded(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    (shape,), (given,) = shapes, inputs
    if layer.sparse or len(shape) < 2:
        return None
    if layer.output_mode == "one_hot":
        return given
    if layer.output_mode != "count" or len(shape) > 2 or shape[-1] is None:
        return None
    return Growth(given.terms * shape[-1], given.degree, given.divisor, given.constant)


def _einsum_dense(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    given, kernel, result = re.split(r"->|,", layer.equation.replace(" ", ""))
    # Then no output sums more products than the kernel has entries.
    if not set(given) - set(result) <= set(kernel):
        return None
    return _weighted(inputs, prod(int(n) for n in layer.kernel.shape))


def _convolved(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth:
    return _weighted(inputs, prod(int(n) for n in layer.kernel.shape[:-1]))


def _transposed(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth:
    # The kernel is (width, out, in); each output meets each width and input at most once.
    *width, _, given = (int(n) for n in layer.kernel.shape)
    return _weighted(inputs, prod(width) * given)


def _depthwise(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth:
    return _weighted(inputs, prod(int(n) for n in layer.kernel.shape[:-2]))


def _separable(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth:
    width = prod(int(n) for n in layer.depthwise_kernel.shape[:-2])
    return _weighted(inputs, width * int(layer.pointwise_kernel.shape[-2]), factors=2)


def _normalized(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    """The growth of (x - mean) * s * gamma + beta, with s = 1 / sqrt(variance + epsilon) set to 1.

    This is valid only where s always multiplies gamma, which `unit_variances` checks.
    """
    (given,) = inputs
    if not layer.scale:
        return None
    return Growth(given.terms + 2, max(given.degree, 1) + 1, given.divisor, given.constant)


def _pooled(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    size = prod(layer.pool_size)
    total = Growth(inputs[0].terms * size, inputs[0].degree, inputs[0].divisor, inputs[0].constant)
    if layer.padding == "valid":
        return _divided(total, size)
    # At the border Keras divides by the number of elements inside.
    return _divided(total, prod(lcm(*range(1, width + 1)) for width in layer.pool_size))


def _globally_pooled(
    layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]
) -> Growth | None:
    spatial = shapes[0][1:-1] if layer.data_format == "channels_last" else shapes[0][2:]
    sizes = [n for n in spatial if n is not None]
    if len(sizes) < len(spatial):
        return None
    (given,) = inputs
    total = Growth(given.terms * prod(sizes), given.degree, given.divisor, given.constant)
    return _divided(total, prod(sizes))


def _divided(total: Growth | None, by: int) -> Growth | None:
    if (
        total is None or total.constant
    ):  # drawing multiples of the divisor does not reach a constant
        return None
    return Growth(total.terms, total.degree, total.divisor * by)


def _rescaled(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    if not isinstance(layer.scale, (int, float)) or not isinstance(layer.offset, (int, float)):
        return None
    scale, offset = Fraction(layer.scale), Fraction(layer.offset)
    # Only constants that are equal in float32 and float64, with few enough bits to stay exact.
    if offset.denominator != 1 or max(Fraction(scale.denominator), abs(scale), abs(offset)) > 1024:
        return None
    (given,) = inputs
    if given.constant and scale.denominator != 1:
        return None
    terms = given.terms * max(1, abs(scale.numerator)) + abs(int(offset))
    divisor = given.divisor * scale.denominator
    return Growth(terms, given.degree, divisor, given.constant or offset != 0)


def _at_each_step(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    without_time = [(shape[0], *shape[2:]) for shape in shapes]
    return _held(layer.layer, inputs, without_time)


def _held(layer: Any, inputs: Sequence[Growth], shapes: Sequence[Shape]) -> Growth | None:
    """Return the growth of a wrapped layer, or of a wrapped Sequential model."""
    if is_no_op(layer):
        return inputs[0]
    if not _is_sequential(layer):
        return growth_of(layer, inputs, shapes)
    for held in layer.layers:
        if is_no_op(held):
            continue
        # Only layers whose growth depends on no shape, since the inner shapes are unknown here.
        chained = any(is_exactly(held, name) for name in _IN_CHAINS)
        if not chained or not is_linear(getattr(held, "activation", None)):
            return None
        grown = growth_of(held, inputs, shapes)
        if grown is None:
            return None
        inputs = [grown]
    return inputs[0]


def _is_sequential(layer: Any) -> bool:
    return type(layer) is keras.Sequential


_IN_CHAINS = ("Dense", "Flatten", "Reshape", "Permute")

_RULES: dict[str, Rule] = {
    "Embedding": _embedded,
    "CategoryEncoding": _encoded,
    "Dense": _dense,
    "EinsumDense": _einsum_dense,
    "Conv1D": _convolved,
    "Conv2D": _convolved,
    "Conv3D": _convolved,
    "Conv1DTranspose": _transposed,
    "Conv2DTranspose": _transposed,
    "Conv3DTranspose": _transposed,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "BatchNormalization": _normalized,
    "Rescaling": _rescaled,
    "Flatten": _rearranged,
    "Reshape": _rearranged,
    "Permute": _rearranged,
    "RepeatVector": _rearranged,
    "ZeroPadding1D": _rearranged,
    "ZeroPadding2D": _rearranged,
    "ZeroPadding3D": _rearranged,
    "Cropping1D": _rearranged,
    "Cropping2D": _rearranged,
    "Cropping3D": _rearranged,
    "UpSampling1D": _up_sampled,
    "UpSampling2D": _up_sampled,
    "UpSampling3D": _up_sampled,
    "Concatenate": _rearranged,
    "Add": _added,
    "Subtract": _added,
    "Average": _averaged,
    "Multiply": _multiplied,
    "Dot": _dotted,
    "AveragePooling1D": _pooled,
    "AveragePooling2D": _pooled,
    "GlobalAveragePooling1D": _globally_pooled,
    "GlobalAveragePooling2D": _globally_pooled,
    "GlobalAveragePooling3D": _globally_pooled,
    "TimeDistributed": _at_each_step,
}
