"""One model of a pair runs in both precisions, and its sensitivity is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.models.execute.side import MOST_AT_ONCE, Precision, Side, sensitivities
from layerlens.models.execute.variables import LARGE, as_array, memory_of
from layerlens.scenario.spec import LayerSpec
from tests.unit.models.execute.runners import runner
from tests.unit.tables.pairs import chain, input_of, layer

pytestmark = pytest.mark.usefixtures("backend")

#: Values of many digits: those of few are not perturbed.
X = np.sqrt(np.asarray([[2.0, 5.0, 11.0]])).astype("float32")


def side(*layers: LayerSpec, **more: Any) -> Side:
    working, double = (
        runner(chain("m", *layers, **more), input_of(3), precision=precision)
        for precision in ("working", "float64")
    )
    return Side("m", working, double)


def test_a_run_has_the_weights_the_precision_and_the_selection() -> None:
    dense = side(layer("Dense", units=2), select="[:, 0]")
    kernel, bias = np.arange(6.0).reshape(3, 2), np.asarray([1.0, 2.0])
    for precision, dtype in (("working", "float32"), ("float64", "float64")):
        outcome = dense.run((kernel, bias), [X], precision, "eager")  # type: ignore[arg-type]
        assert outcome.dtypes == (dtype,)
        np.testing.assert_allclose(outcome.outputs[0], (X @ kernel + bias)[:, 0], rtol=1e-6)
    assert dense.run_whole((kernel, bias), [X], "working", "eager").shapes == ((1, 2),)


def test_sensitivity_is_the_change_per_relative_change() -> None:
    scaled = side(layer("Rescaling", scale=5.0))
    base = scaled.run((), [X], "float64", "traced_dynamic")
    (moved,) = scaled.sensitivity((), [X], base, seed=0)
    np.testing.assert_allclose(moved, np.abs(5.0 * X), rtol=1e-2)
    (both, again) = sensitivities((scaled, scaled), ((), ()), [X], (base, base), seed=0)
    np.testing.assert_array_equal(both[0], again[0])


def test_working_precision_replaces_a_missing_float64_form() -> None:
    dense = side(layer("Rescaling", scale=3.0))
    assert dense.is_exact
    double = dense.float64
    dense.leave_float64()
    assert not dense.is_exact
    assert dense.float64 is dense.working
    assert dense.finer is double
    base = dense.run((), [X], "float64", "traced_dynamic")
    assert base.dtypes == ("float32",)
    assert dense.run_finer((), [X], base).dtypes == ("float64",)


def test_a_bound_side_takes_one_batch_size_in_every_precision() -> None:
    dense = side(layer("ReLU"))
    dense.bind(4)
    assert {dense.working.batch_size, dense.float64.batch_size} == {4}


@pytest.mark.parametrize(("dtype", "unit"), [("float16", 2.0**-11), ("float32", 2.0**-24)])
def test_the_coarsest_dtype_of_a_layer_sets_the_unit(dtype: str, unit: float) -> None:
    mixed = side(layer("Dense", units=2), layer("ReLU", dtype=dtype))
    assert mixed.coarsest_dtype == dtype
    assert mixed.unit == unit


def test_overflow_in_half_precision_leaves_the_range() -> None:
    half = side(layer("Rescaling", scale=3e4), dtype="float16")
    assert half.leaves_range((), [X])
    assert not half.leaves_range((), [X / 100])


def test_numbers_are_changed_only_where_models_can_be_built() -> None:
    assert side(layer("ReLU")).with_changed_numbers("rounded", lambda number: number) is None


def paired(units: int = 400, **more: Any) -> tuple[Side, Side]:
    """Return two sides of a pair, with a kernel so large that its memory is shared."""
    one, other = (side(layer("Dense", units=units), layer("ReLU"), **more) for _ in range(2))
    one.other, other.other = other, one
    return one, other


def address(one: Side, precision: Precision) -> int:
    return memory_of(as_array(one.runner(precision).keras.variables[0]))[0]


def test_equal_weights_of_a_pair_are_in_memory_once() -> None:
    one, other = paired(units=LARGE)
    values = tuple(np.asarray(value) for value in one.working.values())
    moved = (values[0] + 1.0, values[1])
    for precision in ("working", "float64"):
        one.hold(values, precision)
        other.hold(values, precision)
        assert address(one, precision) == address(other, precision)
        one.hold(moved, precision)  # changes the weights of one model alone
        assert address(one, precision) != address(other, precision)
        np.testing.assert_array_equal(other.runner(precision).values()[0], values[0])
        np.testing.assert_array_equal(one.runner(precision).values()[0], moved[0])


def test_weights_that_a_call_may_change_are_not_shared() -> None:
    one, other = paired(units=LARGE)
    one.training = True
    values = tuple(np.asarray(value) for value in one.working.values())
    one.hold(values, "working")
    other.hold(values, "working")
    assert address(one, "working") != address(other, "working")


def test_large_models_are_changed_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sensitivities are the same, and both have their own weights again afterwards."""
    found = []
    for most in (MOST_AT_ONCE, 0):
        monkeypatch.setattr("layerlens.models.execute.side.MOST_AT_ONCE", most)
        both = paired(units=LARGE)
        values = tuple(np.ones(shape) for shape in ((3, LARGE), (LARGE,)))
        bases = [each.run(values, [X], "float64", "traced_dynamic") for each in both]
        found.append(sensitivities(both, (values, values), [X], bases, seed=0))
    for at_once, in_turn in zip(*found, strict=True):
        np.testing.assert_array_equal(at_once[0], in_turn[0])
    assert address(both[0], "float64") == address(both[1], "float64")
    np.testing.assert_array_equal(both[0].float64.values()[0], values[0])
