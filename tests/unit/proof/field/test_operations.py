"""Each operation on integers is what TensorFlow makes of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.interpreter import Interpreter
from layerlens.proof.field.operations import HANDLERS, chosen_rows
from layerlens.proof.field.residues import Field
from layerlens.proof.field.value import CannotProveError, Value
from tests.unit.tables.pairs import needs_backend

pytestmark = needs_backend

ops = keras.ops
RNG = np.random.default_rng(0)


def whole(*shape: int) -> Any:
    return RNG.integers(-9, 10, shape).astype(np.float64)


KERNEL_1D, KERNEL_2D = whole(3, 2, 4), whole(2, 3, 2, 4)
GROUPED, DEPTHWISE = whole(3, 1, 4), whole(2, 2, 2, 3)

#: What is computed, and the shape of its input; all results are whole or of few digits.
COMPUTED: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "sum": (lambda x: ops.sum(x, 1), (3, 4)),
    "mean": (lambda x: ops.mean(x, (0, 2), keepdims=True), (2, 3, 4)),
    "product": (lambda x: ops.prod(x, 1), (3, 4)),
    "cumulative sum": (lambda x: ops.cumsum(x, 1), (3, 4)),
    "cumulative sum from behind": (lambda x: tf.cumsum(x, 1, reverse=True), (3, 4)),
    "sum of all before": (lambda x: tf.cumsum(x, 1, exclusive=True), (3, 4)),
    "sum of all behind": (lambda x: tf.cumsum(x, 1, exclusive=True, reverse=True), (3, 4)),
    "cumulative product": (lambda x: tf.math.cumprod(x, 1), (3, 4)),
    "cumulative product from behind": (lambda x: tf.math.cumprod(x, 0, reverse=True), (3, 4)),
    "product of all before": (lambda x: tf.math.cumprod(x, 1, exclusive=True), (3, 4)),
    "powers": (lambda x: x**2 + x**3 - ops.square(x - 1.0), (3, 4)),
    "division": (lambda x: x / 8.0, (3, 4)),
    "sum of several": (lambda x: tf.add_n([x, x, -x, 3.0 * x]), (3, 4)),
    "resized": (lambda x: tf.image.resize(x, (4, 6)), (2, 2, 3, 2)),
    "resized, half as large": (lambda x: tf.image.resize(x, (2, 4), "bilinear"), (1, 4, 8, 2)),
    "resized by areas": (lambda x: tf.image.resize(x, (2, 2), "area"), (1, 4, 4, 1)),
    "resized against aliasing": (
        lambda x: tf.image.resize(x, (4, 4), antialias=True),
        (1, 2, 2, 1),
    ),
    "bias": (lambda x: tf.nn.bias_add(x, [1.0, 2.0, 3.0]), (2, 5, 3)),
    "bias, channels first": (
        lambda x: tf.nn.bias_add(x, [1.0, 2.0, 3.0], data_format="NCHW"),
        (2, 3, 5),
    ),
    "matrix product": (lambda x: tf.matmul(x, x, transpose_b=True), (2, 3, 4)),
    "matrix product, transposed": (lambda x: tf.matmul(x, x, adjoint_a=True), (2, 3, 4)),
    "matrix by number": (lambda x: tf.raw_ops.MatMul(a=x, b=x, transpose_a=True), (3, 4)),
    "einsum": (lambda x: tf.einsum("bij,bkj->kbi", x, x), (2, 3, 4)),
    "convolution": (lambda x: ops.conv(x, KERNEL_1D, padding="same"), (2, 6, 2)),
    "strided convolution": (lambda x: ops.conv(x, KERNEL_1D, 2), (2, 7, 2)),
    "dilated convolution": (lambda x: ops.conv(x, KERNEL_1D, dilation_rate=2), (2, 7, 2)),
    "convolution of images": (lambda x: ops.conv(x, KERNEL_2D, padding="same"), (2, 4, 5, 2)),
    "grouped convolution": (lambda x: ops.conv(x, GROUPED), (2, 6, 4)),
    "depthwise convolution": (lambda x: ops.depthwise_conv(x, DEPTHWISE), (2, 4, 4, 2)),
    "transposed convolution": (
        lambda x: ops.conv_transpose(x, KERNEL_2D, 2, padding="same"),
        (2, 3, 4, 4),
    ),
    "average pooling": (lambda x: ops.average_pool(x, 2, 2), (2, 6, 4)),
    "average pooling at the edge": (
        lambda x: ops.average_pool(x, 2, 2, padding="same"),
        (2, 5, 5, 2),
    ),
    "one hot": (lambda x: ops.one_hot(ops.ones((3,), "int32"), 4, dtype="float64") * x, (3, 4)),
    "padding": (lambda x: ops.pad(x, ((0, 0), (1, 2)), constant_values=5.0), (3, 4)),
    "reflection": (lambda x: ops.pad(x, ((0, 0), (1, 2)), mode="reflect"), (3, 4)),
    "concatenation": (lambda x: ops.concatenate([x, x[:, ::-1], 2.0 * x], 1), (3, 4)),
    "stack and split": (lambda x: ops.split(ops.stack([x, -x], 1), 2, 2)[1], (3, 4)),
    "rows by number": (lambda x: ops.take(x, [2, 0, 2], 1), (3, 4)),
    "transposition": (lambda x: ops.transpose(x, (2, 0, 1)), (2, 3, 4)),
    "repetition": (lambda x: ops.tile(ops.repeat(x, 2, 1), (1, 3)), (3, 4)),
    "upsampling": (lambda x: tf.image.resize(x, (4, 6), method="nearest"), (2, 2, 3, 2)),
    "space to depth": (lambda x: tf.nn.space_to_depth(x, 2), (1, 4, 4, 2)),
    "triangle": (lambda x: ops.tril(x), (3, 3)),
    "rolled": (lambda x: ops.roll(x, 2, 1), (3, 4)),
    "selection by constants": (
        lambda x: ops.where(np.array([True, False, True, False]), x, 2.0 * x),
        (3, 4),
    ),
}


def interpreted(function: Callable[[Any], Any], array: Any) -> tuple[Algebra, Value]:
    algebra = Algebra(Field.drawn(0, 3))
    given = algebra.made(algebra.field.of_integers(array))
    traced = tf.function(function, autograph=False).get_concrete_function(
        tf.TensorSpec(array.shape, tf.float64)
    )
    (found,) = Interpreter(algebra).run(traced.graph, [given])
    assert isinstance(found, Value)
    return algebra, found


@pytest.mark.parametrize("name", COMPUTED)
def test_the_result_is_that_of_tensorflow(name: str) -> None:
    function, shape = COMPUTED[name]
    array = whole(*shape)
    expected = np.asarray(function(tf.constant(array)))
    algebra, found = interpreted(function, array)
    # All denominators here divide 720.
    times = algebra.field.of_integers(np.array(720))
    residues = algebra.field.multiply(algebra.residues(found), times)
    assert np.array_equal(residues, algebra.field.of_integers(np.rint(720 * expected)))


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: ops.conv(ops.transpose(x, (0, 2, 1)), KERNEL_1D), None),
        (lambda x: tf.image.resize(x[..., None], (3, 5), antialias=True), "few digits"),
        (lambda x: ops.cast(ops.cast(x, "int32"), "float64"), "to int32"),
        (lambda x: tf.einsum("...j,...j->...", x, x), "einsum"),
        (lambda x: tf.math.divide_no_nan(x, x), "may be zero"),
        (lambda x: tf.math.top_k(x, 2, sorted=False)[0], "in no order"),
        (lambda x: tf.cast(tf.math.top_k(x, 2)[1], "float64"), "positions in an order"),
        (lambda x: tf.signal.rfft(tf.cast(x, tf.float32)), "not supported"),
        (lambda x: tf.raw_ops.AvgPool(
            value=x[:, :, :, None], ksize=[1, 1, 1, 2], strides=[1, 1, 1, 2], padding="SAME"
        ), "channels"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused(
    function: Callable[[Any], Any], reason: str | None
) -> None:
    array = whole(2, 2, 6)
    if reason is None:
        interpreted(function, array)
        return
    with pytest.raises(CannotProveError, match=reason):
        interpreted(function, array)


def counted(binary: bool, *shape: int, high: int = 5) -> Value:
    def count(x: Any) -> Any:
        return tf.math.bincount(
            x, minlength=5, maxlength=5, axis=-1, dtype="float32", binary_output=binary
        )

    algebra = Algebra(Field.drawn(0, 3))
    drawn = algebra.field.draw(shape)
    given = algebra.made(drawn, kind="int", low=Fraction(0), high=Fraction(high - 1))
    traced = tf.function(count, autograph=False).get_concrete_function(
        tf.TensorSpec(shape, tf.int32)
    )
    (found,) = Interpreter(algebra).run(traced.graph, [given])
    assert isinstance(found, Value)
    return found


def test_a_count_of_one_token_is_0_or_1_and_of_two_may_be_2() -> None:
    assert np.array_equal(counted(True, 2, 1).residues, counted(False, 2, 1).residues)
    assert not np.array_equal(counted(True, 2, 2).residues, counted(False, 2, 2).residues)
    with pytest.raises(CannotProveError, match="is outside a table of 5"):
        counted(False, 2, 2, high=6)


def test_whole_numbers_pass_other_dtypes_where_these_hold_them() -> None:
    def interpreted_cast(wanted: str, back: str, high: int) -> Value:
        algebra = Algebra(Field.drawn(0, 3))
        drawn = algebra.field.draw((2, 3))
        given = algebra.made(drawn, kind="int", low=Fraction(0), high=Fraction(high))
        traced = tf.function(
            lambda x: tf.cast(tf.cast(x, wanted), back), autograph=False
        ).get_concrete_function(tf.TensorSpec((2, 3), tf.int64))
        (found,) = Interpreter(algebra).run(traced.graph, [given])
        assert isinstance(found, Value)
        return found

    assert interpreted_cast("float32", "int32", 2**24).kind == "int"
    assert interpreted_cast("int32", "int64", 2**31 - 1).kind == "int"
    for wanted, back, high in (
        ("float32", "int32", 2**24 + 1),
        ("int32", "int64", 2**31),
        ("float64", "uint8", 256),
    ):
        with pytest.raises(CannotProveError, match="converts"):
            interpreted_cast(wanted, back, high)


def test_rows_of_known_numbers_are_known() -> None:
    algebra = Algebra(Field.drawn(0, 3))
    index = algebra.made(algebra.field.of_integers(np.array([3, 1])), kind="int")
    index.low, index.high = Fraction(1), Fraction(3)
    assert np.array_equal(chosen_rows(algebra, index, 5)[0], np.eye(5)[[3, 1]])


def test_chosen_rows_add_up_to_one_within_the_range() -> None:
    algebra = Algebra(Field.drawn(0, 3))
    index = algebra.made(algebra.field.draw((2, 3)), kind="int")
    with pytest.raises(CannotProveError, match="no known range"):
        chosen_rows(algebra, index, 5)
    index.low, index.high = 1, 3
    rows = chosen_rows(algebra, index, 5)
    assert rows.shape == (3, 2, 3, 5)
    assert (algebra.field.reduced(rows.sum(axis=-1)) == 1).all()
    assert not rows[..., 0].any()
    assert not rows[..., 4].any()
    index.high = 5
    with pytest.raises(CannotProveError, match="is outside a table of 5"):
        chosen_rows(algebra, index, 5)


def test_every_operation_named_is_one_of_tensorflow() -> None:
    assert not [name for name in HANDLERS if not hasattr(tf.raw_ops, name)]
