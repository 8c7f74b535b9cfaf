"""Two models are split where they part, and the first layers that differ are lined up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.comparison.shared_layers import FirstApart, Places, SharedLayers
from layerlens.models.execute.variables import pair_model_weights
from tests.unit.tables.pairs import chain, input_of, layer, sides

pytestmark = pytest.mark.usefixtures("backend")

DENSE, RELU, TANH = layer("Dense", units=3), layer("ReLU"), layer("Activation", activation="tanh")

EINSUM = layer("EinsumDense", equation="ab,bc->ac", output_shape=3, bias_axes="c")


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
        # Among layers of one form, those that are the same functions are lined up.
        ([DENSE, DENSE, DENSE, DENSE], [EINSUM, DENSE, DENSE, DENSE], ("Dense", "EinsumDense")),
    ],
)
def test_the_first_layers_apart(one: Any, other: Any, expected: Any) -> None:
    assert names(split(one, other).apart.places[0][0]) == expected


def test_what_both_compute_alike_is_shared_and_the_rest_is_changed_or_moved() -> None:
    found = split([DENSE, RELU, DENSE], [DENSE, TANH, DENSE])
    (start,) = found.candidate.starts
    assert start != id(found.candidate.walk.graph.inputs[0])
    assert found.candidate.reference_starts == found.reference.starts
    changed = [type(call.operation).__name__ for call in found.changed(1)]
    assert changed == ["Activation"]  # the last layer is the same function of other inputs
    assert len(found.candidate.own_calls) == 2


def test_a_rewrite_that_changes_nothing_is_not_where_two_models_begin_to_differ() -> None:
    relu, sigmoid = (layer("Activation", activation=name) for name in ("relu", "sigmoid"))
    bounded = layer("ReLU", max_value=1000.0)
    found = split([DENSE, relu, DENSE, TANH, DENSE], [DENSE, bounded, DENSE, sigmoid, DENSE])
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    values = []
    for position, part in enumerate((found.reference, found.candidate)):
        for number, weight in enumerate(part.built.model.weights):
            weight.assign(np.random.default_rng(number).normal(size=weight.shape))
        (start,) = part.walk.graph.inputs
        values.append(part.walk.evaluate({id(start): x}, found.apart.tensors(position)))
    row = found.apart.row(*values)
    assert (row.reference_layer, row.candidate_layer) == (
        found.reference.own_calls[-2].operation.name,
        found.candidate.own_calls[-2].operation.name,
    )
    assert row.max_abs is not None
    assert row.max_abs > 0.1


def test_an_activation_in_a_layer_of_its_own_is_told_by_what_follows() -> None:
    """The outputs of the layer that lost it differ, which says nothing."""
    within = layer("Dense", units=3, activation="tanh")
    for one, other in (([DENSE, TANH], [within]), ([within], [DENSE, TANH])):
        found = split([*one, DENSE], [*other, DENSE])
        changed, told_by = found.apart.places[0]
        assert names(changed) == ("Dense", "Dense")
        assert told_by.reference is found.reference.own_calls[-1]
        assert told_by.candidate is found.candidate.own_calls[-1]


def test_what_cannot_be_compared_shows_no_difference() -> None:
    missing = FirstApart(None, None)
    assert missing.gap({}, {}) is None
    assert not Places(((missing, missing),)).has_more_than_rounding({}, {})
    found = split([DENSE, RELU], [DENSE, TANH])
    ours, theirs = (
        {n: np.full(3, value) for n in found.apart.tensors(k)} for k, value in ((0, 1.0), (1, 2.0))
    )
    assert found.apart.has_more_than_rounding(ours, theirs)
    assert not found.apart.has_more_than_rounding(ours, {n: np.ones(3) for n in theirs})
