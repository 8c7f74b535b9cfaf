"""The segment in which two models differ, also where paths double with every layer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.proof.certify import certify
from layerlens.proof.expressions import Step, Value
from layerlens.proof.segments import Segment, from_shared, numbers_in, open_goals
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.doublings import doubled, residual
from tests.unit.tables.pairs import input_of, layer, sides

pytestmark = pytest.mark.usefixtures("backend")


def certified(reference: ModelSpec, candidate: ModelSpec) -> CertificateRow | None:
    one, other = sides(reference, candidate, input_of(3, 2))
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built))
    found = certify(one, other, transfer, seed=0)
    return found if isinstance(found, CertificateRow) else None


def behind(spec: ModelSpec, first: LayerSpec) -> ModelSpec:
    """Return the graph with one more layer right after the input."""
    given = {"input": "first"}
    nodes = (replace(n, inputs=tuple(given.get(i, i) for i in n.inputs)) for n in spec.nodes)
    return replace(spec, nodes=(NodeSpec("first", first, ("input",)), *nodes))


DENSE = layer("Dense", units=2)
WRAPPED = layer("TimeDistributed", layer=DENSE)


def test_what_follows_a_segment_is_lined_up_once_however_many_paths_lead_there() -> None:
    row = certified(behind(residual("one"), DENSE), behind(residual("other"), WRAPPED))
    assert row is not None
    assert row.segment == "`first` against `first`"


def test_a_bound_on_sums_that_doubles_in_digits_is_given_up_early() -> None:
    """Thirty squarings of a sum have a bound of a thousand million bits."""
    squared = doubled("m", "Multiply", 30)
    odd = doubled("m", "Multiply", 30, odd=29)
    assert certified(behind(squared, DENSE), behind(odd, WRAPPED)) is None
    few, odd = doubled("m", "Multiply", 3), doubled("m", "Multiply", 3)
    assert certified(behind(few, DENSE), behind(odd, WRAPPED)) is not None


# --- values made by hand --------------------------------------------------------------------------


def given(number: int) -> Value:
    return Value(number, None, (None, 3), "float32")


def result(number: int, kind: str, *inputs: Value, signature: str | None = None) -> Value:
    step = Step(kind, kind, inputs, signature)  # type: ignore[arg-type]
    return Value(number, None, (None, 3), "float32", step)


def test_all_that_a_value_is_computed_from_is_collected_once() -> None:
    start = given(0)
    last = start
    for number in range(1, 41):  # a path for every subset of the steps
        last = result(number, "layer", last, last)
    assert numbers_in([last]) == set(range(41))


def test_goals_move_through_equal_steps_to_their_inputs() -> None:
    shared, one, other = given(0), given(1), given(2)
    left = result(3, "activation", result(5, "select", one, signature="s"), signature="relu")
    right = result(4, "activation", result(6, "select", other, signature="s"), signature="relu")
    variables = from_shared({0, 1, 2})
    assert open_goals([(shared, shared)], variables) == []
    goals = open_goals([(left, right)], variables)
    assert goals is not None
    assert [(a.number, b.number) for a, b in goals] == [(1, 2)]


def test_steps_that_differ_and_are_no_polynomials_leave_no_goal() -> None:
    one = result(3, "activation", given(0), signature="relu")
    other = result(4, "activation", given(0), signature="tanh")
    assert open_goals([(one, other)], from_shared({0})) is None
    unknown = result(5, "layer", given(0)), result(6, "layer", given(0))
    assert open_goals([unknown], from_shared({0})) is None


def test_a_segment_ends_at_its_variables() -> None:
    start = given(0)
    shared = result(1, "layer", start)
    ends = result(2, "select", shared), result(3, "select", shared)
    segment = Segment([ends], from_shared({0, 1}), {})
    assert segment.variables == {1: shared}
    assert [step.kind for step in segment.steps] == ["select", "select"]
    assert not segment.has_open_axes
    whole = Segment([ends], from_shared({0}), {})
    assert whole.variables == {0: start}
    assert len(whole.steps) == 3
    assert segment.is_like(Segment([ends], from_shared({0, 1}), {}))
    assert not segment.is_like(whole)
