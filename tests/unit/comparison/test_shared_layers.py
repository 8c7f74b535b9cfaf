"""Two models are split where they part, and the first layers that differ are lined up."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.comparison.shared_layers import FirstApart, SharedLayers
from layerlens.models.execute.variables import pair_model_weights
from tests.unit.tables.pairs import chain, input_of, layer, sides

pytestmark = pytest.mark.usefixtures("backend")

DENSE, RELU, TANH = layer("Dense", units=3), layer("ReLU"), layer("Activation", activation="tanh")


def split(one: Any, other: Any) -> SharedLayers:
    ours, theirs = sides(chain("one", *one), chain("other", *other), input_of(3))
    transfer = pair_model_weights(ours.built, theirs.built, "auto")
    return SharedLayers.of(ours.built, theirs.built, transfer)


def names(apart: FirstApart) -> tuple[str | None, str | None]:
    one, other = apart.reference, apart.candidate
    return (
        None if one is None else type(one.operation).__name__,
        None if other is None else type(other.operation).__name__,
    )


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([DENSE, RELU], [DENSE, TANH], ("ReLU", "Activation")),
        ([DENSE, RELU, DENSE], [DENSE, DENSE], ("ReLU", None)),
        ([DENSE, DENSE], [DENSE, TANH, DENSE], (None, "Activation")),
        ([DENSE, RELU], [DENSE, RELU], (None, None)),
    ],
)
def test_the_first_layers_apart(one: Any, other: Any, expected: Any) -> None:
    assert names(split(one, other).first_apart) == expected


def test_what_both_compute_alike_is_shared_and_the_rest_is_changed_or_moved() -> None:
    found = split([DENSE, RELU, DENSE], [DENSE, TANH, DENSE])
    (start,) = found.candidate.starts
    assert start != id(found.candidate.walk.graph.inputs[0])
    assert found.candidate.reference_starts == found.reference.starts
    changed = [type(call.operation).__name__ for call in found.changed(1)]
    assert changed == ["Activation"]  # the last layer is the same function of other inputs
    assert len(found.candidate.own_calls) == 2
