from __future__ import annotations

import numpy as np
import pytest

from layerlens.dependence.perturbed_inputs import (
    SAMPLE_KINDS,
    SamplePair,
    chosen_steps,
    draw_pair,
    masks_with_steps_replaced,
    steps_seen,
    with_steps_replaced,
)
from layerlens.numerics.probes import Domain
from layerlens.scenario.spec import InputSpec

EPS = float(np.finfo("float64").eps)


def pair_of(kind: str, *shape: int, dtype: str = "float32", **limits: int) -> SamplePair:
    domain = Domain(InputSpec("input", shape, dtype), shape, **limits)
    return draw_pair(domain, kind, np.random.default_rng(0))


def test_each_row_has_one_step_replaced_between_two_equal_samples() -> None:
    drawn = pair_of("normal", 5, 2)
    batch = with_steps_replaced(drawn, 1, [0, 3])
    assert batch.shape == (4, 5, 2)
    assert np.array_equal(batch[0], drawn.base)
    assert np.array_equal(batch[-1], drawn.base)
    for row, step in ((1, 0), (2, 3)):
        assert np.array_equal(batch[row, step], drawn.replacement[step])
        assert np.flatnonzero((batch[row] != drawn.base).any(axis=1)).tolist() == [step]


def test_further_axes_are_replaced_across_all_steps_and_none_is_the_whole_sample() -> None:
    drawn = pair_of("normal", 4, 3)
    (column,) = with_steps_replaced(drawn, 2, [1])[1:-1]
    assert np.array_equal(column[:, 1], drawn.replacement[:, 1])
    assert np.array_equal(column[:, [0, 2]], drawn.base[:, [0, 2]])
    assert np.array_equal(with_steps_replaced(drawn, None, [0])[1], drawn.replacement)


@pytest.mark.parametrize("kind", ["padded", "holes", "sparse"])
def test_blank_steps_are_zero_and_the_first_step_is_valid(kind: str) -> None:
    drawn = pair_of(kind, 12, 2)
    assert drawn.is_blanked
    assert drawn.valid[0]
    assert not drawn.valid.all()
    assert not drawn.base[~drawn.valid].any()
    assert drawn.base[drawn.valid].all()
    # A valid step is replaced by a blank one and the reverse.
    assert not drawn.replacement[drawn.valid].any()
    assert drawn.replacement[~drawn.valid].all()


def test_the_mask_of_a_replaced_step_is_inverted() -> None:
    drawn = pair_of("padded", 6, 2)
    masks = masks_with_steps_replaced(drawn, 1, range(6))
    assert np.array_equal(masks[0], drawn.valid)
    assert np.array_equal(masks[-1], drawn.valid)
    assert np.array_equal(masks[1:-1] != drawn.valid, np.eye(6, dtype=bool))
    whole = masks_with_steps_replaced(pair_of("normal", 6, 2), 1, range(6))
    assert whole.all()


def test_up_and_down_are_beyond_everything_else() -> None:
    up, down, positive = (pair_of(kind, 9, 4) for kind in ("up", "down", "positive"))
    assert up.replacement.min() > np.abs(up.base).max()
    assert down.replacement.max() < -np.abs(down.base).max()
    assert min(positive.base.min(), positive.replacement.min()) > 0


@pytest.mark.parametrize("kind", SAMPLE_KINDS)
@pytest.mark.parametrize("dtype", ["int32", "string"])
def test_every_replacement_differs_and_stays_in_its_range(kind: str, dtype: str) -> None:
    drawn = pair_of(kind, 20, dtype=dtype, low=0, high=7)
    assert (drawn.base != drawn.replacement)[drawn.valid].all()
    if dtype == "int32":
        assert {*drawn.base.tolist(), *drawn.replacement.tolist()} <= set(range(7))


def test_flags_are_replaced_by_their_opposite() -> None:
    drawn = pair_of("normal", 20, dtype="bool")
    assert np.array_equal(drawn.replacement, ~drawn.base)


def test_all_steps_are_chosen_where_they_fit_else_the_ends_and_neighbours() -> None:
    assert chosen_steps(5, 9) == (0, 1, 2, 3, 4)
    few = chosen_steps(1000, 20)
    assert len(few) <= 24
    assert {0, 1, 998, 999} <= set(few)
    assert {500, 501} <= set(few)


def test_a_step_is_seen_where_an_output_changes_by_more_than_noise() -> None:
    drawn = pair_of("normal", 4, 2)
    batch = with_steps_replaced(drawn, 1, range(4)).astype(np.float64)
    shifted = np.roll(batch, 1, axis=1)
    shifted[:, 0] = 0.0
    seen, noise = steps_seen(shifted, 1, 4, EPS)
    assert np.array_equal(seen, np.eye(4, k=-1, dtype=bool))
    assert noise == 0.0

    unequal = shifted.copy()
    unequal[-1, 2] += 100.0
    seen, noise = steps_seen(unequal, 1, 4, EPS)
    assert not seen[2].any(), "a change smaller than the noise"
    assert seen[1, 0]
    assert noise > 1.0


def test_equal_nan_and_infinities_are_no_change() -> None:
    outputs = np.full((3, 2), np.nan)
    outputs[:, 1] = np.inf
    assert not steps_seen(outputs, None, 1, EPS)[0].any()
    outputs[1, 1] = -np.inf
    assert steps_seen(outputs, None, 1, EPS)[0].tolist() == [[True]]


def test_strings_are_compared_for_equality() -> None:
    outputs = np.array([["a", "b"], ["a", "c"], ["a", "b"]], dtype=object)
    seen, noise = steps_seen(outputs, 1, 1, EPS)
    assert seen.tolist() == [[False], [True]]
    assert noise == 0.0
