"""Weights are set by path, and all faults are reported at once."""

from __future__ import annotations

import pytest

from layerlens.errors import ScenarioError
from layerlens.models.build_model import build_model
from tests.unit.models.build.models import SEQUENCE, VECTOR, build, chain
from tests.unit.tables.every_layer import layer


def test_weights_are_set_by_path_or_its_end() -> None:
    gru = layer("GRU", units=1)
    spec = chain(
        gru,
        layer("Dense", units=2),
        weights={"dense/bias": [3, 4], "recurrent_kernel": [[5, 6, 7]]},
    )
    values = {weight.path: weight.numpy() for weight in build(spec, SEQUENCE).model.weights}
    assert values["dense/bias"].tolist() == [3, 4]
    assert values["gru/gru_cell/recurrent_kernel"].tolist() == [[5, 6, 7]]


def test_all_faults_in_weights_are_reported_at_once() -> None:
    layers = (layer("Dense", units=2), layer("Dense", units=2))
    weights = {"kernal": [1], "bias": [0, 0], "dense/bias": [1, 2, 3], "dense_1/bias": ["x", "y"]}
    with pytest.raises(ScenarioError) as caught:
        build_model(chain(*layers, weights=weights), VECTOR)
    messages = [str(fault) for fault in caught.value.faults]
    assert "has no weight `kernal`" in messages[0]
    assert "did you mean `kernel`?" in messages[0]
    assert "`bias` could be any of `dense/bias`, `dense_1/bias`" in messages[1]
    assert "the values of `dense/bias` have shape (3,), the weight has (2,)" in messages[2]
    assert "the values of `dense_1/bias` are not numbers" in messages[3]
