"""What each TensorFlow operation computes, in the algebra of a proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate
from math import lcm
from typing import Any

import numpy as np
import tensorflow as tf

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.arithmetic import ONE, ZERO
from layerlens.proof.field.fractions_of_floats import simplest_fraction
from layerlens.proof.field.growth import Growth
from layerlens.proof.field.program import MOST_KEPT, Operation
from layerlens.proof.field.residues import Residues
from layerlens.proof.field.tensorflow_calls import run_operation
from layerlens.proof.field.value import CannotProveError, Value, constant

#: Computes the one output of an operation.
Handler = Callable[[Algebra, Any, Sequence[Value]], Value]
#: By the type of the operation.
HANDLERS: dict[str, Handler] = {}

#: The constants of selu (Klambauer et al. 2017), to more digits than float64 has.
#: Every integer up to this is a float32.
_EXACT = 2**24
SELU_SCALE = Fraction("1.0507009873554804934193349852946")
SELU_SCALE_ALPHA = Fraction("1.7580993408473768599402175208123")
#: Powers up to this are products.
MOST_POWER = 16


def handles(*kinds: str) -> Callable[[Handler], Handler]:
    """Register a function for some types of operations."""

    def register(handler: Handler) -> Handler:
        for kind in kinds:
            HANDLERS[kind] = handler
        return handler

    return register


def _of(method: Callable[..., Value], *kinds: str) -> None:
    """Register a method of the algebra that takes the inputs of an operation, and nothing else."""
    HANDLERS.update(dict.fromkeys(kinds, lambda algebra, _, inputs: method(algebra, *inputs)))


# --- elementwise ----------------------------------------------------------------------------------

_of(Algebra.add, "Add", "AddV2")
_of(Algebra.subtract, "Sub")
_of(Algebra.multiply, "Mul")
_of(Algebra.divide, "Div", "RealDiv")
_of(Algebra.maximum, "Maximum")
_of(Algebra.minimum, "Minimum")
_of(Algebra.is_greater, "Greater")
_of(Algebra.both, "LogicalAnd")
_of(Algebra.negate, "Neg")
_of(Algebra.square, "Square")
_of(Algebra.reciprocal, "Inv", "Reciprocal")
_of(Algebra.exp, "Exp")
_of(Algebra.log, "Log")
_of(Algebra.sigmoid, "Sigmoid")
_of(Algebra.tanh, "Tanh")
_of(Algebra.absolute, "Abs")
_of(Algebra.relu, "Relu")
_of(Algebra.sqrt, "Sqrt")
_of(Algebra.rsqrt, "Rsqrt")
_of(Algebra.invert, "LogicalNot")


@handles("AddN")
def _add_n(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    total = inputs[0]
    for value in inputs[1:]:
        total = algebra.add(total, value)
    return total


@handles("SquaredDifference")
def _squared_difference(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.square(algebra.subtract(inputs[0], inputs[1]))


@handles("BiasAdd")
def _bias_add(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    one, bias = inputs
    if operation.get_attr("data_format") == b"NCHW":
        bias = _reshaped(algebra, bias, (*bias.shape, *(1,) * (one.rank - 2)))
    return algebra.add(one, bias)


@handles("DivNoNan")
def _div_no_nan(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    algebra.residues(inputs[1])
    if not (inputs[1].is_positive or inputs[1].is_negative):
        raise CannotProveError("it divides by what may be zero, and returns zero there")
    return algebra.divide(inputs[0], inputs[1])


@handles("Expm1")
def _expm1(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.subtract(algebra.exp(inputs[0]), algebra.number(1))


@handles("Log1p")
def _log1p(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.log(algebra.add(inputs[0], algebra.number(1)))


@handles("Softplus")
def _softplus(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    above_one = algebra.add(algebra.exp(inputs[0]), algebra.number(1))
    above_one.low = ONE
    return algebra.log(above_one)


@handles("Softsign")
def _softsign(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    size = algebra.add(algebra.absolute(inputs[0]), algebra.number(1))
    found = algebra.divide(inputs[0], size)
    found.low, found.high = -ONE, ONE
    return found


@handles("Relu6")
def _relu6(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.minimum(algebra.relu(inputs[0]), algebra.number(6))


@handles("LeakyRelu")
def _leaky_relu(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    slope = simplest_fraction(operation.get_attr("alpha"), np.dtype(np.float32))
    kept = algebra.multiply(algebra.number(1 - slope), algebra.relu(inputs[0]))
    return algebra.add(algebra.multiply(algebra.number(slope), inputs[0]), kept)


def _elu_parts(algebra: Algebra, one: Value) -> tuple[Value, Value]:
    """Return max(x, 0), and e^min(x, 0) - 1."""
    above = algebra.relu(one)
    below = algebra.subtract(one, above)
    return above, algebra.subtract(algebra.exp(below), algebra.number(1))


@handles("Elu")
def _elu(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.add(*_elu_parts(algebra, inputs[0]))


@handles("Selu")
def _selu(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    above, below = _elu_parts(algebra, inputs[0])
    return algebra.add(
        algebra.multiply(algebra.number(SELU_SCALE), above),
        algebra.multiply(algebra.number(SELU_SCALE_ALPHA), below),
    )


@handles("Erf")
def _erf(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.function(
        "erf", inputs[0], low=-ONE, high=ONE, at_zero=ZERO, odd=True, increasing=True
    )


@handles("Erfc")
def _erfc(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.subtract(algebra.number(1), _erf(algebra, operation, inputs))


@handles("Asinh", "Atan", "Sin", "Sinh")
def _odd(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    increasing = operation.type != "Sin"
    return algebra.function(
        operation.type, inputs[0], at_zero=ZERO, odd=True, increasing=increasing
    )


@handles("Cos", "Cosh")
def _even(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.function(operation.type, inputs[0], at_zero=ONE, even=True)


@handles("Ceil", "Floor", "Rint", "Round", "Sign")
def _steps(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    # Round takes halves to even numbers, and so is odd; floor and ceil are not.
    odd = operation.type in ("Rint", "Round", "Sign")
    name = "Round" if operation.type == "Rint" else operation.type
    return algebra.function(name, inputs[0], at_zero=ZERO, odd=odd)


@handles("Bucketize")
def _bucketize(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    """Count the boundaries that are not greater."""
    (one,) = inputs
    found = algebra.multiply(one, algebra.number(0))
    boundaries = operation.get_attr("boundaries")
    for boundary in boundaries:
        number = algebra.number(simplest_fraction(boundary, np.dtype(np.float32)))
        reached = algebra.invert(algebra.is_greater(number, one))
        found = algebra.add(found, reached)
    found.low, found.high = ZERO, Fraction(len(boundaries))
    return found


@handles("Pow")
def _pow(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    base, power = inputs
    algebra.residues(base), algebra.residues(power)
    exponent = power.low
    if exponent is None or exponent != power.high:
        raise CannotProveError("a power depends on data or on the element")
    if exponent == Fraction(1, 2):
        return algebra.sqrt(base)
    if exponent == Fraction(-1, 2):
        return algebra.rsqrt(base)
    if exponent == -1:
        return algebra.reciprocal(base)
    if exponent.denominator != 1 or not 1 <= exponent <= MOST_POWER:
        raise CannotProveError(f"it raises to the power {exponent}")
    found = algebra.square(base) if exponent >= 2 else base
    for _ in range(int(exponent) - 2):
        found = algebra.multiply(found, base)
    return found


# --- comparisons and selections -------------------------------------------------------------------


@handles("Less")
def _less(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.is_greater(inputs[1], inputs[0])


@handles("GreaterEqual")
def _greater_equal(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.invert(algebra.is_greater(inputs[1], inputs[0]))


@handles("LessEqual")
def _less_equal(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    return algebra.invert(algebra.is_greater(inputs[0], inputs[1]))


@handles("Equal", "NotEqual")
def _equal(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    found = algebra.is_other(inputs[0], inputs[1])
    return found if operation.type == "NotEqual" else algebra.invert(found)


@handles("LogicalOr")
def _or(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    one, other = (algebra.invert(value) for value in inputs)
    return algebra.invert(algebra.both(one, other))


@handles("Select", "SelectV2")
def _select(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    condition, one, other = inputs
    if operation.type == "Select" and condition.shape != one.shape:
        raise CannotProveError("a selection by rows")
    return algebra.choose(condition, one, other)


@handles("IsFinite", "IsInf", "IsNan")
def _is_finite(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    algebra.residues(inputs[0])
    shape = inputs[0].shape
    return Value(shape, "bool", constant=np.full(shape, operation.type == "IsFinite"))


@handles("Cast")
def _cast(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    (one,) = inputs
    wanted = operation.get_attr("DstT")
    if wanted in (tf.float16, tf.bfloat16):
        raise CannotProveError("it computes in half precision")
    if wanted.is_integer and _holds_all(wanted, one, operation.inputs[0].dtype):
        return algebra.like(one, algebra.residues(one), kind="int")
    if not (wanted.is_floating or (wanted == tf.bool and one.kind == "bool")):
        raise CannotProveError(f"it converts computed numbers to {wanted.name}")
    kind = "float" if wanted.is_floating else one.kind
    ends = one.low, one.high
    whole = one.kind == "int" and all(end is not None and abs(end) <= _EXACT for end in ends)
    return algebra.like(one, algebra.residues(one), kind=kind, holds_whole=whole)


def _holds_all(wanted: Any, one: Value, given: Any) -> bool:
    """Return whether integers, or truth values, stay what they are in a dtype."""
    if one.kind not in ("int", "bool") and not one.holds_whole:
        return False
    low, high = one.low, one.high
    if low is None or high is None:
        low, high = (Fraction(0), Fraction(1)) if given.is_bool else (given.min, given.max)
    return bool(wanted.min <= low and high <= wanted.max)


# --- reductions -----------------------------------------------------------------------------------


def _axes(value: Value, rank: int) -> list[int]:
    return sorted({int(axis) % rank for axis in np.ravel(value.array("an axis"))}) if rank else []


def _reduction(method: Callable[..., Value], *kinds: str) -> None:
    def handler(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
        axes = _axes(inputs[1], inputs[0].rank)
        return method(algebra, inputs[0], axes, keepdims=operation.get_attr("keep_dims"))

    HANDLERS.update(dict.fromkeys(kinds, handler))


_reduction(Algebra.total, "Sum")
_reduction(Algebra.mean, "Mean")
_reduction(Algebra.product, "Prod")
_reduction(Algebra.any_of, "Any")
_reduction(Algebra.all_of, "All")


@handles("Max", "Min")
def _greatest(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    one = algebra.negate(inputs[0]) if operation.type == "Min" else inputs[0]
    axes = _axes(inputs[1], one.rank)
    rest = [axis for axis in range(one.rank) if axis not in axes]
    residues = algebra.residues(one).transpose([0, *(n + 1 for n in (*rest, *axes))])
    shape = [one.shape[axis] for axis in rest]
    found = algebra.greatest_of_rows(one, residues.reshape(len(residues), *shape, -1))
    if operation.get_attr("keep_dims"):
        kept = tuple(1 if axis in axes else n for axis, n in enumerate(one.shape))
        found = _reshaped(algebra, found, kept)
    return algebra.negate(found) if operation.type == "Min" else found


@handles("Softmax")
def _softmax(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    powers = algebra.exp(_by_distances(algebra, inputs[0]))
    found = algebra.divide(powers, algebra.total(powers, [powers.rank - 1], keepdims=True))
    found.low, found.high = ZERO, ONE
    return found


@handles("LogSoftmax")
def _log_softmax(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    distances = _by_distances(algebra, inputs[0])
    powers = algebra.exp(distances)
    total = algebra.total(powers, [powers.rank - 1], keepdims=True)
    return algebra.subtract(distances, algebra.log(total))


def _by_distances(algebra: Algebra, one: Value) -> Value:
    """Return the distances to the first element of each row, where a softmax is of these."""
    if not algebra.by_distances:
        algebra.leaves_out_laws = True
        return one
    residues = algebra.residues(one)[..., :1]
    spread = one.spread if one.spread == frozenset() else None
    return algebra.subtract(one, algebra.like(one, residues, spread=spread))


@handles("Cumsum", "Cumprod")
def _cumulative(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    one, axis = inputs[0], inputs[1].whole("an axis") % inputs[0].rank
    is_product = operation.type == "Cumprod"
    join = algebra.field.multiply if is_product else algebra.field.add
    rows = list(np.moveaxis(algebra.residues(one), axis + 1, 0))
    if operation.get_attr("reverse"):
        rows.reverse()
    if operation.get_attr("exclusive"):
        empty = algebra.field.of_integers(np.full(rows[0].shape[1:], int(is_product)))
        rows = [empty, *rows[:-1]]
    found, growth = list(accumulate(rows, join)), one.growth
    if operation.get_attr("reverse"):
        found.reverse()
    if is_product:
        for _ in rows[1:]:
            growth = growth.times(one.growth)
    else:
        growth = growth.summed(len(rows), shared=False)
    residues = np.stack(found, axis=axis + 1)
    return algebra.made(residues, growth=growth.joined(one.growth), spread=None)


@handles("TopKV2")
def _in_order(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    """Return the first output: the values, but not their places."""
    if not operation.get_attr("sorted"):
        raise CannotProveError("`TopKV2` returns values in no order")
    return algebra.in_order(inputs[0], inputs[1].whole("a number of values"))


# --- sums of products -----------------------------------------------------------------------------


def _matrix_product(
    algebra: Algebra, one: Value, other: Value, *, turned: tuple[bool, bool] = (False, False)
) -> Value:
    def product(x: Any, y: Any) -> Any:
        x = np.swapaxes(x, -1, -2) if turned[0] else x
        return np.matmul(x, np.swapaxes(y, -1, -2) if turned[1] else y)

    algebra.residues(one), algebra.residues(other)
    first, second = (
        value.spread if not turn or value.spread is None else _turned(value.spread)
        for value, turn in zip((one, other), turned, strict=True)
    )
    spread = None
    if first is not None and second is not None:
        spread = frozenset(
            {axis for axis in first if axis != -1} | {axis for axis in second if axis != -2}
        )
    shared = first is not None and second is not None and -1 not in first and -2 not in second
    terms = one.shape[-2 if turned[0] else -1]
    return algebra.sums_of_products(product, one, other, terms, shared=shared, spread=spread)


def _turned(axes: frozenset[int]) -> frozenset[int]:
    return frozenset({-1: -2, -2: -1}.get(axis, axis) for axis in axes)


@handles("MatMul")
def _matmul(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    turned = operation.get_attr("transpose_a"), operation.get_attr("transpose_b")
    return _matrix_product(algebra, inputs[0], inputs[1], turned=turned)


@handles("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
def _batch_matmul(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    turned = operation.get_attr("adj_x"), operation.get_attr("adj_y")
    return _matrix_product(algebra, inputs[0], inputs[1], turned=turned)


@handles("Einsum")
def _einsum(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    equation = operation.get_attr("equation").decode()
    if len(inputs) != 2 or "." in equation or any(c not in equation for c in ("->", ",")):
        raise CannotProveError(f"an unsupported einsum: `{equation}`")
    terms, result = equation.split("->")
    axes = terms.split(",")
    sizes: dict[str, int] = {}
    for letters, value in zip(axes, inputs, strict=True):
        sizes |= dict(zip(letters, value.shape, strict=True))
    summed = [letter for letter in sizes if letter not in result]
    count = int(np.prod([sizes[letter] for letter in summed]))
    for value in inputs:
        algebra.residues(value)
    differing: set[str] | None = set()
    for letters, value in zip(axes, inputs, strict=True):
        if value.spread is None or differing is None:
            differing = None
        else:
            differing |= {letters[axis] for axis in value.spread}
    shared = differing is not None and not differing & set(summed)
    spread = (
        None
        if differing is None
        else frozenset(n - len(result) for n, c in enumerate(result) if c in differing)
    )

    def product(x: Any, y: Any) -> Any:
        return np.einsum(equation, x, y, optimize=True)

    one, other = inputs
    return algebra.sums_of_products(product, one, other, count, shared=shared, spread=spread)


@handles("Conv2D", "Conv3D", "DepthwiseConv2dNative")
def _convolution(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    one, kernel = inputs
    if not operation.get_attr("data_format").decode().endswith("C"):
        raise CannotProveError("a convolution with channels first")
    window = int(np.prod(kernel.shape[:-2]))
    depthwise = operation.type == "DepthwiseConv2dNative"
    taken = kernel.shape[-2]
    groups = 1 if depthwise else one.shape[-1] // taken
    made = kernel.shape[-1] // groups

    def convolve(x: Any, y: Any) -> Any:
        parts = [
            run_operation(operation, [x_part, y_part])[0]
            for x_part, y_part in (
                [(x, y)]
                if groups == 1
                else [
                    (
                        x[..., group * taken : (group + 1) * taken],
                        y[..., group * made : (group + 1) * made],
                    )
                    for group in range(groups)
                ]
            )
        ]
        return np.concatenate(parts, axis=-1)

    terms = window if depthwise else window * taken
    return algebra.sums_of_products(convolve, one, kernel, terms)


@handles("Conv2DBackpropInput")
def _transposed_convolution(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    sizes, kernel, one = inputs
    shape = sizes.array("the size of a transposed convolution")
    if not operation.get_attr("data_format").decode().endswith("C"):
        raise CannotProveError("a convolution with channels first")

    def convolve(x: Any, y: Any) -> Any:
        return run_operation(operation, [shape, y, x])[0]

    terms = int(np.prod(kernel.shape[:2])) * kernel.shape[3]
    return algebra.sums_of_products(convolve, one, kernel, terms)


# --- pooling --------------------------------------------------------------------------------------


@handles("AvgPool", "AvgPool3D", "MaxPool", "MaxPool3D")
def _pool(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    (one,) = inputs
    windows = _windows(operation, one)
    residues = algebra.residues(one)
    count, batch, channels = len(residues), one.shape[0], one.shape[-1]
    places = windows.reshape(-1, windows.shape[-1])
    flat = np.moveaxis(residues.reshape(count, batch, -1, channels), 3, 2)
    shape = (count, batch, *windows.shape[:-1], channels)
    if operation.type.startswith("Avg"):
        return _averages(algebra, one, flat, places, shape)
    # Places beyond the edge hold no element: another of the window is repeated there.
    inside = np.where(places > 0, places, places.max(axis=1, keepdims=True)) - 1
    found = algebra.greatest_of_rows(one, flat[:, :, :, inside])
    moved = np.moveaxis(algebra.residues(found), 2, 3).reshape(shape)
    return algebra.made(moved, low=one.low, high=one.high, growth=found.growth, spread=None)


def _averages(
    algebra: Algebra, one: Value, flat: Residues, places: Any, shape: tuple[int, ...]
) -> Value:
    """Return the means of windows; places beyond the edge are not counted."""
    zero = np.zeros_like(flat[..., :1])
    sums = np.concatenate([zero, flat], axis=3)[..., places].sum(axis=4)
    total = np.moveaxis(algebra.field.reduced(sums), 2, 3).reshape(shape)
    counts = (places > 0).sum(axis=1)
    numbers = [Fraction(1, int(n)) for n in counts]
    shares = algebra.field.of_each(numbers, np.arange(len(numbers)))
    shares = shares.reshape(len(shares), 1, *shape[2:-1], 1)
    terms = places.shape[1]
    growth = one.growth.summed(terms, shared=False)
    bits = float(lcm(*(int(n) for n in counts)).bit_length())
    growth = growth.times(Growth(0.0, bits, 0.0, bits))
    found = algebra.field.multiply(total, shares)
    return algebra.made(found, low=one.low, high=one.high, growth=growth, spread=None)


def _windows(operation: Any, one: Value) -> Any:
    """Return the elements of each window by their number from 1; 0 is beyond the edge."""
    form, padding = (operation.get_attr(name).decode() for name in ("data_format", "padding"))
    if not form.endswith("C") or padding == "EXPLICIT":
        raise CannotProveError("pooling with channels first")
    sizes, strides = (list(operation.get_attr(name)) for name in ("ksize", "strides"))
    if sizes[0] != 1 or sizes[-1] != 1:
        raise CannotProveError("pooling over samples or channels")
    inside = one.shape[1:-1]
    numbers = np.arange(1, int(np.prod(inside)) + 1, dtype=np.float64).reshape(1, *inside, 1)
    if len(inside) == 2:
        found = tf.raw_ops.ExtractImagePatches(
            images=numbers, ksizes=sizes, strides=strides, rates=[1] * 4, padding=padding
        )
    else:
        found = tf.raw_ops.ExtractVolumePatches(
            input=numbers, ksizes=sizes, strides=strides, padding=padding
        )
    return found.numpy()[0].astype(np.int64)


# --- linear maps of images ------------------------------------------------------------------------


@handles("ResizeArea", "ResizeBicubic", "ResizeBilinear", "ScaleAndTranslate")
def _resized(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    """Resize as TensorFlow does: each pixel of the result is a weighted mean of pixels."""
    one, *how = inputs
    height, width = one.shape[1:3]
    if (height * width) ** 2 > algebra.limits.elements:
        raise CannotProveError("an image is too large to resize")
    single = np.eye(height * width, dtype=np.float32).reshape(-1, height, width, 1)
    (found,) = run_operation(operation, [single, *(value.array("a size") for value in how)])
    weights = constant(found.reshape(height * width, -1))
    _check_means(weights)
    flat = _reshaped(algebra, one, (one.shape[0], height * width, one.shape[3]))
    turned = algebra.like(flat, np.swapaxes(algebra.residues(flat), -1, -2), spread=None)
    made = _matrix_product(algebra, turned, weights)
    back = algebra.like(made, np.swapaxes(algebra.residues(made), -1, -2), spread=None)
    return _reshaped(algebra, back, (one.shape[0], *found.shape[1:3], one.shape[3]))


def _check_means(weights: Value) -> None:
    """Raise unless weights are fractions of few digits, and add up to 1 exactly.

    So each is meant exactly, and not as some number of many digits that is near it.
    """
    array = weights.array("weights")
    numbers = {float(one): simplest_fraction(float(one), array.dtype) for one in np.unique(array)}
    for column in array.T:
        if sum(numbers[float(one)] for one in column) != 1:
            raise CannotProveError("it resizes with weights that are not fractions of few digits")


# --- looking up -----------------------------------------------------------------------------------


def chosen_rows(algebra: Algebra, index: Value, count: int) -> Residues:
    """Return whether a computed integer is j, for each j below a count: (primes, ..., count).

    Of these truth values it is known that they add up to 1 over the declared range.

    Raises:
        CannotProveError: the range is not declared, or leaves the table.
    """
    residues = algebra.residues(index)
    low, high = index.low, index.high
    if low is None or high is None:
        raise CannotProveError("a computed index has no known range")
    first, last = int(low), int(high)
    if not 0 <= first <= last < count:
        raise CannotProveError(f"an index from {first} to {last} is outside a table of {count}")
    if index.size * count > algebra.limits.elements:
        raise CannotProveError(f"a table of {count:,} rows is read {index.size:,} times")
    found = np.zeros((len(residues), *index.shape, count), np.int64)
    numbers = np.broadcast_to(np.arange(first, last), (*index.shape, last - first))
    repeated = np.broadcast_to(residues[..., None], (len(residues), *numbers.shape))
    picked = algebra.field.hashed("is row", np.concatenate([repeated, numbers[None]]))
    rest = algebra.field.reduced(picked.sum(axis=-1))
    found[..., first:last] = picked
    found[..., last] = algebra.field.complement(rest)
    numbers = algebra.field.whole_numbers(residues)
    known = (first <= numbers) & (numbers <= last)
    found[:, known] = np.arange(count) == numbers[known][:, None]
    algebra.evaluations += index.size * count
    return found


@handles("GatherV2")
def _gather(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    table, index, axis = inputs
    if axis.whole("an axis") % table.rank or operation.get_attr("batch_dims"):
        raise CannotProveError("a lookup along an axis other than the first")
    rows = chosen_rows(algebra, index, table.shape[0])
    choice = algebra.made(rows.reshape(len(rows), index.size, -1), low=ZERO, high=ONE)
    flat = _reshaped(algebra, table, (table.shape[0], -1))
    found = _matrix_product(algebra, choice, flat)
    found.low, found.high, found.positive = table.low, table.high, table.is_positive
    return _reshaped(algebra, found, (*index.shape, *table.shape[1:]))


@handles("DenseBincount")
def _counts(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    index, size, weights = inputs
    algebra.residues(size)
    if weights.size or index.rank != 2 or size.low is None or size.low != size.high:
        raise CannotProveError("an unsupported form of count")
    chosen = algebra.made(chosen_rows(algebra, index, int(size.low)), low=ZERO, high=ONE)
    if not operation.get_attr("binary_output"):
        return algebra.total(chosen, [1], keepdims=False)
    found = algebra.any_of(chosen, [1], keepdims=False)
    found.kind = "float"
    return found


@handles("OneHot")
def _one_hot(algebra: Algebra, operation: Any, inputs: Sequence[Value]) -> Value:
    index, depth, on, off = inputs
    if operation.get_attr("axis") not in (-1, index.rank):
        raise CannotProveError("a one-hot encoding along an axis other than the last")
    rows = chosen_rows(algebra, index, depth.whole("a depth"))
    choice = algebra.made(rows, low=ZERO, high=ONE)
    return algebra.add(off, algebra.multiply(choice, algebra.subtract(on, off)))


def _reshaped(algebra: Algebra, one: Value, shape: Sequence[int]) -> Value:
    residues = algebra.residues(one)
    spread = one.spread if one.spread == frozenset() else None
    return algebra.like(one, residues.reshape(len(residues), *shape), spread=spread)


def constant_result(operation: Operation, inputs: Sequence[Value]) -> list[Value]:
    """Return what an operation makes of constants."""
    arrays = [value.array("a constant") for value in inputs]
    if sum(array.size for array in arrays) > MOST_KEPT or any(a.dtype.hasobject for a in arrays):
        found = run_operation(operation, arrays)
    else:
        key = tuple((array.dtype.str, array.shape, array.tobytes()) for array in arrays)
        found = operation.kept(key, lambda: run_operation(operation, arrays))
    return [constant(array) for array in found]
