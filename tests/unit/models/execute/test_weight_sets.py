"""Weights to compare on: what is drawn is drawn once, when it is asked for, and carried over."""

from __future__ import annotations

import numpy as np
import pytest

from layerlens.models.execute.side import JITTER, JITTER_PERIOD, _jittered
from layerlens.models.execute.variables import weight_rows
from layerlens.models.execute.weight_sets import weight_sets
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.numerics.weight_values import draw_weight
from tests.unit.tables.pairs import chain, input_of, layer, sides

pytestmark = pytest.mark.usefixtures("backend")


def test_each_kind_is_drawn_once_and_only_if_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []
    real = draw_weight

    def listen(slot, initial, kind, rng):  # type: ignore[no-untyped-def]
        drawn.append(f"{kind} {slot.path.rpartition('/')[2]}")
        return real(slot, initial, kind, rng)

    monkeypatch.setattr("layerlens.models.execute.weight_sets.draw_weight", listen)
    dense = chain("one", layer("Dense", units=3)), chain("other", layer("Dense", units=3))
    one, other = sides(*dense, input_of(4))
    rows = weight_rows(one.built), weight_rows(other.built)
    sets = {each.kind: each for each in weight_sets(one, other, pair_weights(*rows), 0)}
    assert {"initial", "drawn", "opposed"} <= sets.keys()
    assert drawn == []
    before = sets["initial"].reference[0]
    assert (before == one.working.values()[0]).all()
    assert drawn == []
    kernel = sets["drawn"].reference[0]
    assert drawn == ["drawn kernel", "drawn bias"]
    assert np.array_equal(sets["drawn"].candidate[0], kernel)
    assert drawn == ["drawn kernel", "drawn bias"]
    assert not np.array_equal(kernel, before)


def test_values_of_any_number_are_moved_by_a_unit_up_or_down() -> None:
    for count in (7, JITTER_PERIOD + 5):
        values = np.linspace(1, 2, count, dtype="float32").reshape(1, count)
        moved = _jittered(values, np.random.default_rng(0), JITTER)
        assert moved.shape == values.shape
        change = np.unique(moved / values.astype("float64") - 1)
        assert set(np.round(change / JITTER)) == {-1.0, 1.0}
    whole = np.arange(3)
    assert _jittered(whole, np.random.default_rng(0), JITTER) is whole
