"""A traced model in which every operation rounds at random, to see what rounding inside it does.

This is Monte Carlo arithmetic (Parker 1997, "Monte Carlo Arithmetic: exploiting randomness in
floating-point arithmetic"): each result of an operation that rounds is moved by a random relative
amount, and how far the outputs move tells how much of them is rounding. Perturbing inputs and
weights alone does not show what is lost where a large number is added and taken off again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

#: Operations whose result is rounded once, relative to its own size.
_ELEMENTWISE = frozenset(
    {
        *("Add", "AddV2", "AddN", "BiasAdd", "Sub", "Mul", "RealDiv", "Div", "DivNoNan"),
        *("Square", "SquaredDifference", "Sqrt", "Rsqrt", "Reciprocal", "Inv", "Pow"),
        *("Exp", "Expm1", "Log", "Log1p", "Sin", "Cos", "Tan", "Tanh", "Sigmoid", "Softplus"),
        *("Softsign", "Softmax", "LogSoftmax", "Elu", "Selu", "LeakyRelu", "Erf", "Erfc"),
        *("Prod", "Cumprod", "Atan", "Atan2", "Sinh", "Cosh", "Asinh", "Xlogy", "Lgamma"),
    }
)
#: Operations that sum: their rounding is relative to the sum of what they add, signs left out.
_SUMS = frozenset(
    {
        *("Sum", "Mean", "Cumsum", "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"),
        *("Einsum", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "AvgPool", "AvgPool3D"),
        *("Conv2DBackpropInput", "Conv3DBackpropInputV2"),
    }
)
#: Sums of two, whose rounding error is known exactly (Knuth's TwoSum).
_SUMS_OF_TWO = frozenset({"Add", "AddV2", "Sub"})


@contextmanager
def rounding_at_random(dtype: str, size: float, seed: int) -> Iterator[None]:
    """Make every operation that is traced meanwhile move its results by up to a relative `size`.

    `dtype` is the precision that is looked at. Results that are exact stay as they are, so that a
    number that a layer looks for (a mask value, a bin's edge) is still met.
    """
    from tensorflow.python.framework import op_callbacks

    moved = _mover(dtype, size, seed)
    op_callbacks.add_op_callback(moved)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(moved)


def _mover(dtype: str, size: float, seed: int) -> Callable[..., Any]:
    drawn = 0

    def moved(
        op_type: str,
        inputs: Sequence[Any],
        attrs: Sequence[Any],
        outputs: Sequence[Any],
        op_name: str | None = None,
        graph: Any = None,
    ) -> list[Any] | None:
        nonlocal drawn
        if graph is None or op_type not in _ELEMENTWISE | _SUMS or len(outputs) != 1:
            return None
        if outputs[0].dtype.name != dtype:
            return None
        drawn += 1
        scale = _scale(op_type, inputs, attrs, outputs[0], graph)
        return [_moved(op_type, inputs, outputs[0], scale, size, (seed, drawn))]

    return moved


def _scale(
    op_type: str, inputs: Sequence[Any], attrs: Sequence[Any], output: Any, graph: Any
) -> Any:
    """Return what the rounding of a result is relative to."""
    import tensorflow as tf

    if op_type not in _SUMS:
        return output
    absolute = [tf.abs(one) if one.dtype == output.dtype else one for one in inputs]
    named = dict(zip(attrs[::2], attrs[1::2], strict=True))
    sums = graph.create_op(op_type, absolute, [output.dtype], attrs=named)
    return sums.outputs[0]


def _moved(
    op_type: str,
    inputs: Sequence[Any],
    output: Any,
    scale: Any,
    size: float,
    seed: tuple[int, int],
) -> Any:
    import tensorflow as tf

    signs = tf.random.uniform(tf.shape(output), -1.0, 1.0, output.dtype, seed=seed[1])
    change = size * signs * scale
    if op_type in _SUMS_OF_TWO:
        other = inputs[1] if op_type != "Sub" else -inputs[1]
        back = output - inputs[0]
        is_exact = (inputs[0] - (output - back)) + (other - back) == 0
    elif op_type in _SUMS:
        is_exact = tf.equal(scale, 0)
    else:
        is_exact = _has_few_digits(output)
    moved = tf.where(is_exact, output, output + change)
    # What overflows or is undefined is so without any rounding.
    return tf.where(tf.math.is_finite(moved), moved, output)


def _has_few_digits(array: Any) -> Any:
    """Tell which results fit a narrower dtype: one that was rounded would use all its digits."""
    import tensorflow as tf

    narrower = tf.float32 if array.dtype == tf.float64 else tf.bfloat16
    return tf.equal(tf.cast(tf.cast(array, narrower), array.dtype), array)
