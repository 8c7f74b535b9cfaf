"""`chunks:` is a number of pieces into which the time axis can be cut."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.errors import ScenarioError
from layerlens.scenario.chunks import has_time_axis
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.spec import InputSpec


def scenario(chunks: Any, shape: list[Any], **more: Any) -> dict[str, Any]:
    model = {"layers": [{"GRU": 2}], "chunks": chunks}
    return {"input": {"shape": shape, **more}, "models": {"a": [{"GRU": 2}], "b": model}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (InputSpec("x", (6, 2)), True),
        (InputSpec("x", (None, 2)), True),
        (InputSpec("x", (6,), "int32"), True),
        (InputSpec("x", (6,)), False),
        (InputSpec("x", ()), False),
    ],
)
def test_the_time_axis_is_the_first_of_several_or_that_of_tokens(
    spec: InputSpec, expected: bool
) -> None:
    assert has_time_axis(spec) is expected


def test_it_is_read() -> None:
    (found,) = scenario_from_mapping(scenario(3, [6, 2]))
    assert [model.chunks for model in found.models] == [None, 3]
    (found,) = scenario_from_mapping(scenario(3, [None, 2]))
    assert found.models[1].chunks == 3


@pytest.mark.parametrize(
    ("chunks", "shape", "message"),
    [
        (0, [6, 2], "`chunks` has to be at least 2; received 0"),
        (1, [6, 2], "`chunks` has to be at least 2; received 1"),
        (-3, [6, 2], "`chunks` has to be at least 2; received -3"),
        (True, [6, 2], "`chunks` takes an integer; received true"),
        ("2", [6, 2], '`chunks` takes an integer; received the text "2"'),
        (2.0, [6, 2], "`chunks` takes an integer"),
        (4, [6, 2], "the 6 steps of `input` cannot be cut into 4 chunks of equal length"),
        (2, [6], "`chunks` cuts the time axis, and `b` has no input with one: `input` (6,)"),
    ],
)
def test_one_fault_each(chunks: Any, shape: list[Any], message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario_from_mapping(scenario(chunks, shape))
    (fault,) = caught.value.faults
    assert message in str(fault)
