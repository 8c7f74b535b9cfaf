"""Memory and recursion that run out are told as that, and are no fault of layerlens."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

import layerlens
from layerlens.models.backend.exhaustion import is_out_of_memory
from layerlens.plain.json import DEEPEST, JsonError, parse_json

MODELS = {"one": [{"Dense": 2}], "other": [{"Dense": 2}]}


class ResourceExhaustedError(Exception):
    """As TensorFlow calls it."""


def raises(error: BaseException) -> Any:
    def work(*given: Any, **options: Any) -> NoReturn:
        raise error

    return work


def test_exhaustion_is_an_error_of_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    caused = ValueError("Exception encountered when calling Dense.call()")
    caused.__cause__ = ResourceExhaustedError("OOM when allocating tensor")
    for error, said in (
        (MemoryError(), "memory ran out while this scenario ran"),
        (caused, "memory ran out"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deep"),
    ):
        monkeypatch.setattr("layerlens.run.trial.decide_with_weights", raises(error))
        monkeypatch.setattr("layerlens.models.variants.ModelVariants.build_all", raises(error))
        for run in (layerlens.compare, layerlens.summary):
            (scenario,) = run({"input": {"shape": [4]}, "models": MODELS}).scenarios
            (row,) = scenario.errors
            assert not row.internal
            assert said in row.message
            assert row.hint


def test_an_error_of_another_kind_is_not_taken_for_want_of_memory() -> None:
    error = ValueError("the memory argument is wrong")
    error.__cause__ = error.__context__ = error  # nobody goes round in circles
    assert not is_out_of_memory(error)


def test_json_has_the_limits_of_its_reader() -> None:
    for depth in (1, DEEPEST):
        assert parse_json("[" * depth + "]" * depth) is not None
    for depth in (DEEPEST + 1, 950, 100_000):
        for opened, closed in (("[", "]"), ('{"a":', "}")):
            with pytest.raises(JsonError, match="nested more than 128 deep"):
                parse_json(opened * depth + "1" + closed * depth)
    with pytest.raises(JsonError, match="holds a number out of range"):
        parse_json("[1" + "0" * 30 + "]")
    with pytest.raises(JsonError, match="does not hold valid JSON"):
        parse_json("{")
