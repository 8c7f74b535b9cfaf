"""Reports whose parts do not fit together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from layerlens.report.consistency import inconsistencies
from layerlens.report.run import ScenarioReport
from tests.unit.tables.stored_reports import NAMES, report_of


@pytest.mark.parametrize("name", NAMES)
def test_a_measured_report_is_consistent(name: str) -> None:
    for scenario in report_of(name).scenarios:
        assert list(inconsistencies(scenario)) == []


def with_step_map(**fields: Any) -> ScenarioReport:
    scenario = report_of("steps").scenarios[0]
    first, *others = scenario.models
    row, *rows = first.steps
    return replace(
        scenario,
        models=(replace(first, steps=(replace(row, **fields), *rows)), *others),
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"beyond": ()}, "does not have one row for each output step"),
        ({"input_steps": ()}, "does not have one 0 or 1 for each input step"),
        ({"source_layer": 99}, "comes from layer 99 of"),
        ({"inputs": 1}, "has steps that are none of 1"),
    ],
)
def test_a_step_map_has_to_fit_its_model(fields: dict[str, Any], message: str) -> None:
    (found, *_) = inconsistencies(with_step_map(**fields))
    assert message in found
    assert found.startswith(".models.")


def test_a_change_has_to_name_rows_that_exist() -> None:
    scenario = report_of("equal").scenarios[0]
    (diff,) = scenario.diffs
    for rows, message in (
        ({"reference_row": None, "candidate_row": None}, "is a row of neither model"),
        ({"reference_row": 99}, "is row 99 of"),
    ):
        changes = (replace(diff.layers[0], **rows), *diff.layers[1:])
        wrong = replace(scenario, diffs=(replace(diff, layers=changes),))
        (found,) = inconsistencies(wrong)
        assert message in found


def test_a_heat_map_has_a_cell_for_each_block() -> None:
    scenario = report_of("steps").scenarios[0]
    position, pair = next((n, p) for n, p in enumerate(scenario.pairs) if p.differences)
    assert pair.differences is not None
    heat = replace(pair.differences, cells=pair.differences.cells[:-1])
    pairs = list(scenario.pairs)
    pairs[position] = replace(pair, differences=heat)
    (found,) = inconsistencies(replace(scenario, pairs=tuple(pairs)))
    assert found == f".pairs[{position}].differences does not have one cell for each of its blocks"


def test_a_training_without_losses_has_an_error() -> None:
    scenario = report_of("three_models").scenarios[0]
    position = next(n for n, row in enumerate(scenario.fit) if row.losses)
    fit = list(scenario.fit)
    fit[position] = replace(fit[position], losses=())
    (found,) = inconsistencies(replace(scenario, fit=tuple(fit)))
    assert found == f".fit[{position}].losses is empty, and no error says why"
