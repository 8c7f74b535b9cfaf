"""Models unrolled over their steps: what is shortened, and what is drawn as a whole."""

from __future__ import annotations

from dataclasses import replace

from layerlens.render.pictures import pictures_of
from layerlens.report.run import ScenarioReport
from tests.unit.tables.drawings import drawn


def changed(scenario: ScenarioReport, model: int, **fields: object) -> ScenarioReport:
    models = list(scenario.models)
    models[model] = replace(models[model], **fields)
    return replace(scenario, models=tuple(models))


def test_a_long_sequence_is_shortened_and_says_so(scenario: ScenarioReport) -> None:
    picture = pictures_of(scenario)[0]
    assert "Shortened: the first 6 and last 4 of 16 steps" in picture.caption
    assert "step, shortened from 16" in drawn(picture)


def test_an_open_length_is_told(scenario: ScenarioReport) -> None:
    open_ended = changed(scenario, 0, input_shape=(None, None, 3))
    assert "measured at 16 steps" in pictures_of(open_ended)[0].caption
    assert "measured at" not in pictures_of(scenario)[0].caption


def test_shapes_and_params_stand_beside(scenario: ScenarioReport) -> None:
    svg = drawn(pictures_of(scenario)[0])
    for words in ("gru", "GRU (None, 16, 4)", "108 params", "earlier steps seen", "dense"):
        assert f">{words}</text>" in svg


def test_a_model_too_deep_is_drawn_as_a_whole(scenario: ScenarioReport) -> None:
    (gru, dense) = scenario.models[0].layers
    deep = changed(scenario, 0, layers=(gru, *[dense] * 60))
    picture = pictures_of(deep)[0]
    assert "Its layers (61) are not drawn separately" in picture.caption
    assert picture.height < 3


def test_layers_measured_at_lengths_that_do_not_go_together_are_not_joined(
    scenario: ScenarioReport,
) -> None:
    gru, dense = scenario.models[0].layers
    (row,) = dense.steps
    shorter = replace(row, inputs=14)
    picture = pictures_of(changed(scenario, 0, layers=(gru, replace(dense, steps=(shorter,)))))[0]
    assert "are not drawn separately" in picture.caption
