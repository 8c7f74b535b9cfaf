"""Trace a model so that every operation rounds at random, to measure the effect of rounding.

This is Monte Carlo arithmetic (Parker 1997, "Monte Carlo Arithmetic: exploiting randomness in
floating-point arithmetic"): each rounded result of an operation changes by a random relative
amount, and the change of the outputs shows how much of them is rounding. Perturbing inputs and
weights alone does not show the loss where a large number is added and subtracted again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_callbacks

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
#: Operations that sum: their rounding is relative to the sum of the absolute values.
_SUMS = frozenset(
    {
        *("Sum", "Mean", "Cumsum", "MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"),
        *("Einsum", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "AvgPool", "AvgPool3D"),
        *("Conv2DBackpropInput", "Conv3DBackpropInputV2"),
    }
)
#: Sums of two, whose rounding error is known exactly (Knuth's TwoSum).
_SUMS_OF_TWO = frozenset({"Add", "AddV2", "Sub"})


class RandomRounding:
    """Random changes of the results of operations in a traced model.

    Draws come in pairs that change each result by the same amount in opposite directions, so that
    a layer whose output depends on the direction alone changes in one of them.
    """

    def __init__(self, dtype: str, size: float, seed: int) -> None:
        """Change results of this `dtype` by up to `size`, relative to their magnitude."""
        self.dtype = dtype
        self._size = size
        self._seed = seed
        self._numbers = tf.random.Generator.from_seed(seed)
        self._signed_size = tf.Variable(size, dtype=dtype, trainable=False)

    @contextmanager
    def while_tracing(self) -> Iterator[None]:
        """Context manager in which every traced operation changes its results at random.

        Exact results do not change, so that a layer still finds a mask value or the edge of a bin.
        """
        op_callbacks.add_op_callback(self._changed)
        try:
            yield
        finally:
            op_callbacks.remove_op_callback(self._changed)

    def start_draw(self, draw: int) -> None:
        """Choose the changes of the next call: draws 0 and 1 are a pair, 2 and 3 the next."""
        self._numbers.reset_from_seed(self._seed + draw // 2)
        self._signed_size.assign(-self._size if draw % 2 else self._size)

    def _changed(
        self,
        op_type: str,
        inputs: Sequence[Any],
        attrs: Sequence[Any],
        outputs: Sequence[Any],
        op_name: str | None = None,
        graph: Any = None,
    ) -> list[Any] | None:
        if graph is None or op_type not in _ELEMENTWISE | _SUMS or len(outputs) != 1:
            return None
        (output,) = outputs
        if output.dtype.name != self.dtype:
            return None
        return self._rounded(op_type, inputs, attrs, output, graph)

    def _rounded(
        self, op_type: str, inputs: Sequence[Any], attrs: Sequence[Any], output: Any, graph: Any
    ) -> list[Any]:
        scale = _scale(op_type, inputs, attrs, output, graph)
        shares = self._numbers.uniform(tf.shape(output), -1.0, 1.0, output.dtype)
        changed = output + self._signed_size * shares * scale
        result = tf.where(_is_exact(op_type, inputs, output, scale), output, changed)
        # Overflow and undefined results do not come from rounding.
        return [tf.where(tf.math.is_finite(result), result, output)]


class RandomSteps(RandomRounding):
    """Changes of half a step up or down, as quantised results have them.

    Results of a shape whose step is not known change by half of 1/127 of their greatest size.
    """

    def __init__(self, dtype: str, steps: Mapping[tuple[int, ...], float], seed: int) -> None:
        """Change results by half the step for their shape per sample."""
        super().__init__(dtype, 1.0, seed)
        self._steps = steps

    def _rounded(
        self, op_type: str, inputs: Sequence[Any], attrs: Sequence[Any], output: Any, graph: Any
    ) -> list[Any]:
        shape = output.shape.as_list()[1:] if output.shape.rank else []
        step = self._steps.get(tuple(shape))
        if step is None:
            axes = tuple(range(1, output.shape.rank or 1))
            size = tf.reduce_max(tf.abs(output), axis=axes, keepdims=True) if axes else output
            step = size / 127.0
        signs = tf.sign(self._numbers.uniform(tf.shape(output), -1.0, 1.0, output.dtype))
        changed = output + self._signed_size * signs * (step / 2.0)
        return [tf.where(tf.math.is_finite(changed), changed, output)]


def _scale(
    op_type: str, inputs: Sequence[Any], attrs: Sequence[Any], output: Any, graph: Any
) -> Any:
    """Return the magnitude to which the rounding of a result is relative."""
    if op_type not in _SUMS:
        return output
    absolute = [tf.abs(one) if one.dtype == output.dtype else one for one in inputs]
    named = dict(zip(attrs[::2], attrs[1::2], strict=True))
    sums = graph.create_op(op_type, absolute, [output.dtype], attrs=named)
    return sums.outputs[0]


def _is_exact(op_type: str, inputs: Sequence[Any], output: Any, scale: Any) -> Any:
    """Return which results of an operation are exact."""
    if op_type in _SUMS_OF_TWO:
        other = inputs[1] if op_type != "Sub" else -inputs[1]
        back = output - inputs[0]
        return (inputs[0] - (output - back)) + (other - back) == 0
    if op_type in _SUMS:
        return tf.equal(scale, 0)
    return _has_few_digits(output)


def _has_few_digits(array: Any) -> Any:
    """Return which results fit a narrower dtype: a rounded one would use all digits."""
    narrower = tf.float32 if array.dtype == tf.float64 else tf.bfloat16
    return tf.equal(tf.cast(tf.cast(array, narrower), array.dtype), array)
