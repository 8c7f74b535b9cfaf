"""No mutant of an equivalent pair of the truth table is proved equal, under any seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from benchmarks.mutants import HARMLESS, mutants_of
from layerlens.errors import ScenarioError
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import Scenario
from tests.proving import certificates
from tests.truth.read import LONG, truth_table

#: Every run tries one of this many mutants, and a nightly run all.
SHARE = 30


def mutants(name: str, entry: dict[str, Any]) -> Iterator[tuple[str, Scenario]]:
    """Yield the mutants of an entry's candidate, each with what was changed."""
    for scenario in scenario_from_mapping(entry["scenario"], name):
        yield from mutants_of(scenario, scenario.candidates[0].name)


def harmful() -> Iterator[tuple[str, Scenario]]:
    """Yield each mutant that computes another function, with its name."""
    for name, entry in truth_table():
        if entry["verdict"] == "equivalent" and entry["id"] not in LONG:
            for change, mutant in mutants(name, entry):
                if change not in HARMLESS.get(name, ()):
                    yield f"{name}: {change}", mutant


def proved_in(mutant: Scenario, mode: str) -> bool | None:
    """Return whether a mutant is proved equal under some seed; None if the prover is not asked."""
    try:
        found = [one for _, one in certificates(replace(mutant, modes=(mode,)))]
    except ScenarioError:  # the pairs of weights that the scenario gives do not fit the mutant
        return None
    return any(isinstance(one, CertificateRow) for one in found) if found else None


@pytest.mark.parametrize(
    "share", [0, *(pytest.param(n, marks=pytest.mark.nightly) for n in range(1, SHARE))]
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # Keras warns of masks that are lost
def test_no_mutant_is_proved_equal(share: int) -> None:
    answers = {
        name: [proved_in(mutant, mode) for mode in mutant.modes]
        for name, mutant in islice(harmful(), share, None, SHARE)
    }
    assert [name for name, proved in answers.items() if all(proved)] == []
    asked = sum(None not in proved for proved in answers.values())
    assert asked >= len(answers) / 2


def test_a_proof_of_a_mutant_is_noticed() -> None:
    name = "activations/relu6_after_sigmoid"
    found = {
        change in HARMLESS[name]: proved_in(mutant, "inference")
        for change, mutant in mutants(name, dict(truth_table())[name])
    }
    assert found == {True: True, False: False}
