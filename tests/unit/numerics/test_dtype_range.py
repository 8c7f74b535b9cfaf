"""What half precision cannot hold is a difference, and what it rounds is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import layerlens
from layerlens.numerics.dtype_range import overflows, range_suspects, without_out_of_range
from layerlens.numerics.noise_floor import NoiseFloor
from layerlens.numerics.observation import Observation
from layerlens.numerics.probes import Probe, join
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, prepared

HALF, FULL = "float16", "float32"


def seen(
    reference: Any, candidate: Any, *, doubles: Any = None, inputs: float = 1.0, **more: Any
) -> Observation:
    """Two samples of two outputs; both agree in float64 unless told otherwise."""
    works = [np.asarray(one, dtype="float32") for one in (reference, candidate)]
    exact = np.asarray(reference if doubles is None else doubles, dtype="float64")
    batch = join([Probe(more.pop("probe", "normal"), (np.full((2, 2), inputs, "float32"),))])
    nothing = np.zeros(exact.shape)
    return Observation(
        more.pop("weights", "drawn"),
        "traced_dynamic",
        batch,
        (works[0],),
        (works[1],),
        (exact,),
        (exact,),
        (NoiseFloor(nothing, nothing),),
        **more,
    )


BASE = [[1.0, 2.0], [3.0, 4.0]]
INFINITE = [[1.0, 2.0], [3.0, np.inf]]
LOST = [[1.0, 2.0], [0.0, 0.0]]
STILL = (np.zeros((2, 2)),)


def places(observation: Observation, dtypes: Any = (FULL, HALF), inner: Any = STILL) -> list[Any]:
    return [(one.witness.index, one.certain) for one in range_suspects(observation, dtypes, inner)]


def test_an_infinity_that_only_one_has_is_certain() -> None:
    assert places(seen(BASE, INFINITE)) == [((1, 1), True)]
    assert places(seen(BASE, INFINITE), inner=None) == [((1, 1), True)]
    assert places(seen(INFINITE, INFINITE, doubles=BASE)) == []


def test_a_difference_beyond_rounding_asks_for_a_cause() -> None:
    assert places(seen(BASE, LOST)) == [((1, 1), False)]
    assert places(seen(BASE, LOST), inner=None) == []
    assert places(seen(BASE, LOST), inner=(np.full((2, 2), 1e3),)) == []  # rounded inside


@pytest.mark.parametrize(
    "more",
    [{"weights": "large"}, {"inputs": 1e-9}, {"inputs": 1e30}],
)
def test_inputs_and_weights_beyond_use_do_not_count(more: Any) -> None:
    beyond = seen(BASE, INFINITE, **more)
    assert places(beyond) == []
    assert overflows([beyond]) is (more.get("inputs") == 1e-9)  # nothing is too small for that
    left_out = without_out_of_range(beyond, (FULL, HALF))
    assert left_out.reference[0][1, 1] == left_out.candidate[0][1, 1] == 0.0
    assert left_out.reference64[0][1, 1] == 4.0


def test_working_precision_that_stands_in_for_float64_does_not_count_either() -> None:
    beyond = replace(
        seen(BASE, INFINITE, inputs=1e30, exact=False), candidate64=(np.asarray(INFINITE),)
    )
    left_out = without_out_of_range(beyond, (FULL, HALF))
    assert left_out.reference64[0][1, 1] == left_out.candidate64[0][1, 1] == 0.0
    assert left_out.candidate64[0][0, 0] == 1.0
    kept = without_out_of_range(replace(beyond, batch=seen(BASE, BASE).batch), (FULL, HALF))
    assert np.isinf(kept.candidate64[0][1, 1])


def test_what_the_user_gives_counts_whatever_its_size() -> None:
    assert places(seen(BASE, INFINITE, inputs=1e30, probe="values")) == [((1, 1), True)]


def test_float32_only_has_its_overflow_reported() -> None:
    single = seen(BASE, INFINITE)
    assert places(single, dtypes=(FULL, FULL)) == []
    assert overflows([single])
    assert not overflows([seen(BASE, INFINITE, doubles=INFINITE)])
    assert without_out_of_range(single, (FULL, FULL)) is single


@needs_backend
@pytest.mark.parametrize(
    ("layers", "value", "leaves"),
    [
        ([layer("Rescaling", scale=1000.0)], 100.0, True),
        ([layer("Rescaling", scale=1000.0)], 10.0, False),
        ([layer("Rescaling", scale=1e-3), layer("Rescaling", scale=1e-3)], 1e-2, True),
        ([layer("Rescaling", scale=1.0, offset=1000.0)], 1e-2, False),
        ([layer("UnitNormalization")], 1000.0, True),
        ([layer("Reshape", target_shape=[2, 2]), layer("SimpleRNN", units=2)], 1.0, False),
    ],
)
def test_an_operation_that_leaves_the_range_is_seen(
    layers: Any, value: float, leaves: bool
) -> None:
    half = chain("a", *layers, dtype=HALF)
    work = prepared(half, half, input_of(4))
    inputs = [np.full((1, 4), value, "float32")]
    assert work.reference.leaves_range(work.main_values()[0], inputs) is leaves


@needs_backend
def test_a_subclass_in_half_precision_that_overflows_says_so() -> None:
    import keras

    class Big(keras.Model):  # type: ignore[misc]
        def __init__(self, dtype: str) -> None:
            super().__init__(dtype=dtype)
            self.scale = keras.layers.Rescaling(1e5, dtype=dtype)

        def call(self, x: Any) -> Any:
            return keras.ops.cast(self.scale(x), "float32")

    models = {"full": Big("float32"), "half": Big("float16")}
    (pair,) = layerlens.compare(models, inputs=(3,)).scenarios[0].pairs
    assert pair.verdict == "different"
    assert "leaves the range of half precision" in pair.explanation
