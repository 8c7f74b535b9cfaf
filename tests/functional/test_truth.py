"""Every pair of the truth table gets its true verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from layerlens.report.pairs import PairReport
from layerlens.run.pipeline import compare_scenarios
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from tests.truth.read import LONG, truth_table

#: One of this many pairs is judged in every run, and all pairs in a nightly run.
SHARE = 8


def entries() -> Iterator[Any]:
    for number, (name, entry) in enumerate(truth_table(), start=1):
        is_tried = number % SHARE == 0 and entry["id"] not in LONG
        yield pytest.param(entry, id=name, marks=() if is_tried else pytest.mark.nightly)


def verdicts_of(entry: dict[str, Any], seed: int = 0) -> list[PairReport]:
    report = compare_scenarios(
        scenario_from_mapping(entry["scenario"], entry["id"]), RunOptions(seed=seed)
    )
    assert [row.message for one in report.scenarios for row in one.errors] == []
    pairs = [pair for one in report.scenarios for pair in one.pairs]
    assert pairs, "no pair was judged"
    return pairs


@pytest.mark.parametrize("entry", list(entries()))
def test_the_verdict_is_the_true_one(entry: dict[str, Any]) -> None:
    for pair in verdicts_of(entry):
        assert pair.verdict == entry["verdict"], f"{entry['why']}\n{pair.explanation}"
        if pair.verdict == "equivalent":
            assert pair.compared, "nothing was compared"
            assert pair.strength is not None
            assert pair.counterexample is None
            if pair.strength == "certified":
                assert pair.certificate is not None
                assert pair.certificate.error_bound <= 1e-12
        if pair.verdict == "different":
            assert pair.strength is None
            assert pair.counterexample is not None
            assert pair.counterexample.reference != pair.counterexample.candidate
        told = entry.get("only_at_initialization", pair.only_at_initialization)
        assert pair.only_at_initialization == told


def test_the_table_is_large_and_has_both_verdicts() -> None:
    table = [entry for _, entry in truth_table()]
    ids = [entry["id"] for entry in table]
    assert len(ids) == len(set(ids)) >= 150
    assert sum(entry["trap"] for entry in table) >= len(table) / 3
    for verdict in ("equivalent", "different", "shape_mismatch", "param_mismatch", "build_error"):
        assert any(entry["verdict"] == verdict for entry in table), verdict
