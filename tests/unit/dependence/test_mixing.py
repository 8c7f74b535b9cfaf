from __future__ import annotations

import numpy as np
import pytest

from layerlens.dependence.mixing import Mixing, SeenMap, mixing_of, strongest

STEPS = 12
EARLIER = np.tril(np.ones((STEPS, STEPS), dtype=bool))


def band(outputs: int, stride: int, *ahead: int, inputs: int = STEPS) -> SeenMap:
    """A map in which output step o sees the input steps o × stride + each of `ahead`."""
    seen = np.zeros((outputs, inputs), dtype=bool)
    for step in range(outputs):
        for place in (step * stride + one for one in ahead):
            if 0 <= place < inputs:
                seen[step, place] = True
    return seen


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(np.eye(STEPS, dtype=bool), Mixing("none"), id="each alone"),
        pytest.param(np.zeros((STEPS, STEPS), bool), Mixing("none"), id="nothing seen"),
        pytest.param(np.eye(5, dtype=bool).repeat(2, axis=0), Mixing("none"), id="repeated"),
        pytest.param(band(10, 1, 1), Mixing("none", (1, 1)), id="cropped"),
        pytest.param(EARLIER, Mixing("causal"), id="all earlier"),
        pytest.param(EARLIER.T, Mixing("anti_causal"), id="all later"),
        pytest.param(EARLIER[:, ::-1], Mixing("anti_causal", None, True), id="given backwards"),
        pytest.param(band(12, 1, -1), Mixing("causal", (1, 1)), id="the step before"),
        pytest.param(band(12, 1, -2, -1, 0), Mixing("causal", (3, 1)), id="causal window"),
        pytest.param(band(6, 2, -2, -1, 0), Mixing("causal", (3, 2)), id="strided and causal"),
        pytest.param(band(12, 1, 0, 1), Mixing("anti_causal", (2, 1)), id="the step behind"),
        pytest.param(band(12, 1, -1, 0, 1), Mixing("window", (3, 1)), id="same"),
        pytest.param(band(10, 1, 0, 1, 2), Mixing("window", (3, 1)), id="valid"),
        pytest.param(band(12, 1, -2, 0, 2), Mixing("window", (5, 1)), id="dilated"),
        pytest.param(band(5, 2, 0, 1, 2), Mixing("window", (3, 2)), id="strided"),
        pytest.param(band(4, 3, 0, 1, 2), Mixing("window", (3, 3)), id="pooled"),
        pytest.param(np.ones((STEPS, STEPS), bool), Mixing("all"), id="all"),
        pytest.param(np.ones((7, STEPS), bool), Mixing("all"), id="all, of another length"),
        pytest.param(~np.eye(STEPS, dtype=bool), Mixing("all"), id="all but its own"),
        pytest.param(np.ones((1, STEPS), bool), Mixing("reduces"), id="one vector out"),
        pytest.param(np.ones((STEPS, 1), bool), Mixing("expands"), id="one vector in"),
    ],
)
def test_the_kind_of_a_map(seen: SeenMap, expected: Mixing) -> None:
    assert mixing_of(seen) == expected


def test_one_step_seen_out_of_order_changes_the_kind() -> None:
    leak = EARLIER.copy()
    leak[3, 4] = True
    assert mixing_of(leak).kind == "all"
    stray = np.eye(STEPS, dtype=bool)
    stray[7, 2] = True
    assert mixing_of(stray) == Mixing("causal")


def test_a_window_that_leaves_a_step_out_once_is_no_even_window() -> None:
    holed = band(12, 1, -1, 0, 1)
    holed[5, 6] = False
    assert mixing_of(holed) == Mixing("window", None)


def test_the_columns_may_be_a_part_of_the_steps() -> None:
    steps = [0, 1, 48, 49, 50, 51, 98, 99]
    whole = band(100, 1, -1, 0, 1, inputs=100)
    assert mixing_of(whole[:, steps], steps, 100) == Mixing("window", (3, 1))
    earlier = np.tril(np.ones((100, 100), dtype=bool))
    assert mixing_of(earlier[:, steps], steps, 100) == Mixing("causal")
    assert mixing_of(np.eye(100, dtype=bool)[:, steps], steps, 100) == Mixing("none")


def test_several_maps_have_the_kind_that_says_most() -> None:
    assert strongest([]) is None
    assert strongest([Mixing("none"), Mixing("causal")]) == Mixing("causal")
    assert strongest([Mixing("anti_causal"), Mixing("causal")]) == Mixing("all")
