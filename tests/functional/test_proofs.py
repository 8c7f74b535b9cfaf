"""No pair of the truth table that differs is proved equal, under any seed."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.reading.scenarios import scenario_from_mapping
from tests.functional.test_truth import FOLDER, YAML
from tests.proving import prove_nothing_of

#: A proof at the lengths that these need takes seconds for each seed.
LONG = {
    "attention_over_800_and_900_steps",
    "images_of_any_height_with_a_far_dilation",
    "recurrent_layer_behind_dilations_of_1500_and_1600",
}


def differing() -> list[Any]:
    """Return the entries whose models differ in one mode, with no tolerance."""
    found: list[Any] = []
    for file in sorted(FOLDER.glob("*.yaml")):
        for entry in YAML(typ="safe").load(file):
            scenario = entry["scenario"]
            speaks = "tolerance" not in scenario and len(scenario.get("modes", ["one"])) == 1
            if speaks and entry["verdict"] == "different":
                marks = pytest.mark.nightly if entry["id"] in LONG else ()
                found.append(pytest.param(entry, id=f"{file.stem}/{entry['id']}", marks=marks))
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
