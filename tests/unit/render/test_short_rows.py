"""The texts of the short table, without any layout."""

from __future__ import annotations

import pytest

from layerlens.render.short_rows import ABSENT, ADDED, DIFFERS, Note, short_rows
from layerlens.render.wording import reference_first
from tests.unit.tables.stored_reports import scenario_of


def notes(name: str) -> list[Note]:
    scenario = scenario_of(name)
    rows = short_rows(reference_first(scenario), scenario.diffs, compared=True)
    return [note for row in rows for note in row.notes]


def test_a_layer_has_the_differences_of_every_other_model() -> None:
    scenario = scenario_of("three_models")
    rows = short_rows(reference_first(scenario), scenario.diffs, compared=True)
    wrapper = next(row for row in rows if row.layer and row.layer.name == "time_distributed")
    assert wrapper.notes == (
        Note(DIFFERS, "dense: dense (Dense)"),
        Note(DIFFERS, "last: dense (Dense); output (None, 8)"),
    )


@pytest.mark.parametrize(("sign", "text"), [(ADDED, "norm (LayerNormalization)")])
def test_a_layer_of_another_model_alone_has_a_row_without_a_layer(sign: str, text: str) -> None:
    scenario = scenario_of("masks")
    rows = list(short_rows(reference_first(scenario), scenario.diffs, compared=True))
    (added,) = [row for row in rows if row.layer is None]
    assert any(note.sign == sign and text in note.text for note in added.notes)
    assert not any(note.sign == ADDED for row in rows if row.layer for note in row.notes)


def test_equal_layers_have_no_notes() -> None:
    assert not [note for note in notes("equal") if note.sign in (ADDED, ABSENT)]
    assert [str(note) for note in notes("equal")] == ["≠ dense: dense (Dense)"]
