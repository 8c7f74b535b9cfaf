"""A mapping pairs weights and layers by path, and refuses what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.errors import ScenarioError, Where
from layerlens.numerics.weight_mapping import map_weights
from layerlens.numerics.weight_transfer import Transfer
from layerlens.report.layers import WeightRow
from layerlens.scenario.spec import TransferMapping, WeightPair

AT = Where("s.yaml", 9, 5)


def rows(**shapes: tuple[int, ...]) -> tuple[WeightRow, ...]:
    """Weights in order; `dense__kernel` stands for the path `dense/kernel`."""
    return tuple(
        WeightRow(name.replace("__", "/"), shape, int(np.prod(shape)))
        for name, shape in shapes.items()
    )


HEADS = rows(a__kernel=(4, 3), a__bias=(3,), b__kernel=(4, 5), b__bias=(5,), d__kernel=(8, 2))
JOINED = rows(c__kernel=(4, 8), c__bias=(8,), e__kernel=(8, 2))


def pair(sources: Any, targets: Any, **operation: Any) -> WeightPair:
    both = [(one,) if isinstance(one, str) else tuple(one) for one in (sources, targets)]
    return WeightPair(*both, where=AT, **operation)


def mapped(ours: Any, theirs: Any, *pairs: WeightPair, rest: Any = "auto", **more: Any) -> Transfer:
    mapping = TransferMapping(pairs, rest, Where("s.yaml", 8, 1))
    return map_weights(ours, theirs, mapping, ("one", "two"), **more)


def faults(*args: Any, **more: Any) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        mapped(*args, **more)
    return [str(fault) for fault in caught.value.faults]


def test_layers_are_joined_weight_by_weight_and_the_rest_is_paired() -> None:
    transfer = mapped(HEADS, JOINED, pair(["a", "b"], "c", join=-1))
    assert transfer.complete
    assert transfer.method == "mapping"
    row = transfer.to_row()
    assert row.pairs == (
        ("a/kernel", "c/kernel"),
        ("b/kernel", "c/kernel"),
        ("a/bias", "c/bias"),
        ("b/bias", "c/bias"),
        ("d/kernel", "e/kernel"),
    )
    assert row.changes == ("join: -1",) * 4 + (None,)
    assert row.unmatched == ()
    ours = [np.random.default_rng(n).normal(size=one.shape) for n, one in enumerate(HEADS)]
    carried = transfer.carry(ours, [np.zeros(one.shape) for one in JOINED])
    assert np.array_equal(carried[0], np.hstack([ours[0], ours[2]]))
    assert np.array_equal(carried[1], np.hstack([ours[1], ours[3]]))


def test_a_split_is_the_other_way_round() -> None:
    transfer = mapped(JOINED, HEADS, pair("c", ["b", "a"], split=-1))
    ours = [np.random.default_rng(n).normal(size=one.shape) for n, one in enumerate(JOINED)]
    carried = transfer.carry(ours, [np.zeros(one.shape) for one in HEADS])
    assert np.array_equal(np.hstack([carried[2], carried[0]]), ours[0])
    assert np.array_equal(np.hstack([carried[3], carried[1]]), ours[1])


def test_paths_may_be_ends_of_paths_and_inner_layers() -> None:
    nested = rows(net__block__dense__kernel=(2, 3), net__block__dense__bias=(3,), net__g=(3,))
    plain = rows(x__kernel=(2, 3), x__bias=(3,), y=(3,))
    for path in ("net/block/dense", "block/dense", "dense", "net/block"):
        assert mapped(nested, plain, pair(path, "x")).complete
    assert mapped(nested, plain, pair("dense/bias", "y"), pair("g", "bias")).complete


def test_a_plain_pair_may_merge_or_split_axes() -> None:
    transfer = mapped(rows(d__kernel=(8, 4)), rows(c__kernel=(1, 8, 4)), pair("d", "c"))
    assert transfer.to_row().changes == ("reshape: [1, 8, 4]",)


def test_with_rest_none_what_is_left_over_keeps_its_own_values() -> None:
    transfer = mapped(HEADS, JOINED, pair("d", "e"), rest="none")
    assert transfer.complete
    assert transfer.keeps_own == ("c/kernel", "c/bias")
    assert transfer.unmatched[:2] == ("a/kernel", "a/bias")
    own = [np.full(one.shape, 7.0) for one in JOINED]
    carried = transfer.carry([np.zeros(one.shape) for one in HEADS], own)
    assert [float(one.flat[0]) for one in carried] == [7.0, 7.0, 0.0]


def test_given_weights_are_no_rest() -> None:
    given = (frozenset[int](), frozenset({0, 1}))
    transfer = mapped(HEADS[4:], JOINED, pair("d", "e"), given=given)
    assert transfer.unmatched == ()
    (fault,) = faults(HEADS[4:], JOINED, pair("d", "e/kernel"), given=(given[0], frozenset({2})))
    assert "has the values given under its `weights`" in fault


def test_what_is_left_over_is_one_fault() -> None:
    (fault,) = faults(HEADS, JOINED, pair(["a/kernel", "b/kernel"], "c/kernel", join=1))
    assert fault.startswith("s.yaml:8:1: LL233 `transfer` leaves ")
    assert "`a/bias` (3,), `b/bias` (5,), `d/kernel` (8, 2) of `one`" in fault
    assert "`c/bias` (8,), `e/kernel` (8, 2) of `two` over, and `rest: auto` cannot pair" in fault


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([pair("a/kernl", "c")], "`from: a/kernl` is not a weight or layer of `one`"),
        ([pair("a/kernl", "c")], "did you mean `a/kernel`?"),
        ([pair("d", "f")], "`to: f` is not a weight or layer of `two`"),
        ([pair("kernel", "c/kernel")], "could be any of `a/kernel`, `b/kernel`, `d/kernel`"),
        ([pair("d", "c")], "`d` has 1 (`d/kernel` (8, 2)), `c` has 2 (`c/kernel` (4, 8)"),
        ([pair("a/bias", "c/bias")], "`a/bias` (3,) does not fit `c/bias` (8,)"),
        (
            [pair("d", "e", transpose=(1, 0))],
            "`d/kernel` (8, 2) by `transpose: [1, 0]` becomes (2, 8), which does not fit "
            "`e/kernel` (8, 2)",
        ),
        (
            [pair("a", "c", transpose=(1, 0))],
            "`a/kernel` (4, 3) by `transpose: [1, 0]` becomes (3, 4), which does not fit",
        ),
        (
            [pair(["a", "b"], "c", join=0)],
            "`join: 0` does not fit `a/kernel` (4, 3), `b/kernel` (4, 5): (4, 3) and (4, 5) "
            "cannot be joined along axis 0",
        ),
        ([pair("d", "e", reshape=(4, 5))], "(8, 2) has 16 values, not 20"),
        (
            [pair("d", "e", permute=(1, (2, 0, 1)))],
            "axis 1 of (8, 2) has 2 entries, which are not 3 blocks of equal size",
        ),
        (
            [pair("d/kernel", "e/kernel"), pair("d", "c/bias")],
            "`d/kernel` of `one` is used twice under `from`",
        ),
        (
            [pair("d/kernel", "e/kernel"), pair("a/kernel", "e")],
            "`e/kernel` of `two` is used twice under `to`",
        ),
    ],
)
def test_each_fault_has_its_place(pairs: list[WeightPair], message: str) -> None:
    (fault,) = faults(HEADS, JOINED, *pairs)
    assert fault.startswith("s.yaml:9:5: ")
    assert message in fault


def test_a_split_takes_the_whole_weight() -> None:
    (fault,) = faults(JOINED, HEADS, pair("c/kernel", ["a/kernel", "b/kernel"], split=0))
    assert "`c/kernel` (4, 8) has 4 entries along axis 0, and" in fault
    assert "take 8" in fault


def test_all_faults_are_told_at_once() -> None:
    assert len(faults(HEADS, JOINED, pair("x", "c"), pair("d", "y"), pair("a", "e"))) == 3
