"""The numbers in functions of the user's, and in what these call and see."""

from __future__ import annotations

from functools import partial

import numpy as np

from layerlens.models.execute.user_functions import (
    is_users,
    numbers_in_functions,
    seen_by,
    users_methods,
)

STEP = np.float32(0.75)
NAMES = {"a": 11.5}


def helper(x: float, shift: float = 21.5) -> float:
    return x * 31.5 + STEP + NAMES["a"] + shift


class Own:
    def call(self, x: float) -> float:
        return self.inner(x)

    def inner(self, x: float) -> float:
        return helper(x) + 41.5

    def other(self) -> float:
        return 51.5


def test_what_a_function_calls_and_sees_is_read() -> None:
    def outer(x: float) -> float:
        return helper(x) + 61.5

    assert {31.5, 0.75, 11.5, 21.5, 61.5} <= set(numbers_in_functions([outer]))
    assert 71.5 in set(numbers_in_functions([partial(outer, 71.5)]))
    assert outer in seen_by(lambda: outer(1.0))


def test_methods_count_where_they_are_called() -> None:
    methods = users_methods(Own)
    found = set(numbers_in_functions([Own.call], methods))
    assert {31.5, 41.5} <= found
    assert 51.5 not in found
    assert 51.5 in set(numbers_in_functions(methods.values(), methods))


def test_functions_of_libraries_are_not_read() -> None:
    assert not is_users(np.testing.assert_allclose)
    assert list(numbers_in_functions([np.testing.assert_allclose])) == []


def test_what_contains_itself_is_read_once() -> None:
    held: list[object] = [1.25]
    held.append(held)
    assert set(numbers_in_functions(held)) == {1.25}
