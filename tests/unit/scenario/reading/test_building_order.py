"""Nodes are sorted in one pass, in the order of reading the list again and again."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from layerlens.scenario.reading.building_order import building_order, find_cycle


def by_rounds(needs: Mapping[str, list[str]]) -> list[str]:
    """Return the order by its definition: in each round, what is ready by then."""
    ordered: list[str] = []
    before = -1
    while len(ordered) != before:
        before = len(ordered)
        for name, needed in needs.items():
            if name not in ordered and set(needed) <= set(ordered):
                ordered.append(name)
    return ordered


@pytest.mark.parametrize("seed", range(40))
def test_the_order_is_that_of_reading_the_list_again_and_again(seed: int) -> None:
    rng = random.Random(seed)
    names = [f"n{number}" for number in range(rng.randint(1, 12))]
    needs = {name: rng.choices(names, k=rng.choice([0, 0, 1, 1, 2])) for name in names}
    assert building_order(needs) == by_rounds(needs)


class CountingList(list[str]):
    """Counts how often it is read through."""

    read = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        CountingList.read += 1
        return super().__iter__()


def test_a_list_in_reverse_order_is_read_once() -> None:
    size = 2000
    needs = {f"n{n}": CountingList([f"n{n - 1}"] if n else []) for n in reversed(range(size))}
    CountingList.read = 0
    assert building_order(needs) == [f"n{n}" for n in range(size)]
    assert CountingList.read == size


def test_names_on_a_cycle_and_behind_it_are_left_out() -> None:
    needs = {"a": [], "b": ["a", "d"], "c": ["b"], "d": ["c"], "e": ["d"], "f": ["a", "a"]}
    assert building_order(needs) == ["a", "f"]
    left = {name: needs[name] for name in ("b", "c", "d", "e")}
    assert find_cycle(left) == ["c", "d", "b"]
