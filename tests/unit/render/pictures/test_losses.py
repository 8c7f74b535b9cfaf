"""The loss curves."""

from __future__ import annotations

from dataclasses import replace

from layerlens.render.pictures import pictures_of
from layerlens.report.run import ScenarioReport
from layerlens.report.training import FitRow
from tests.unit.tables.drawings import drawn


def test_losses_of_one_epoch_and_of_a_refused_model(scenario: ScenarioReport) -> None:
    rows = (FitRow("one", (2.0,), None, None, None), FitRow("refused", (), None, None, None))
    (picture,) = pictures_of(replace(scenario, models=(), pairs=(), fit=rows))
    assert picture.caption == "Loss over 1 epoch, from the same weights and data: one 2 to 2."
    assert "refused" not in drawn(picture)
