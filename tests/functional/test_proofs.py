"""No pair of the truth table that differs is proved equal, under any seed."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.build.request import Built
from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import pair_model_weights
from layerlens.proof.certify import certify
from layerlens.proof.graphs import THEY_DIFFER, Unproved
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from tests.functional.test_truth import FOLDER, YAML

#: One of this many pairs is tried in every run, and all pairs in a nightly run.
SHARE = 10
SEEDS = range(20)


def differing() -> list[Any]:
    """Return the entries whose models differ in one mode, with no tolerance."""
    found: list[Any] = []
    for file in sorted(FOLDER.glob("*.yaml")):
        for entry in YAML(typ="safe").load(file):
            scenario = entry["scenario"]
            speaks = "tolerance" not in scenario and len(scenario.get("modes", ["one"])) == 1
            if speaks and entry["verdict"] == "different":
                marks = () if len(found) % SHARE == 0 else pytest.mark.nightly
                found.append(pytest.param(entry, id=f"{file.stem}/{entry['id']}", marks=marks))
    return found


@pytest.mark.parametrize("entry", differing())
def test_models_that_differ_are_not_proved_equal(entry: dict[str, Any]) -> None:
    for scenario in scenario_from_mapping(entry["scenario"], entry["id"]):
        built = Trial(scenario, RunOptions()).variants.build_all()
        models = [built[scenario.reference], built[scenario.candidates[0].name]]
        one, other = models
        if not (isinstance(one, Built) and isinstance(other, Built)):
            pytest.skip("a model is refused")
        transfer = pair_model_weights(one, other, scenario.transfer)
        if one.report.output_shape != other.report.output_shape or not transfer.complete:
            pytest.skip("nothing is run")
        training = scenario.modes == ("training",)
        sides = [Side.of(b.spec.name, b, b, training=training, seed=0) for b in (one, other)]
        for seed in SEEDS:
            found = certify(sides[0], sides[1], transfer, seed=seed)
            assert isinstance(found, Unproved), f"{entry['why']}\nseed {seed}: {found}"
            if found.reason != THEY_DIFFER:
                break  # refused: no seed is drawn
