"""Errors as text: where, what is wrong, and the hint below it."""

from __future__ import annotations

import pytest

from layerlens.errors import (
    Fault,
    LayerlensError,
    ScenarioError,
    UnsafeCodeError,
    UsageError,
    Where,
)
from layerlens.fault_codes import Code


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Where("a.yaml"), "a.yaml"),
        (Where("a.yaml", 3), "a.yaml:3"),
        (Where("a.yaml", 3, 7), "a.yaml:3:7"),
    ],
)
def test_a_place_has_as_much_as_is_known(where: Where, text: str) -> None:
    assert str(where) == text


def test_a_fault_stands_after_its_place_and_before_its_hint() -> None:
    assert str(Fault(Code.USAGE, "wrong", Where("a.yaml", 1, 2), "mend it")) == (
        "a.yaml:1:2: LL501 wrong\n  hint: mend it"
    )
    assert str(Fault(Code.USAGE, "wrong")) == "LL501 wrong"


def test_an_error_has_one_fault() -> None:
    error = UsageError("wrong", Where("a"), "mend it")
    assert error.faults == (Fault(Code.USAGE, "wrong", Where("a"), "mend it"),)
    assert str(error) == "a: LL501 wrong\n  hint: mend it"


def test_a_scenario_error_shows_every_fault_and_is_named_by_the_first() -> None:
    error = ScenarioError((Fault(Code.USAGE, "one", hint="a"), Fault(Code.USAGE, "two")))
    assert isinstance(error, LayerlensError)
    assert (error.message, error.hint) == ("one", "a")
    assert str(error) == "LL501 one\n  hint: a\nLL501 two"


def test_an_error_has_the_code_of_its_class_or_a_closer_one() -> None:
    assert UsageError("wrong").code == Code.USAGE
    assert UsageError("wrong", code=Code.CANNOT_WRITE).faults[0].code == Code.CANNOT_WRITE
    assert UnsafeCodeError("wrong").code == Code.CODE_NOT_ALLOWED
    assert ScenarioError((Fault(Code.UNKNOWN_KEY, "one"),)).code == Code.UNKNOWN_KEY
