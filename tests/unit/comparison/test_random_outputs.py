"""Random outputs are judged by their distributions, fixed ones next to them like any outputs."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from layerlens.api import compare
from layerlens.comparison.examination import DYNAMIC, Examination
from layerlens.comparison.random_outputs import judge_fixed_elements, judge_random
from layerlens.comparison.rounding import RoundingCheck
from layerlens.numerics.judge import judge
from layerlens.numerics.probes import Probe, join
from layerlens.report.pairs import PairReport
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")


class Draw(keras.layers.Layer):
    """Draws around a mean, with a spread of exp(power × v), from Keras' global generator."""

    def __init__(self, power: float, **common: Any) -> None:
        super().__init__(**common)
        self.power = power

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power": self.power}

    def call(self, pair: Any) -> Any:
        mean, v = pair
        spread = keras.ops.exp(self.power * v)
        return mean + spread * keras.random.normal(keras.ops.shape(mean))


def encoder(power: float, *, times: float = 1.0, scale: float = 1.0) -> keras.Model:
    given = keras.Input((3,))
    mean, v = keras.layers.Dense(2)(given), keras.layers.Dense(2)(given)
    drawn = Draw(power)([mean, keras.layers.Rescaling(times)(v)])
    return keras.Model(given, [keras.layers.Rescaling(scale)(mean), drawn])


def verdict_of(one: keras.Model, other: keras.Model, seed: int) -> PairReport:
    return compare(one, other, seed=seed).scenarios[0].pairs[0]


def test_another_spread_is_different() -> None:
    assert verdict_of(encoder(0.5), encoder(1.0), 0).verdict == "different"


def test_the_same_spread_is_equivalent_though_written_otherwise() -> None:
    pair = verdict_of(encoder(1.0, times=0.5), encoder(0.5), 3)
    assert (pair.verdict, pair.strength) == ("equivalent", "weak")


@pytest.mark.nightly
def test_what_is_not_random_beside_it_is_compared_as_any_output_is() -> None:
    pair = verdict_of(encoder(0.5), encoder(0.5, scale=1.05), 0)
    assert pair.verdict == "different"
    assert "not random" in pair.explanation


# --- pairs in training ----------------------------------------------------------------------------

NOISE = layer("GaussianNoise", stddev=0.1)


def observed(reference: Any, candidate: Any) -> Examination:
    """Observe a pair of chains in training on four samples."""
    models = chain("one", *reference), chain("other", *candidate)
    examination = prepared(*models, input_of(4), training=True)
    batch = join([Probe("normal", examination.generic_inputs())])
    examination.observe(examination.main, batch, DYNAMIC)
    return examination


def test_equal_distributions_from_different_streams_are_equivalent() -> None:
    examination = observed([NOISE], [layer("Dropout", rate=0.0), NOISE])
    first = judge(examination.observations)
    assert first.verdict == "different"
    judgement, by_distribution = judge_random(RoundingCheck(examination), first, None)
    assert (judgement.verdict, judgement.witness, by_distribution) == ("equivalent", None, True)


def test_distributions_that_differ_stay_different() -> None:
    wider = layer("GaussianNoise", stddev=0.2)
    examination = observed([NOISE], [wider])
    judgement, _ = judge_random(RoundingCheck(examination), judge(examination.observations), None)
    assert judgement.verdict == "different"


def test_outputs_that_are_not_random_keep_their_judgement() -> None:
    examination = observed([layer("ReLU")], [layer("Activation", activation="relu")])
    first = judge(examination.observations)
    assert judge_random(RoundingCheck(examination), first, None) == (first, False)


def test_random_elements_are_left_out_of_the_judgement_of_fixed_ones() -> None:
    split = observed([NOISE], [layer("Dropout", rate=0.0), NOISE])
    assert judge_fixed_elements(RoundingCheck(split), None).verdict == "equivalent"
    fixed = observed([layer("ReLU")], [layer("Activation", activation="tanh")])
    assert judge_fixed_elements(RoundingCheck(fixed), None).verdict == "different"
