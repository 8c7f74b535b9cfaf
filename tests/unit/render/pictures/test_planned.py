"""The pictures of a scenario: their order, and what is left out."""

from __future__ import annotations

from layerlens.render.pictures import pictures_of
from layerlens.report.run import ScenarioReport
from tests.unit.tables.stored_reports import report_of


def test_the_reference_comes_first_then_pairs_then_training(scenario: ScenarioReport) -> None:
    assert [picture.kind for picture in pictures_of(scenario)] == [
        "unrolled",
        "unrolled",
        "unrolled",
        "heat",
        "probes",
        "losses",
    ]
    assert pictures_of(scenario)[0].title == "forwards, unrolled over time"


def test_what_was_not_measured_is_not_drawn() -> None:
    scenario = report_of("equal").scenarios[0]
    assert pictures_of(scenario) == ()
