"""Growth: exact in float64 for the layers that have a rule, and None for everything else."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerlens.proof.certify import EXACT
from layerlens.proof.polynomials import (
    DRAW_LIMIT,
    VARIABLE,
    Growth,
    activation_host,
    growth_of,
    ignores_masks,
    is_beyond_exact,
    is_no_op,
)

pytestmark = pytest.mark.usefixtures("backend")

layers = keras.layers


def built(layer: Any, *shape: int) -> Any:
    layer.build((None, *shape))
    return layer


def grown(layer: Any, *shape: int, given: Growth = VARIABLE, count: int = 1) -> Growth | None:
    return growth_of(layer, [given] * count, [(None, *shape)] * count)


def test_sums_count_terms_and_products_add_degrees() -> None:
    assert grown(built(layers.Dense(3), 5), 5) == Growth(6, 2)
    separable = built(layers.SeparableConv1D(2, 3), 6, 4)
    assert grown(separable, 6, 4) == Growth(3 * 4 + 1, 3)
    assert grown(layers.Add(), 4, count=3) == Growth(3, 1)
    assert grown(layers.Multiply(), 4, given=Growth(2, 3), count=2) == Growth(4, 6)
    assert grown(layers.Average(), 4, count=2) == Growth(2, 1, divisor=2)
    assert grown(layers.Rescaling(0.5, offset=3.0), 4) == Growth(4, 1, divisor=2, constant=True)


def test_what_has_no_rule_is_not_a_polynomial() -> None:
    class Own(layers.Dense):  # type: ignore[misc]
        pass

    assert grown(layers.ReLU(), 4) is None
    assert grown(built(Own(3), 5), 5) is None
    assert grown(layers.Rescaling(1 / 3), 4) is None
    assert grown(layers.UpSampling2D(interpolation="bilinear"), 4, 4, 1) is None
    assert growth_of(layers.Add(), [VARIABLE] * 2, [(None, 4), (None, 1)]) is None


def test_a_constant_is_not_divided() -> None:
    assert grown(layers.Average(), 4, given=Growth(2, 1, constant=True), count=2) is None


def test_a_mask_counts_only_where_a_layer_reads_it() -> None:
    assert ignores_masks(layers.Dense(2))
    assert not ignores_masks(layers.Multiply())
    masked = growth_of(layers.Multiply(), [VARIABLE] * 2, [(None, 4)] * 2, masked=True)
    assert masked is None


def test_layers_that_do_nothing_in_inference() -> None:
    assert is_no_op(layers.Dropout(0.5))
    assert is_no_op(layers.Activation("linear"))
    assert not is_no_op(layers.Activation("relu"))


def test_the_final_activation_is_that_of_the_wrapped_layer() -> None:
    dense = layers.Dense(2, activation="relu")
    assert activation_host(layers.TimeDistributed(dense)) is dense
    assert activation_host(layers.ReLU()) is None


def test_the_limits_of_exact_sums() -> None:
    assert not is_beyond_exact(Growth(2**20, 4))
    assert is_beyond_exact(Growth(int(EXACT), 1))
    assert is_beyond_exact(Growth(1, 1, divisor=DRAW_LIMIT + 1))


LINEAR: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "Dense": ((5,), {"units": 3}),
    "EinsumDense": ((4, 5), {"equation": "abc,cd->abd", "output_shape": (4, 3), "bias_axes": "d"}),
    "Conv1D": ((6, 3), {"filters": 2, "kernel_size": 3, "padding": "causal"}),
    "Conv2D": ((5, 6, 2), {"filters": 2, "kernel_size": 3, "padding": "same"}),
    "Conv3D": ((3, 4, 3, 2), {"filters": 2, "kernel_size": 2}),
    "Conv1DTranspose": ((5, 3), {"filters": 2, "kernel_size": 3, "strides": 2}),
    "Conv2DTranspose": ((3, 4, 2), {"filters": 2, "kernel_size": 3}),
    "Conv3DTranspose": ((2, 3, 2, 2), {"filters": 2, "kernel_size": 2}),
    "DepthwiseConv1D": ((6, 3), {"kernel_size": 3, "depth_multiplier": 2}),
    "DepthwiseConv2D": ((5, 6, 2), {"kernel_size": 3}),
    "SeparableConv1D": ((6, 3), {"filters": 2, "kernel_size": 3}),
    "SeparableConv2D": ((5, 6, 2), {"filters": 2, "kernel_size": 3}),
    "BatchNormalization": ((4, 3), {}),
    "Rescaling": ((4,), {"scale": 0.5, "offset": 3.0}),
    "Flatten": ((3, 4), {}),
    "Reshape": ((3, 4), {"target_shape": (6, 2)}),
    "Permute": ((3, 4), {"dims": (2, 1)}),
    "RepeatVector": ((4,), {"n": 3}),
    "ZeroPadding1D": ((4, 2), {"padding": 2}),
    "ZeroPadding2D": ((4, 2, 1), {"padding": 2}),
    "ZeroPadding3D": ((2, 2, 2, 1), {"padding": 1}),
    "Cropping1D": ((5, 2), {"cropping": 1}),
    "Cropping2D": ((5, 4, 1), {"cropping": 1}),
    "Cropping3D": ((3, 4, 3, 1), {"cropping": 1}),
    "UpSampling1D": ((3, 2), {"size": 2}),
    "UpSampling2D": ((3, 2, 2), {"size": 3}),
    "UpSampling3D": ((2, 2, 2, 1), {"size": 2}),
    "AveragePooling1D": ((6, 2), {"pool_size": 3, "padding": "same"}),
    "AveragePooling2D": ((6, 4, 2), {"pool_size": 2}),
    "GlobalAveragePooling1D": ((6, 2), {}),
    "GlobalAveragePooling2D": ((3, 4, 2), {}),
    "GlobalAveragePooling3D": ((2, 3, 2, 1), {}),
}


@pytest.mark.parametrize("name", LINEAR)
def test_a_layer_that_is_called_a_polynomial_is_exact_in_float64(name: str) -> None:
    """One added to one input changes the outputs by just that weight, however large they are."""
    import keras

    shape, arguments = LINEAR[name]
    made = getattr(keras.layers, name)(**arguments, dtype="float64")
    made.build((None, *shape))
    grown = growth_of(made, [VARIABLE], [(None, *shape)])
    assert grown is not None
    rng = np.random.default_rng(0)
    reach = int((EXACT / grown.terms) ** (1 / grown.degree) / grown.divisor)
    whole = [rng.integers(-1000, 1001, w.shape) * grown.divisor for w in made.weights]
    if name == "BatchNormalization":
        whole[-1] = np.full(made.moving_variance.shape, 1.0 - made.epsilon)
    made.set_weights(whole)
    large = rng.integers(-reach, reach + 1, (1, *shape)).astype("float64") * grown.divisor
    step = np.zeros_like(large)
    step.flat[large.size // 2] = grown.divisor

    def call(array: Any) -> Any:
        result = np.asarray(made(array))
        assert result.dtype == np.float64
        return result

    change = call(large + step) - call(large)
    assert np.array_equal(change, call(step) - call(np.zeros_like(step)))
    assert np.abs(call(large)).max() > 2**30  # beyond what float32 tells apart
    assert np.abs(call(large)).max() <= grown.terms * (reach * grown.divisor + 1) ** grown.degree
