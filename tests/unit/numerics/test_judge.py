from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from layerlens.numerics.judge import (
    CONSTANT_REAL,
    CONSTANT_ROUNDING,
    GROUND_REAL,
    REAL,
    RESIDUE_REAL,
    RESIDUE_ROUNDING,
    ROUNDING,
    WORKING_ROUNDING,
    changes_with_execution,
    judge,
)
from layerlens.numerics.noise_floor import (
    ROUNDOFF32,
    ROUNDOFF64,
    NoiseFloor,
    floor_without_float64,
    noise_floor,
)
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import Probe, join
from layerlens.report.pairs import ProbeRow
from layerlens.scenario.spec import Tolerance

#: Two probes of one sample each: what most observations here are of.
BATCH = join([Probe("normal", (np.ones((1, 2)),)), Probe("zeros", (np.zeros((1, 2)),))])
BASE = np.asarray([[1.0, 2.0], [0.5, 4.0]])


def seen(reference: Any, candidate: Any, **more: Any) -> Observation:
    """What two models gave in float64; working precision gave the same, rounded."""
    one, other = np.asarray(reference), np.asarray(candidate)
    floats = one.dtype.kind == "f"
    works = [array.astype("float32") if floats else array for array in (one, other)]
    still = np.zeros(one.shape)
    floor = noise_floor([one, other], [one, other], [still, still], np.asarray(0.0))
    given: dict[str, Any] = {
        "weights": "drawn",
        "execution": "traced_dynamic",
        "batch": BATCH,
        "reference": (works[0],),
        "candidate": (works[1],),
        "reference64": (one,),
        "candidate64": (other,),
        "noise": (floor,),
    }
    return Observation(**{**given, **more})


def moved(index: tuple[int, ...], by: float, base: Any = BASE) -> Any:
    array = np.array(base, dtype="float64")
    array[index] += by
    return array


#: An own scale next to nothing, so that limits can be met to the digit.
SHARP = NoiseFloor(
    working=np.full((2, 2), ROUNDOFF32),
    float64=np.full((2, 2), ROUNDOFF64),
    ground=np.zeros((2, 1)),
)


# --- rounding or real -----------------------------------------------------------------------------


def test_equal_outputs_are_equivalent() -> None:
    found = judge([seen(BASE, BASE)])
    assert found.verdict == "equivalent"
    assert found.difference is not None
    assert (found.difference.max_abs, found.difference.compared) == (0.0, 4)
    assert found.rounding.float64_max_abs == 0.0
    assert found.witness is None


def test_a_small_output_that_differs_is_not_hidden_by_a_large_one() -> None:
    base = np.asarray([[1e6, 1e-3], [1.0, 1.0]])
    beside = judge([seen(base, moved((0, 1), 1e-5, base))])  # 1e-11 of its neighbour, 1% of itself
    assert beside.verdict == "different"
    assert beside.witness is not None
    assert beside.witness.index == (0, 1)
    rounding = judge([seen(base, moved((0, 0), 1e-9, base))])  # 1e-15 of itself
    assert rounding.verdict == "equivalent"


def test_the_element_that_differs_most_for_its_size_is_the_witness() -> None:
    base = np.asarray([[1e4, 1.0], [1.0, 1.0]])
    other = moved((0, 0), 1.0, moved((1, 1), 0.5, base))
    found = judge([seen(base, other)])
    assert found.witness is not None
    assert found.witness.index == (1, 1)
    assert found.witness.sample == 1


@pytest.mark.parametrize(
    ("units", "verdict"),
    [
        (0.0, "equivalent"),
        (ROUNDING, "equivalent"),
        (ROUNDING * 1.01, "inconclusive"),
        (REAL, "inconclusive"),
        (REAL * 1.01, "different"),
    ],
)
def test_between_rounding_and_real_nothing_is_decided(units: float, verdict: str) -> None:
    one = np.zeros((2, 2))
    found = judge([seen(one, moved((0, 0), units * ROUNDOFF64, one), noise=(SHARP,))])
    assert found.verdict == verdict
    assert (found.witness is not None) == (verdict == "different")


def test_an_undecided_pair_says_how_far_it_is_from_either() -> None:
    one = np.zeros((2, 2))
    found = judge([seen(one, moved((0, 0), 2048 * ROUNDOFF64, one), noise=(SHARP,))])
    assert found.reason == (
        "in float64 the outputs differ by up to 2,048 times the measured rounding: too much for "
        "rounding (up to 512) and too little for a real difference (from 1,048,576)"
    )
    assert found.ratio == 2048
    assert found.near_rounding


def test_a_difference_has_to_stand_out_from_the_sample_too() -> None:
    one = np.zeros((2, 2))
    far = replace(SHARP, ground=np.full((2, 1), REAL * ROUNDOFF64))
    other = moved((0, 0), 2 * REAL * ROUNDOFF64, one)
    assert judge([seen(one, other, noise=(SHARP,))]).verdict == "different"
    assert judge([seen(one, other, noise=(far,))]).verdict == "equivalent"
    beyond = moved((0, 0), 1.01 * (REAL + GROUND_REAL * REAL) * ROUNDOFF64, one)
    assert judge([seen(one, beyond, noise=(far,))]).verdict == "different"


# --- constants that layers round to float32 -------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "verdict"),
    [
        (CONSTANT_ROUNDING, "equivalent"),
        (CONSTANT_ROUNDING * 1.1, "inconclusive"),
        (CONSTANT_REAL, "inconclusive"),
        (CONSTANT_REAL * 1.1, "different"),
    ],
)
def test_what_rounded_constants_change_is_not_a_difference(units: float, verdict: str) -> None:
    one, unit = np.zeros((2, 2)), 2.0**-20
    measured = replace(SHARP, constants=np.full((2, 2), unit))
    other = moved((0, 0), units * unit, one)
    assert judge([seen(one, other, noise=(measured,))], steady=True).verdict == verdict
    assert judge([seen(one, other, noise=(SHARP,))], steady=True).verdict == "different"


@pytest.mark.parametrize(
    ("units", "verdict"),
    [
        (RESIDUE_ROUNDING, "equivalent"),
        (RESIDUE_ROUNDING * 1.1, "inconclusive"),
        (RESIDUE_REAL, "inconclusive"),
        (RESIDUE_REAL * 1.1, "different"),
    ],
)
def test_with_a_residue_working_precision_is_the_measure(units: float, verdict: str) -> None:
    one = np.zeros((2, 2))
    observation = seen(one, moved((0, 0), units * ROUNDOFF32, one), noise=(SHARP,))
    found = judge([observation], residue=True)
    assert found.verdict == verdict
    if verdict == "equivalent":
        remaining = "constants rounded to float32 explain the remaining difference in float64"
        assert found.reason == remaining
    assert judge([observation]).verdict == "different"


def test_a_residue_has_the_rounding_of_float32_in_half_precision_too() -> None:
    one = np.zeros((2, 2))
    coarse = 2.0**13
    wide = replace(SHARP, working=SHARP.working * coarse, float64=SHARP.float64 * coarse)
    for units, verdict in ((RESIDUE_ROUNDING, "equivalent"), (1e3, "inconclusive")):
        observation = seen(one, moved((0, 0), units * ROUNDOFF32, one), noise=(wide,))
        found = judge([observation], residue=True, coarseness=coarse)
        assert found.verdict == verdict
    assert "a part of a model computes in its own precision in float64, too" in found.reason
    far = seen(one, moved((0, 0), 65 * coarse * ROUNDOFF32, one), noise=(wide,))
    assert judge([far], residue=True, coarseness=coarse).verdict == "different"


def test_without_float64_no_residue_makes_a_difference_rounding() -> None:
    one = np.zeros((2, 2))
    floor = floor_without_float64(SHARP)
    for units, verdict in ((32, "equivalent"), (40, "inconclusive"), (65, "different")):
        observation = seen(one, moved((0, 0), units * ROUNDOFF32, one), noise=(floor,))
        found = judge([replace(observation, exact=False)], residue=True)
        assert found.verdict == verdict
        if verdict == "inconclusive":
            assert "differ by up to 40.0 times" in found.reason
            assert found.reason.endswith("a model has no float64 form")


@pytest.mark.parametrize(("by", "near"), [(1e-5, True), (0.5, False)])
def test_a_difference_that_constants_might_explain_is_marked(by: float, near: bool) -> None:
    found = judge([seen(BASE, moved((0, 0), by))])
    assert found.verdict == "different"
    assert found.near_rounding is near


# --- what is not a number -------------------------------------------------------------------------

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_not_finite_equals_itself(value: float) -> None:
    odd = np.asarray([[value, 2.0], [0.5, 4.0]])
    assert judge([seen(odd, odd)]).verdict == "equivalent"


@pytest.mark.parametrize(
    ("one", "other"), [(NAN, 1.0), (1.0, NAN), (INF, 1.0), (INF, -INF), (NAN, INF)]
)
def test_what_is_not_finite_equals_nothing_else(one: float, other: float) -> None:
    base, odd = (np.asarray([[value, 2.0], [0.5, 4.0]]) for value in (one, other))
    found = judge([seen(base, odd)])
    assert found.verdict == "different"
    assert found.witness is not None
    assert found.witness.index == (0, 0)
    assert found.difference is not None
    assert (found.difference.max_abs, found.difference.mismatched) == (INF, 1)


def test_words_are_the_same_or_different() -> None:
    one = np.asarray([[b"a", b"b"], [b"", b"c"]], dtype=object)
    other = np.asarray([[b"a", b"b"], [b"", b"d"]], dtype=object)
    assert judge([seen(one, one)]).verdict == "equivalent"
    found = judge([seen(one, other)])
    assert found.verdict == "different"
    assert found.witness is not None
    assert found.witness.index == (1, 1)


# --- nothing to compare ---------------------------------------------------------------------------


def test_outputs_without_elements_decide_nothing() -> None:
    empty = np.zeros((2, 0))
    for tolerance in (None, Tolerance(1.0, 1.0)):
        found = judge([seen(empty, empty)], tolerance=tolerance)
        assert found.verdict == "inconclusive"
        assert found.reason == "no output element was compared: the outputs are empty"
        assert found.difference is None or found.difference.compared == 0
        assert found.probes == ()


def test_no_observation_decides_nothing() -> None:
    found = judge([])
    assert found.verdict == "inconclusive"
    assert found.rounding.expected is None
    assert found.rounding.float64_max_abs is None


def test_one_empty_output_does_not_hide_another_that_differs() -> None:
    empty, far = seen(np.zeros((2, 0)), np.zeros((2, 0))), seen(BASE, moved((0, 0), 1.0))
    assert judge([empty, far]).verdict == "different"


# --- a tolerance ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "verdict"), [(0.25, "equivalent"), (0.2500001, "different"), (-0.25, "equivalent")]
)
def test_a_tolerance_decides_alone_and_at_its_edge(by: float, verdict: str) -> None:
    found = judge([seen(BASE, moved((0, 0), by))], tolerance=Tolerance(rtol=0.125, atol=0.125))
    assert found.verdict == verdict
    assert found.difference is not None
    assert found.difference.mismatched == (verdict == "different")


def test_no_tolerance_is_exact() -> None:
    exact = Tolerance(0.0, 0.0)
    assert judge([seen(BASE, BASE)], tolerance=exact).verdict == "equivalent"
    assert judge([seen(BASE, moved((0, 0), 2.0**-23))], tolerance=exact).verdict == "different"


def test_a_tolerance_is_held_against_working_precision() -> None:
    same = seen(BASE, moved((0, 0), 1e-12))  # beyond an exact tolerance in float64 alone
    assert judge([same], tolerance=Tolerance(0.0, 0.0)).verdict == "equivalent"


def test_a_tolerance_does_not_cover_what_only_one_of_them_has() -> None:
    odd = np.asarray([[NAN, 2.0], [0.5, 4.0]])
    assert judge([seen(BASE, odd)], tolerance=Tolerance(1e9, 1e9)).verdict == "different"


# --- kinds of weights -----------------------------------------------------------------------------

FAR = moved((0, 0), 1.0)


@pytest.mark.parametrize(
    ("initial", "drawn", "told"),
    [(BASE, FAR, True), (FAR, FAR, False), (FAR, BASE, False), (BASE, BASE, False)],
)
def test_equal_only_on_the_weights_it_was_built_with(initial: Any, drawn: Any, told: bool) -> None:
    found = judge([seen(BASE, initial, weights="initial"), seen(BASE, drawn)])
    assert found.only_at_initialization is told


def test_without_initial_weights_nothing_is_said_of_them() -> None:
    assert judge([seen(BASE, FAR)]).only_at_initialization is False


def test_a_difference_on_drawn_weights_is_shown_first() -> None:
    most = moved((0, 0), 100.0)
    found = judge([seen(BASE, most, weights="initial"), seen(BASE, FAR)])
    assert found.witness is not None
    assert found.witness.observation.weights == "drawn"


# --- ways of calling ------------------------------------------------------------------------------


def strayed(by: float) -> Observation:
    """Both models agree, but the reference's own result in this execution is off by `by`."""
    observation = seen(BASE, BASE, execution="eager")
    off = moved((1, 0), by).astype("float32")
    return replace(observation, reference=(off,), candidate=(BASE.astype("float32"),))


def test_a_model_that_strays_from_itself_is_different() -> None:
    found = judge([seen(BASE, BASE), strayed(1.0)])
    assert found.verdict == "different"
    assert found.witness is not None
    assert found.witness.inconsistent == "reference"
    assert found.witness.observation.execution == "eager"
    assert found.witness.index == (1, 0)


def test_rounding_and_random_streams_do_not_make_it_stray() -> None:
    floor = float(np.broadcast_to(seen(BASE, BASE).noise[0].working, BASE.shape)[1, 0])
    assert judge([strayed(WORKING_ROUNDING * floor * 0.9)]).verdict == "equivalent"
    assert judge([strayed(WORKING_ROUNDING * floor * 1.5)]).verdict == "different"
    assert judge([strayed(1.0)], steady=True).verdict == "equivalent"


@pytest.mark.parametrize(("by", "strays"), [(1.0, True), (1e-3, True), (1e-9, False)])
def test_what_shrinks_with_the_precision_is_no_way_of_calling(by: float, strays: bool) -> None:
    """A graph may leave out what rounds, so that the floor measured in it is far too low."""
    noise = seen(BASE, BASE).noise[0]
    again, working = moved((1, 0), by), moved((1, 0), 1.0).astype("float32")
    assert bool(changes_with_execution(BASE, again, working, noise).any()) is strays


def test_overflow_of_a_narrow_dtype_is_not_a_way_of_calling() -> None:
    assert judge([strayed(INF)]).verdict == "equivalent"


# --- what is reported -----------------------------------------------------------------------------


def test_every_probe_and_execution_has_a_row_with_its_greatest_difference() -> None:
    first = seen(BASE, moved((1, 1), 1.0))
    again = seen(BASE, moved((1, 1), 2.0), weights="initial")
    eager = seen(BASE, BASE, execution="eager")
    floors = [
        [
            float(np.max(np.broadcast_to(one.noise[0].working, BASE.shape)[part]))
            for part in one.batch.slices
        ]
        for one in (first, again, eager)
    ]
    traced = [max(pair) for pair in zip(*floors[:2], strict=True)]
    eager_floors = floors[2]
    assert judge([first, again, eager]).probes == (
        ProbeRow("normal", "traced_dynamic", 0.0, 0.0, traced[0], 0.0),
        ProbeRow("zeros", "traced_dynamic", 2.0, 0.5, traced[1], 2.0),
        ProbeRow("normal", "eager", 0.0, 0.0, eager_floors[0], 0.0),
        ProbeRow("zeros", "eager", 0.0, 0.0, eager_floors[1], 0.0),
    )


def test_without_a_float64_form_what_is_left_in_float64_was_not_measured() -> None:
    (row, _) = judge([replace(seen(BASE, BASE), exact=False)]).probes
    assert row.float64_max_abs is None


def test_figures_are_summed_up_over_all_observations() -> None:
    found = judge([seen(BASE, moved((0, 0), 1.0)), seen(BASE, moved((0, 1), 3.0))])
    assert found.difference is not None
    assert (found.difference.max_abs, found.difference.max_rel) == (3.0, 1.5)
    assert (found.difference.mismatched, found.difference.compared) == (2, 8)
    assert found.rounding.float64_max_abs == 3.0


def test_a_second_output_that_differs_is_found() -> None:
    both = seen(BASE, BASE)
    double = {
        name: getattr(both, name) * 2 for name in ("reference", "reference64", "candidate", "noise")
    }
    far = replace(both, **double, candidate64=(BASE, FAR))
    found = judge([far])
    assert found.witness is not None
    assert found.witness.output == 1


def test_where_a_slice_took_the_batch_the_sample_is_not_made_up() -> None:
    one = np.arange(6.0)
    found = judge([seen(one, moved((5,), 1.0, one))])
    assert found.witness is not None
    assert (found.witness.index, found.witness.sample) == ((5,), 0)
