"""The names of expectations as test cases."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.render.case_names import case_name, unique_name


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
    assert case_name(subject, cell) == expected


def test_names_that_are_taken_are_numbered() -> None:
    taken: set[str] = set()
    names = [unique_name(taken, name) for name in ("a", "b", "a", "a")]
    assert names == ["a", "b", "a-2", "a-3"]
