"""The heat map of a pair."""

from __future__ import annotations

from layerlens.render.pictures import pictures_of
from layerlens.report.run import ScenarioReport
from tests.unit.tables.drawings import drawn


def test_the_map_of_differences_says_where_the_greatest_is(scenario: ScenarioReport) -> None:
    heat = next(p for p in pictures_of(scenario) if p.kind == "heat")
    cells = scenario.pairs[1].differences.cells
    step, feature = max(
        ((r, c) for r in range(len(cells)) for c in range(len(cells[0]))),
        key=lambda at: cells[at[0]][at[1]],
    )
    assert f"at step {step}, feature {feature}." in heat.caption
    assert heat.pair is scenario.pairs[1]
    assert "data:image/png;base64," in drawn(heat)
