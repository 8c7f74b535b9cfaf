"""No pair of the truth table that differs is proved equal, under any seed."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.reading.scenarios import scenario_from_mapping
from tests.proving import prove_nothing_of
from tests.truth.read import LONG, truth_table


def differing() -> list[Any]:
    """Return the entries whose models differ in one mode, with no tolerance."""
    found: list[Any] = []
    for name, entry in truth_table():
        scenario = entry["scenario"]
        speaks = "tolerance" not in scenario and len(scenario.get("modes", ["one"])) == 1
        if speaks and entry["verdict"] == "different":
            marks = pytest.mark.nightly if entry["id"] in LONG else ()
            found.append(pytest.param(entry, id=name, marks=marks))
    return found


@pytest.mark.parametrize("entry", differing())
def test_models_that_differ_are_not_proved_equal(entry: dict[str, Any]) -> None:
    asked = [
        prove_nothing_of(scenario, entry["why"])
        for scenario in scenario_from_mapping(entry["scenario"], entry["id"])
    ]
    if not any(asked):
        pytest.skip("a model is refused, or nothing is run")


def test_long_pairs_are_pairs_that_differ() -> None:
    assert {param.values[0]["id"] for param in differing()} >= LONG
