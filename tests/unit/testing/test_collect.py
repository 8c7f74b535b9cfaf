"""The places of collected tests, and the verdicts they may write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from layerlens.errors import Fault, Where
from layerlens.fault_codes import Code
from layerlens.report.pairs import PairReport
from layerlens.testing.collect import Expectation, _relocate
from layerlens.testing.update_expect import NotUpdated
from tests.unit.testing.configs import NO_SETTINGS, Config


def test_faults_have_the_path_that_is_shown() -> None:
    fault = Fault(Code.USAGE, "unknown layer", Where("/project/gru.yaml", 3, 5))
    moved = _relocate(fault, "/project/gru.yaml", "gru.yaml")
    assert moved.where == Where("gru.yaml", 3, 5)
    assert _relocate(fault, "/project/other.yaml", "other.yaml") == fault
    assert _relocate(Fault(Code.USAGE, "no file"), "/project/gru.yaml", "gru.yaml") == Fault(
        Code.USAGE, "no file"
    )


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
