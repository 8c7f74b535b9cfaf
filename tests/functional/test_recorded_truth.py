"""A recording of the first model of a known pair never gets the second one a wrong verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerlens.errors import UsageError
from layerlens.run.pipeline import compare_scenarios
from layerlens.run.record import record_model
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import ModelSpec
from tests.functional.test_truth import entries

#: One of this many pairs is judged in every run, and all pairs in a nightly run.
SHARE = 40


def shared() -> list[Any]:
    return [
        pytest.param(
            *entry.values,
            id=entry.id,
            marks=() if number % SHARE == 0 else pytest.mark.nightly,
        )
        for number, entry in enumerate(entries())
    ]


@pytest.mark.parametrize("entry", shared())
def test_no_verdict_is_wrong(entry: dict[str, Any], tmp_path: Path) -> None:
    options, path = RunOptions(), str(tmp_path / "golden.npz")
    for scenario in scenario_from_mapping(entry["scenario"], entry["id"]):
        if "inference" not in scenario.modes:
            pytest.skip("a recording holds no training")
        if scenario.when is not None:
            pytest.skip("a condition cannot be applied to a recording")
        if isinstance(scenario.transfer, str) and scenario.transfer == "none":
            pytest.skip("each model keeps its own weights")
        try:
            record_model(scenario.model(scenario.reference), scenario.inputs, path, options)
        except UsageError as refused:
            if "recorded" in refused.message or "cannot be built" in refused.message:
                pytest.skip(refused.message)
            raise
        golden = ModelSpec("golden", "file", file=path)
        against = replace(
            scenario,
            models=(golden, *scenario.candidates),
            reference="golden",
            modes=("inference",),
            fit=None,
            expect=None,
        )
        (report,) = compare_scenarios([against], options).scenarios
        assert not report.errors
        for pair in report.pairs:
            true = entry["verdict"]
            if pair.verdict == "equivalent" and true == "different":
                assert pair.strength == "weak", f"{entry['why']}\n{pair.explanation}"
                assert pair.unseen
            elif pair.verdict != "inconclusive":
                assert pair.verdict == true, f"{entry['why']}\n{pair.explanation}"
