from __future__ import annotations

import numpy as np
import pytest

from layerlens.numerics.weight_transfer import Transfer, pair_weights, same_layout
from layerlens.report.layers import WeightRow


def rows(**shapes: tuple[int, ...]) -> tuple[WeightRow, ...]:
    """Weights in order; `dense__kernel` stands for the path `dense/kernel`."""
    return tuple(
        WeightRow(name.replace("__", "/"), shape, int(np.prod(shape)))
        for name, shape in shapes.items()
    )


def pairs(transfer: Transfer) -> list[tuple[str, str]]:
    return list(transfer.to_row().pairs)


DENSE = rows(dense__kernel=(8, 4), dense__bias=(4,))
CONV = rows(conv1d__kernel=(1, 8, 4), conv1d__bias=(4,))
WIDE = rows(dense__kernel=(4, 8), dense__bias=(4,))


# --- what is the same layout ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((8, 4), (1, 8, 4)),
        ((8, 4), (8, 1, 4, 1)),
        ((6, 4), (2, 3, 4)),
        ((6, 4), (24,)),
        ((24,), (2, 3, 4)),
        ((), (1, 1)),
        ((0, 4), (0, 4)),
    ],
)
def test_merged_split_and_single_axes_keep_the_layout(
    one: tuple[int, ...], other: tuple[int, ...]
) -> None:
    assert same_layout(one, other)
    assert same_layout(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [((4, 8), (8, 4)), ((2, 3, 4), (3, 2, 4)), ((6, 4), (4, 6)), ((6, 4), (8, 3)), ((6,), (7,))],
)
def test_axes_that_a_reshape_would_mix_do_not(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert not same_layout(one, other)
    assert not same_layout(other, one)


# --- auto -----------------------------------------------------------------------------------------


def test_weights_are_paired_position_by_position() -> None:
    transfer = pair_weights(DENSE, rows(out__kernel=(8, 4), out__bias=(4,)))
    assert transfer.complete
    assert transfer.method == "by_order"
    assert pairs(transfer) == [("dense/kernel", "out/kernel"), ("dense/bias", "out/bias")]
    assert transfer.unmatched == ()


def test_another_layout_is_reached_by_reshape_and_says_so() -> None:
    transfer = pair_weights(DENSE, CONV)
    assert transfer.complete
    assert transfer.method == "reshape"
    assert [str(one.change) for one in transfer.pairings] == ["reshape: [1, 8, 4]", "None"]


def test_a_transposed_kernel_is_not_carried_over() -> None:
    transfer = pair_weights(DENSE, WIDE)
    assert not transfer.complete
    assert transfer.problem == (
        "weight 1 is `dense/kernel` (8, 4) in the reference and `dense/kernel` (4, 8) in the "
        "candidate"
    )
    assert transfer.unmatched == ("dense/kernel", "dense/kernel")


def test_weights_are_never_paired_out_of_order() -> None:
    ours = rows(a__kernel=(3, 5), b__kernel=(5, 2))
    swapped = rows(c__kernel=(5, 2), d__kernel=(3, 5))
    transfer = pair_weights(ours, swapped)
    assert not transfer.complete
    assert transfer.pairings == ()
    assert transfer.unmatched == ("a/kernel", "b/kernel", "c/kernel", "d/kernel")


def test_one_name_in_another_order_is_still_that_weight() -> None:
    ours = rows(a__kernel=(3, 5), b__kernel=(5, 2))
    transfer = pair_weights(ours, rows(b__kernel=(5, 2), a__kernel=(3, 5)))
    assert transfer.complete
    assert transfer.method == "by_name"
    assert pairs(transfer) == [("a/kernel", "a/kernel"), ("b/kernel", "b/kernel")]


def test_where_the_order_does_the_name_is_not_asked() -> None:
    ours = rows(a__kernel=(3, 3), b__kernel=(3, 3))
    transfer = pair_weights(ours, rows(b__kernel=(3, 3), a__kernel=(3, 3)))
    assert pairs(transfer) == [("a/kernel", "b/kernel"), ("b/kernel", "a/kernel")]


@pytest.mark.parametrize(
    ("ours", "theirs", "problem"),
    [
        (
            DENSE,
            DENSE[:1],
            "the reference has 2 weights and the candidate 1 weight; without a partner in the "
            "reference: `dense/bias` (4,)",
        ),
        (
            (),
            rows(a=(1,), b=(2,), c=(3,), d=(4,), e=(5,)),
            "the reference has 0 weights and the candidate 5 weights; without a partner in the "
            "candidate: `a` (1,), `b` (2,), `c` (3,) and 2 more",
        ),
        (
            WIDE,
            DENSE[:1],
            "weight 1 is `dense/kernel` (4, 8) in the reference and `dense/kernel` (8, 4) in the "
            "candidate; the reference has 2 weights and the candidate 1 weight; without a partner "
            "in the reference: `dense/bias` (4,)",
        ),
    ],
)
def test_what_is_left_over_is_named(
    ours: tuple[WeightRow, ...], theirs: tuple[WeightRow, ...], problem: str
) -> None:
    assert pair_weights(ours, theirs).problem == problem


def test_models_without_weights_have_nothing_to_carry() -> None:
    transfer = pair_weights((), ())
    assert transfer.complete
    assert transfer.pairings == ()


# --- as the scenario says -------------------------------------------------------------------------


def test_by_order_takes_no_other_layout() -> None:
    transfer = pair_weights(DENSE, CONV, "by_order")
    assert not transfer.complete
    assert pairs(transfer) == [("dense/bias", "conv1d/bias")]


def test_reshape_takes_whatever_has_as_many_values() -> None:
    transfer = pair_weights(DENSE, WIDE, "reshape")
    assert transfer.complete
    assert transfer.method == "reshape"
    fewer = pair_weights(DENSE, rows(dense__kernel=(4, 4), dense__bias=(4,)), "reshape")
    assert fewer.problem is not None
    assert fewer.problem.startswith("weight 1 is")


def test_by_name_pairs_what_is_called_alike_in_any_order() -> None:
    theirs = rows(b__kernel=(8, 4), a__kernel=(8, 4))
    transfer = pair_weights(rows(a__kernel=(8, 4), b__kernel=(1, 8, 4)), theirs, "by_name")
    assert transfer.complete
    assert pairs(transfer) == [("a/kernel", "a/kernel"), ("b/kernel", "b/kernel")]
    assert [one.change is not None for one in transfer.pairings] == [False, True]


def test_by_name_looks_at_the_end_of_the_path_where_that_is_unambiguous() -> None:
    ours = rows(td__dense__kernel=(8, 4))
    assert pair_weights(ours, rows(dense__kernel=(8, 4)), "by_name").complete
    two = rows(x__dense__kernel=(8, 4), y__dense__kernel=(8, 4))
    assert not pair_weights(ours, two, "by_name").complete
    assert not pair_weights(two, ours, "by_name").complete


def test_by_name_says_what_has_no_partner() -> None:
    transfer = pair_weights(DENSE, CONV, "by_name")
    assert transfer.pairings == ()
    assert transfer.problem == (
        "no partner of the same name and layout for `dense/kernel`, `dense/bias`, "
        "`conv1d/kernel`, `conv1d/bias`"
    )
    other = pair_weights(DENSE, WIDE, "by_name")
    assert other.problem == (
        "no partner of the same name and layout for `dense/kernel`, `dense/kernel`"
    )


def test_none_pairs_nothing_and_misses_nothing() -> None:
    transfer = pair_weights(DENSE, CONV, "none")
    assert transfer.complete
    assert (transfer.method, transfer.pairings, transfer.unmatched) == ("none", (), ())


# --- carrying -------------------------------------------------------------------------------------


def test_values_reach_their_partners_in_the_partners_shape() -> None:
    kernel, bias = np.arange(32.0).reshape(8, 4), np.arange(4.0)
    carried = pair_weights(DENSE, CONV).carry([kernel, bias], [np.zeros((1, 8, 4)), np.zeros(4)])
    assert carried[0].shape == (1, 8, 4)
    np.testing.assert_array_equal(carried[0][0], kernel)
    np.testing.assert_array_equal(carried[1], bias)


def test_values_without_a_partner_stay_the_candidates_own() -> None:
    own = [np.full((1, 8, 4), 7.0), np.full(4, 7.0)]
    given = [np.zeros((8, 4)), np.zeros(4)]
    nothing = pair_weights(DENSE, CONV, "none").carry(given, own)
    assert all((value == 7.0).all() for value in nothing)
    some = pair_weights(DENSE, CONV, "by_order").carry(given, own)
    assert (some[0] == 7.0).all()
    assert (some[1] == 0.0).all()


def test_weights_that_are_given_are_no_targets_and_the_rest_is_paired() -> None:
    plain = rows(d__kernel=(5, 3), d__bias=(3,))
    wrapped = rows(sn__kernel=(5, 3), sn__vector_u=(1, 3), sn__bias=(3,))
    given = (frozenset[int](), frozenset({1}))
    transfer = pair_weights(plain, wrapped, given=given)
    assert transfer.complete
    assert [(*one.sources, one.candidate) for one in transfer.pairings] == [(0, 0), (1, 2)]
    assert transfer.unmatched == ()
    assert not pair_weights(plain, wrapped).complete
    back = pair_weights(wrapped, plain, given=given[::-1])
    assert back.complete
    assert [(*one.sources, one.candidate) for one in back.pairings] == [(0, 0), (2, 1)]


def test_a_given_weight_is_paired_where_the_models_pair_only_with_it() -> None:
    same = rows(d__kernel=(5, 3), d__bias=(3,))
    transfer = pair_weights(same, same, given=(frozenset(), frozenset({0})))
    assert transfer.complete
    assert len(transfer.pairings) == 2
