"""Names and places of collected tests, and the verdicts they may write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from layerlens.errors import Fault, Where
from layerlens.report.pairs import PairReport
from layerlens.testing.collect import Expectation, _name, _relocate, _unique
from layerlens.testing.update_expect import NotUpdated
from tests.unit.testing.configs import NO_SETTINGS, Config


@pytest.mark.parametrize(
    ("subject", "cell", "expected"),
    [
        ("td.params", None, "td.params"),
        ("td.params", {"units": 2, "bias": True}, "td.params[units=2-bias=true]"),
        ("td==dense[inference]", {"kind": "GRU"}, "td==dense[inference-kind=GRU]"),
        ("td.params", {"shape": [None, 2]}, "td.params[shape=[null,2]]"),
        ("a::b.params", None, "a:b.params"),
    ],
)
def test_the_name_of_a_test_has_the_values_of_its_cell(
    subject: str, cell: dict[str, Any] | None, expected: str
) -> None:
    assert _name(subject, cell) == expected


def test_names_that_are_taken_are_numbered() -> None:
    taken: set[str] = set()
    assert [_unique(taken, name) for name in ("a", "b", "a", "a")] == ["a", "b", "a-2", "a-3"]


def test_faults_have_the_path_that_is_shown() -> None:
    fault = Fault("unknown layer", Where("/project/gru.yaml", 3, 5))
    moved = _relocate(fault, "/project/gru.yaml", "gru.yaml")
    assert moved.where == Where("gru.yaml", 3, 5)
    assert _relocate(fault, "/project/other.yaml", "other.yaml") == fault
    assert _relocate(Fault("no file"), "/project/gru.yaml", "gru.yaml") == Fault("no file")


def test_an_inconclusive_verdict_is_not_written() -> None:
    def decided(verdict: Any, strength: Any = None, *, strict: bool = False) -> Any:
        pair = PairReport("a", "b", "inference", verdict, strength, "")
        reports = [SimpleNamespace(pairs=(pair,))]
        settings = NO_SETTINGS._replace(strict=strict)
        item: Any = SimpleNamespace(
            file=SimpleNamespace(reports=lambda: reports), config=Config(settings=settings)
        )
        graded = {"verdict": "equivalent", "strength": "certified"}
        return Expectation._decided(item, "a==b[inference]", graded)

    assert decided("different") == "different"
    assert decided("equivalent", "tested") == {"verdict": "equivalent", "strength": "tested"}
    assert decided("equivalent", "weak") == {"verdict": "equivalent", "strength": "weak"}
    with pytest.raises(NotUpdated, match="a weak pass counts as a failure"):
        decided("equivalent", "weak", strict=True)
    with pytest.raises(NotUpdated, match="the evidence does not decide"):
        decided("inconclusive")
