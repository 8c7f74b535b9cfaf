"""What an element depends on is never overlooked, and rarely overstated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from layerlens.proof.field.dependence import (
    dependence,
    groups_of,
    sample_by_sample,
    stays_with_its_sample,
    step_by_step,
)
from layerlens.proof.field.interpreter import Interpreter
from layerlens.proof.field.residues import Residues
from layerlens.proof.field.value import CannotProveError, Value
from tests.unit.proof.field.test_interpreter import EQUAL
from tests.unit.proof.field.test_operations import COMPUTED
from tests.unit.tables.pairs import needs_backend

pytestmark = needs_backend

ops = keras.ops
Function = Callable[[Any], Any]

#: Functions of arrays, and the shape of one; the first axis counts as that of samples.
FUNCTIONS: dict[str, tuple[Function, tuple[int, ...]]] = {
    **COMPUTED,
    **{name: (pair[0], (3, 4)) for name, pair in EQUAL.items()},
    "log of what may be one": (lambda x: ops.log(ops.exp(ops.sum(x, 0))), (3, 4)),
    "which are not zero": (lambda x: ops.cast(ops.not_equal(x, 0.0), "float32"), (3, 4)),
    "any is not zero": (lambda x: ops.cast(ops.any(ops.not_equal(x, 0.0), 0), "float32"), (3, 4)),
    "all are not zero": (lambda x: ops.cast(ops.all(ops.equal(x, 0.0), 0), "float32"), (3, 4)),
    "selected by another sample": (lambda x: ops.where(x[::-1] > 0, x, -x), (3, 4)),
}


def lanes_of(function: Function, *shape: int, dtype: str = "float32") -> Residues:
    algebra = dependence(len(groups_of(shape[0])))
    traced = tf.function(function, autograph=False).get_concrete_function(
        tf.TensorSpec(shape, dtype)
    )
    given = algebra.made(sample_by_sample(shape[0], shape))
    (found,) = Interpreter(algebra).run(traced.graph, [given])
    assert isinstance(found, Value)
    return algebra.residues(found)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_sample_changes_depends_on_it(name: str) -> None:
    function, shape = FUNCTIONS[name]
    dtype = "float64" if name in COMPUTED else "float32"
    lanes, groups = lanes_of(function, *shape, dtype=dtype), groups_of(shape[0])
    rng = np.random.default_rng(0)
    given = rng.uniform(0.5, 2.0, shape).astype(dtype)
    before = np.asarray(function(tf.constant(given)), np.float64)
    for sample in range(shape[0]):
        changed = given.copy()
        changed[sample] = rng.choice([-1.5, 0.0], shape[1:])
        after = np.asarray(function(tf.constant(changed)), np.float64)
        moved = ~np.isclose(before, after, equal_nan=True)
        assert (lanes[groups[:, sample] == 1][:, moved] == 1).all()


@pytest.mark.parametrize("samples", [1, 2, 3, 35, 256])
def test_no_sample_is_in_all_groups_of_another(samples: int) -> None:
    groups = groups_of(samples)
    assert groups.shape[1] == samples
    for sample in range(samples):
        within = (groups[:, sample, None] <= groups).all(axis=0)
        assert within.tolist() == [other == sample for other in range(samples)]


@pytest.mark.parametrize(
    ("function", "alone"),
    [
        (lambda x: ops.softmax(x * 2.0), True),
        (lambda x: ops.max(x, 1, keepdims=True) - ops.mean(x, 1, keepdims=True), True),
        (lambda x: ops.reshape(ops.transpose(ops.reshape(x, (6, 2, 2)), (0, 2, 1)), (6, 4)), True),
        (lambda x: ops.matmul(x, np.ones((4, 3), np.float32)), True),
        (lambda x: ops.transpose(x[:4]), False),
        (lambda x: x - ops.mean(x, 0), False),
        (lambda x: x[::-1], False),
        (lambda x: ops.cumsum(x, 0), False),
        (lambda x: ops.softmax(x, 0), False),
        (lambda x: ops.matmul(np.ones((6, 6), np.float32), x), False),
        (lambda x: ops.where(ops.any(ops.equal(x, 0.0), (0, 1), keepdims=True), x, -x), False),
    ],
)
def test_samples_are_seen_to_be_treated_alone(function: Function, alone: bool) -> None:
    assert stays_with_its_sample(lanes_of(function, 6, 4)) == alone


def test_a_branch_on_data_is_refused() -> None:
    def branching(x: Any) -> Any:
        return tf.cond(tf.reduce_all(tf.equal(x, 0.0)), lambda: x, lambda: -x)

    with pytest.raises(CannotProveError, match="a branch depends on data"):
        lanes_of(branching, 3, 4)


def test_each_step_has_a_lane_of_its_own() -> None:
    floats, tokens = step_by_step(2, [(3, 4), (2,)], [3, 2])
    assert floats.shape == (5, 2, 3, 4)
    assert tokens.shape == (5, 2, 2)
    for step in range(3):
        assert np.flatnonzero(floats[:, 1, step, 2]).tolist() == [step]
    assert np.flatnonzero(tokens[:, 0, 1]).tolist() == [4]
    with pytest.raises(CannotProveError, match="more than 128 steps"):
        step_by_step(2, [(129, 1)], [129])
