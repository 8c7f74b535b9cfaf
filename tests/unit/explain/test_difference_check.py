"""The check of a difference, on functions of NumPy in place of models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from layerlens.explain.difference_check import DifferenceCheck, FirstDifference
from layerlens.models.execute.outcome import Outcome
from layerlens.numerics.judge import Witness
from layerlens.numerics.noise_floor import NoiseFloor
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import ProbeBatch
from layerlens.report.layers import ModelError
from layerlens.scenario.spec import Tolerance

Function = Callable[[Any], Any]


@dataclass
class FunctionSide:
    """A function where the check expects a model; it refuses inputs above 1000."""

    function: Function
    #: What an eager call adds in working precision.
    eager_shift: float = 0.0
    training: bool = False
    is_exact: bool = True
    unit: float = 2.0**-24
    calls: list[tuple[str, str]] = field(default_factory=list)
    working: Any = field(default_factory=lambda: SimpleNamespace(is_random=False))

    def run(self, values: Any, inputs: Any, precision: str, execution: str) -> Outcome:
        self.calls.append((precision, execution))
        if (inputs[0] > 1000).any():
            return Outcome(error=ModelError(None, "too large"))
        dtype = "float64" if precision == "float64" else "float32"
        output = np.asarray(self.function(inputs[0].astype(dtype)))
        if precision == "working" and execution == "eager":
            output = output + np.asarray(self.eager_shift, dtype)
        return Outcome((output,))

    def sensitivity(self, values: Any, inputs: Any, double: Outcome, seed: int) -> Any:
        return (np.abs(double.outputs[0]),)


def check_of(
    reference: Function,
    candidate: Function,
    *,
    at: Any = ((1.0, 2.0),),
    tolerance: Tolerance | None = None,
    inconsistent: str | None = None,
    **more: Any,
) -> DifferenceCheck:
    """Return the check of two functions whose witness is element 0 of the output for `at`."""
    sides = FunctionSide(reference, **more), FunctionSide(candidate, **more)
    inputs = np.asarray(at, "float32")
    doubles = [np.asarray(side.function(inputs.astype("float64"))) for side in sides]
    shown = [double.astype("float32") for double in doubles]
    zeros = np.zeros(doubles[0].shape)
    observation = Observation(
        "drawn",
        "eager" if inconsistent else "traced_dynamic",
        ProbeBatch(("at",), (slice(0, len(inputs)),), (inputs,)),
        (shown[0],),
        (shown[1],),
        (doubles[0],),
        (doubles[1],),
        (NoiseFloor(zeros, zeros),),
    )
    witness = Witness(observation, 0, (0,) * doubles[0].ndim, inconsistent)
    return DifferenceCheck(*sides, (), (), witness, residue=False, tolerance=tolerance)  # type: ignore[arg-type]


def of(*rows: Any) -> tuple[Any, ...]:
    return (np.asarray(rows, "float32"),)


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def capped(x: Any) -> Any:
    return np.minimum(relu(x), 6)


# --- measurements ---------------------------------------------------------------------------------


def test_the_first_element_that_differs_is_found_with_both_values() -> None:
    check = check_of(relu, capped, at=((8.0, 0.0),))
    assert check.first_difference(of([0, 1], [2, 9], [10, 0])) == FirstDifference(
        (1, 1), np.float32(9), np.float32(6)
    )


def test_equal_outputs_have_no_difference() -> None:
    assert check_of(relu, capped, at=((8.0, 0.0),)).first_difference(of([1, 5])) is None


def test_rounding_is_no_difference() -> None:
    check = check_of(lambda x: (x + 1) - 1, lambda x: x)
    given = of([0.1, 0.7], [1e-3, 3.3])
    assert ((given[0] + 1) - 1 != given[0]).any()
    assert check.first_difference(given) is None


def test_a_refused_input_and_other_shapes_have_no_difference() -> None:
    check = check_of(relu, capped, at=((8.0, 0.0),))
    assert check.first_difference(of([2000, 9])) is None
    check = check_of(relu, capped, at=((8.0, 0.0),))
    check.candidate.function = lambda x: capped(x)[:, :1]  # type: ignore[attr-defined]
    assert check.first_difference(of([8, 9])) is None


def test_a_finite_witness_is_not_replaced_by_an_infinite_one() -> None:
    check = check_of(lambda x: x, lambda x: np.where(x > 5, np.inf, 2 * x))
    assert check.first_difference(of([0, 9])) is None
    assert check.first_difference(of([1, 9])) == FirstDifference(
        (0, 0), np.float32(1), np.float32(2)
    )


def test_a_tolerance_is_the_only_measure_where_there_is_one() -> None:
    check = check_of(lambda x: x, lambda x: x + 0.5, tolerance=Tolerance(0.0, 0.6))
    assert check.first_difference(of([1, 2])) is None
    check = check_of(lambda x: x, lambda x: x + 0.5, tolerance=Tolerance(0.0, 0.4))
    assert check.first_difference(of([1, 2])) is not None


def test_a_model_that_differs_from_itself_is_both_sides() -> None:
    check = check_of(relu, capped, eager_shift=1.0, inconsistent="reference")
    assert check.candidate is check.reference
    assert check.first_difference(of([3, 4])) == FirstDifference(
        (0, 0), np.float32(3), np.float32(4)
    )
    check = check_of(relu, capped, eager_shift=0.0, inconsistent="candidate")
    assert check.reference is check.candidate
    assert check.first_difference(of([3, 4])) is None


# --- guesses --------------------------------------------------------------------------------------


def test_a_guess_is_made_for_each_sample_with_two_calls() -> None:
    check = check_of(relu, capped, at=((8.0, 0.0),))
    likely = check.likely_differs(of([0, 1], [2, 9], [10, 0]), 1.0)
    assert likely is not None
    assert likely.tolist() == [False, True, True]
    assert check.calls == 2


def test_strictness_raises_the_limit() -> None:
    check = check_of(lambda x: x, lambda x: x + 1e-3)
    likely = [check.likely_differs(of([1, 2]), strictness) for strictness in (1.0, 4096.0)]
    assert [bool(one.any()) for one in likely if one is not None] == [True, False]


def test_an_output_without_a_batch_axis_counts_for_every_sample() -> None:
    check = check_of(lambda x: x.sum(), lambda x: 2 * x.sum())
    likely = check.likely_differs(of([1, 2], [0, 0], [0, 0]), 1.0)
    assert likely is not None
    assert likely.tolist() == [True, True, True]


def test_no_guess_is_made_of_refused_inputs() -> None:
    assert check_of(relu, capped).likely_differs(of([2000, 1]), 1.0) is None


@pytest.mark.parametrize(
    ("tolerance", "precision"), [(None, "float64"), (Tolerance(0.0, 0.4), "working")]
)
def test_a_guess_is_in_float64_unless_a_tolerance_is_given(
    tolerance: Tolerance | None, precision: str
) -> None:
    check = check_of(relu, capped, tolerance=tolerance)
    check.likely_differs(of([1, 2]), 1.0)
    assert check.reference.calls == [(precision, "traced_dynamic")]  # type: ignore[attr-defined]
