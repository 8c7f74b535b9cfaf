"""Errors as text: where, what is wrong, and the hint below it."""

from __future__ import annotations

import pytest

from layerlens.errors import Fault, LayerlensError, ScenarioError, UsageError, Where


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
    assert str(Fault("wrong", Where("a.yaml", 1, 2), "mend it")) == (
        "a.yaml:1:2: wrong\n  hint: mend it"
    )
    assert str(Fault("wrong")) == "wrong"


def test_an_error_has_one_fault() -> None:
    error = UsageError("wrong", Where("a"), "mend it")
    assert error.faults == (Fault("wrong", Where("a"), "mend it"),)
    assert str(error) == "a: wrong\n  hint: mend it"


def test_a_scenario_error_shows_every_fault_and_is_named_by_the_first() -> None:
    error = ScenarioError((Fault("one", hint="a"), Fault("two")))
    assert isinstance(error, LayerlensError)
    assert (error.message, error.hint) == ("one", "a")
    assert str(error) == "one\n  hint: a\ntwo"
