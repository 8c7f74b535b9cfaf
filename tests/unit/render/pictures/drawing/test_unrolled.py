"""Lines between steps: one for each measured dependence."""

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
