"""Pictures are planned from the report alone, drawn the same each time, and say what they show."""

from __future__ import annotations

import re
from dataclasses import replace

from layerlens.render.pictures import pictures_of
from layerlens.report.maps import StepMapRow
from layerlens.report.run import ScenarioReport
from tests.unit.tables.drawings import drawn


def changed(scenario: ScenarioReport, model: int, **fields: object) -> ScenarioReport:
    models = list(scenario.models)
    models[model] = replace(models[model], **fields)
    return replace(scenario, models=tuple(models))


def lines_in(svg: str) -> int:
    """How many dependences are drawn: each is a curve of its own in a path."""
    return sum(path.count("Q") for path in re.findall(r' d="([^"]*)"', svg))


def test_a_line_is_drawn_for_each_dependence_and_for_no_other(scenario: ScenarioReport) -> None:
    forwards = scenario.models[0]
    seen = sum(row.count("1") for layer in forwards.layers for m in layer.steps for row in m.seen)
    assert lines_in(drawn(pictures_of(scenario)[0])) == seen > 0
    gru, dense = forwards.layers
    (measured,) = gru.steps
    less = replace(measured, seen=tuple("0" * len(row) for row in measured.seen))
    without = changed(scenario, 0, layers=(replace(gru, steps=(less,)), dense))
    left = sum(row.count("1") for m in dense.steps for row in m.seen)
    assert lines_in(drawn(pictures_of(without)[0])) == left < seen


def test_a_long_sequence_is_shortened_and_says_so(scenario: ScenarioReport) -> None:
    picture = pictures_of(scenario)[0]
    assert "Drawn shortened: the first 6 and last 4 of 16 steps" in picture.caption
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
    assert "Its layers (61) are not drawn one by one" in picture.caption
    assert picture.height < 3


def test_layers_measured_at_lengths_that_do_not_go_together_are_not_joined(
    scenario: ScenarioReport,
) -> None:
    gru, dense = scenario.models[0].layers
    (row,) = dense.steps
    shorter = replace(row, inputs=14)
    picture = pictures_of(changed(scenario, 0, layers=(gru, replace(dense, steps=(shorter,)))))[0]
    assert "are not drawn one by one" in picture.caption


def branches() -> tuple[StepMapRow, StepMapRow, StepMapRow]:
    whole = {"output": 0, "inputs": 3, "outputs": 3, "input_steps": (0, 1, 2)}
    rest = {"output_steps": (0, 1, 2), "beyond": (False,) * 3}
    alone = ("100", "010", "001")
    first = StepMapRow(source="input", source_layer=None, seen=alone, **whole, **rest)
    through = replace(first, source="gru", source_layer=0)
    return first, through, replace(first, seen=("111",) * 3)


def test_a_branch_that_passes_a_layer_by_is_drawn_from_where_it_comes(
    scenario: ScenarioReport,
) -> None:
    first, through, around = branches()
    gru, dense = scenario.models[0].layers
    merged = changed(
        scenario,
        0,
        steps=(first,),
        layers=(replace(gru, steps=(first,)), replace(dense, steps=(through, around))),
    )
    assert lines_in(drawn(pictures_of(merged)[0])) == 3 + 3 + 9
