from __future__ import annotations

from layerlens.proof.limits import limits_of_part, limits_of_whole


def test_a_part_of_a_small_model_may_cost_what_a_whole_one_may() -> None:
    small, whole = limits_of_part(1_000_000, 1_000), limits_of_whole()
    assert (small.computed, small.maxima, small.elements) == (
        whole.computed,
        whole.maxima,
        whole.elements,
    )


def test_more_maxima_are_remembered_where_more_may_be_computed() -> None:
    large, whole = limits_of_part(0, 16_000_000), limits_of_whole()
    assert large.computed == 4 * whole.computed
    assert large.maxima == 4 * whole.maxima
