"""Reports as flat rows."""

from __future__ import annotations

import pytest

from layerlens.report.rows import COLUMNS, KINDS, TableName, tidy_rows
from tests.unit.tables.stored_reports import NAMES, report_of, scenario_of


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_row_has_every_column_in_order(name: str, kind: TableName) -> None:
    for row in tidy_rows(report_of(name), kind):
        assert tuple(row) == COLUMNS[kind]


def test_there_is_one_row_per_pair_and_per_probe() -> None:
    scenario = scenario_of("equal")
    report = report_of("equal")
    assert len(tidy_rows(report, "pairs")) == len(scenario.pairs)
    assert len(tidy_rows(report, "probes")) == sum(len(pair.probes) for pair in scenario.pairs)
    (row,) = tidy_rows(report, "pairs")
    (pair,) = scenario.pairs
    assert (row["verdict"], row["candidate"], row["held"]) == (pair.verdict, pair.candidate, True)
    assert row["reference_params"] == scenario.models[0].params


def test_inner_layers_follow_their_wrapper() -> None:
    rows = [row for row in tidy_rows(report_of("equal"), "layers") if row["model"] == "td"]
    at = next(n for n, row in enumerate(rows) if row["type"] == "TimeDistributed")
    assert (rows[at]["depth"], rows[at + 1]["depth"]) == (0, 1)
    assert rows[at + 1]["type"] == "Dense"
    assert [row["position"] for row in rows] == list(range(len(rows)))


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 'weights': one of pairs, layers, probes"):
        tidy_rows(report_of("equal"), "weights")  # type: ignore[arg-type]
