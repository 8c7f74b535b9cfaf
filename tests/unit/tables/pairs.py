"""Drives one pair by hand: built, examined, judged, with the weights of its witness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from layerlens.comparison.examination import Examination
from layerlens.comparison.probe_plan import examine
from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.input_domains import BASE_LENGTHS
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import weight_rows
from layerlens.models.execute.weight_sets import weight_sets
from layerlens.numerics.judge import Witness, judge
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, Tolerance


def layer(kind: str, **arguments: Any) -> LayerSpec:
    return LayerSpec(kind, arguments)


def chain(name: str, *layers: LayerSpec, **more: Any) -> ModelSpec:
    return ModelSpec(name, "layers", layers=layers, **more)


@dataclass(frozen=True)
class Seen:
    """A pair that was found different, and what it was found different on."""

    reference: Side
    candidate: Side
    weights_reference: Values
    weights_candidate: Values
    witness: Witness


def sides(
    reference: ModelSpec,
    candidate: ModelSpec,
    *inputs: InputSpec,
    training: bool = False,
) -> tuple[Side, Side]:
    made = []
    for spec in (reference, candidate):
        both = [
            build_model(spec, inputs, precision=precision)  # type: ignore[arg-type]
            for precision in ("working", "float64")
        ]
        assert all(isinstance(one, Built) for one in both), both
        made.append(Side.of(spec.name, *both, training=training, seed=0))  # type: ignore[arg-type]
    return made[0], made[1]


def prepared(
    reference: ModelSpec, candidate: ModelSpec, *inputs: InputSpec, training: bool = False
) -> Examination:
    """Return the examination of a pair with its weights drawn, before anything is observed."""
    one, other = sides(reference, candidate, *inputs, training=training)
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built))
    assert transfer.complete, transfer.problem
    work = Examination(one, other, transfer, 0)
    work.prepare(BASE_LENGTHS[0])
    return work


def seen(
    reference: ModelSpec,
    candidate: ModelSpec,
    *inputs: InputSpec,
    training: bool = False,
    tolerance: Tolerance | None = None,
) -> Seen:
    """Examine and judge the pair; it has to come out different."""
    one, other = sides(reference, candidate, *inputs, training=training)
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built))
    examination = Examination(one, other, transfer, 0)
    witness = judge(examine(examination).observations, tolerance=tolerance).witness
    assert witness is not None
    kind = witness.observation.weights
    weights = next(w for w in weight_sets(one, other, examination.transfer, 0) if w.kind == kind)
    return Seen(one, other, weights.reference, weights.candidate, witness)


def input_of(*shape: int | None, **more: Any) -> InputSpec:
    return InputSpec(more.pop("name", "input"), shape, **more)


needs_backend = pytest.mark.usefixtures("backend")
