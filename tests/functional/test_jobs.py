"""Several scenarios at once give the same report as one by one, in the order given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAIR = """\
title: {title}
input: {{shape: [{size}]}}
models:
  one: [{{Dense: {{units: 2, activation: relu}}}}]
  other: [{{Dense: 2}}, {{Activation: {activation}}}]
expect: {{verdicts: {{other: equivalent}}}}
"""
RECURRENT = """\
title: the slowest comes first
input: {shape: [6, 3]}
models:
  one: [{GRU: {units: 2, return_sequences: true}}, {TimeDistributed: {layer: {Dense: 2}}}]
  other: [{GRU: {units: 2, return_sequences: true}}, {Dense: 2}]
"""


def _told(outcome: Any) -> list[dict[str, Any]]:
    """Return the scenarios of a report without their seconds."""
    scenarios: list[dict[str, Any]] = outcome.json()["scenarios"]
    return [{**scenario, "seconds": None} for scenario in scenarios]


def test_two_at_once_give_the_report_of_one_after_another(run, tmp_path: Path):
    (tmp_path / "a.yaml").write_text(RECURRENT)
    (tmp_path / "b.yaml").write_text(PAIR.format(title="b", size=3, activation="relu"))
    (tmp_path / "c.yaml").write_text(PAIR.format(title="c", size=4, activation="elu"))
    (tmp_path / "d.yaml").write_text("inptu: {shape: [4]}\n")
    (tmp_path / "e.yaml").write_text(PAIR.format(title="e", size=5, activation="relu"))
    how = ["compare", ".", "--format", "json", "--no-cache", "--seed", "3"]
    alone, together = (run(*how, "--jobs", count, cwd=tmp_path) for count in ("1", "2"))
    assert alone.status == together.status == 2
    assert _told(together) == _told(alone)
    statuses = [scenario["status"] for scenario in _told(together)]
    assert statuses == ["unchecked", "pass", "fail", "error", "pass"]
    assert together.stderr == alone.stderr
