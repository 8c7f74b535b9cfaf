"""Models written out in `keras.ops`: a formula of the inputs, or one of the functions below.

In a formula `x` is the first input, `y` the second and `z` the third; `K` is `keras.ops` and `L`
`keras.layers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops


def model(formula: str, inputs: Sequence[Mapping[str, Any]]) -> Any:
    """Return the model that a formula describes."""
    given = [
        keras.Input(tuple(one["shape"]), dtype=one.get("dtype", "float32"), name=one.get("name"))
        for one in inputs
    ]
    names = {"K": ops, "L": layers, "np": np, "keras": keras, **FUNCTIONS}
    names |= dict(zip("xyz", given, strict=False))
    return keras.Model(given if len(given) > 1 else given[0], eval(formula, names))


def attention(x: Any, heads: int, dim: int, *, scale: float | None = None) -> Any:
    """Return what MultiHeadAttention makes of one input, with its weights in its order."""
    steps, width = x.shape[1:]
    query, key, value = (
        layers.EinsumDense("abc,cde->abde", output_shape=(steps, heads, dim), bias_axes="de")(x)
        for _ in range(3)
    )
    scores = ops.einsum("abcd,aecd->acbe", query, key) * (scale or dim**-0.5)
    mixed = ops.einsum("acbe,aecd->abcd", ops.softmax(scores, -1), value)
    return layers.EinsumDense("abcd,cde->abe", output_shape=(steps, width), bias_axes="e")(mixed)


def dot_attention(query: Any, value: Any, scale: float = 1.0) -> Any:
    """Return what `Attention` makes of a query and a value."""
    scores = ops.matmul(query, ops.transpose(value, (0, 2, 1))) * scale
    return ops.matmul(ops.softmax(scores, -1), value)


def causal_attention(query: Any, value: Any) -> Any:
    """Return what `Attention` makes of both where no step sees a later one."""
    scores = ops.matmul(query, ops.transpose(value, (0, 2, 1)))
    seen = np.tril(np.ones(tuple(scores.shape[1:]), bool))
    return ops.matmul(ops.softmax(ops.where(seen, scores, scores - 1e9), -1), value)


def normalized(x: Any, axes: Sequence[int], epsilon: float, correction: float = 1.0) -> Any:
    """Return x without its mean, over its standard deviation."""
    mean = ops.mean(x, axes, keepdims=True)
    variance = ops.mean(ops.square(x - mean), axes, keepdims=True) * correction
    return (x - mean) / ops.sqrt(variance + epsilon)


def numbers(x: Any, listed: Any) -> Any:
    """Return a constant in the precision of x."""
    return ops.convert_to_tensor(np.asarray(listed, x.dtype))


def samples(x: Any) -> Any:
    """Return the number of samples in a batch."""
    return ops.sum(ops.ones_like(x), axis=0, keepdims=True)


def steps(x: Any) -> Any:
    """Return the number of steps in each sample."""
    return ops.sum(ops.ones_like(x), axis=1, keepdims=True)


def vanishing(value: Any, roots: Sequence[float]) -> Any:
    """Return a polynomial that is zero at some numbers."""
    found = value - roots[0]
    for root in roots[1:]:
        found = found * (value - root)
    return found


def doubled_until(x: Any, bound: float) -> Any:
    """Return x, doubled until the sum of its squares reaches a bound."""
    return ops.while_loop(lambda y: ops.sum(y * y) < bound, lambda y: (2.0 * y,), (x,), 60)[0]


def upsampled(x: Any, times: int) -> Any:
    """Return an image of which each pixel is repeated along both axes."""
    return ops.repeat(ops.repeat(x, times, axis=1), times, axis=2)


def _names() -> dict[str, Any]:
    listed = (
        attention,
        causal_attention,
        dot_attention,
        doubled_until,
        normalized,
        numbers,
        samples,
        steps,
        upsampled,
        vanishing,
    )
    return {one.__name__: one for one in listed}


#: What formulas may call beside `keras.ops` and `keras.layers`.
FUNCTIONS = _names()
