"""Pairs that tempt a prover: those that differ are not certified, those that are equal not denied.

Keras alone confirms each of them first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.traps.read import Trap, traps

#: One of this many pairs is judged in every run, with those that say `always`, and all pairs in a
#: nightly run. Every run tries to prove each pair that differs.
SHARE = 20

#: Two outputs in float64 of which the greatest relative distance is beyond this are different.
FLOAT64_ROUNDING, FLOAT32_ROUNDING = 1e-11, 1e-5


def entries(kind: str) -> list[Any]:
    """Return the pairs of a kind; most are for a nightly run."""
    found = []
    for number, trap in enumerate(traps(kind)):
        is_tried = number % SHARE == 0 or "always" in trap.entry
        marks = () if is_tried else pytest.mark.nightly
        found.append(pytest.param(trap, id=f"{trap.file}/{trap.id}", marks=marks))
    return found


DIFFERENT, EQUAL = entries("different"), entries("equal")


def drawn(
    spec: Mapping[str, Any], shape: Sequence[int], scale: float, rng: np.random.Generator
) -> NDArray[Any]:
    if spec.get("dtype", "float32") == "float32":
        return rng.standard_normal(shape) * scale
    return rng.integers(spec["low"], spec["high"], shape).astype(spec["dtype"])


def witness(trap: Trap, rng: np.random.Generator) -> list[NDArray[Any]]:
    """Return the inputs on which a pair differs."""
    given = trap.entry["witness"]
    found = []
    for name, spec in trap.inputs.items():
        part = given[name] if isinstance(given, dict) and name in given else given
        if isinstance(part, dict):
            found.append(drawn(spec, part["shape"], part.get("scale", 1), rng))
        else:
            dtype = spec.get("dtype", "float32")
            found.append(np.array(part, "float64" if dtype == "float32" else dtype))
    return found


def distance_in_keras(trap: Trap, draws: Sequence[Any], rng: np.random.Generator) -> float:
    """Return the greatest distance of a pair's outputs in plain Keras, in float64."""
    from tests.traps import plain_keras

    with plain_keras.float64():
        models = [plain_keras.built(trap.model(n), trap.inputs) for n in ("reference", "candidate")]
        plain_keras.give_weights(*models, rng)
        found = [
            [plain_keras.outputs_of(one, given, training=trap.is_training) for one in models]
            for given in draws
        ]
        return max(plain_keras.distance(*both) for both in found)


#: Keras warns of masks that are lost, and of a softmax over one number.
of_any_shape = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("trap", DIFFERENT)
@of_any_shape
def test_keras_shows_that_they_differ(trap: Trap) -> None:
    found = []
    for draw in (7, 8, 9):  # a drawn weight may have the sign that hides the difference
        rng = np.random.default_rng(draw)
        found.append(distance_in_keras(trap, [witness(trap, rng)], rng))
    assert max(found) > FLOAT64_ROUNDING, trap.why


@pytest.mark.parametrize("trap", EQUAL)
@of_any_shape
def test_keras_finds_no_difference(trap: Trap) -> None:
    rng = np.random.default_rng(7)
    draws = [
        [
            drawn(spec, [batch, *(batch + 2 if n is None else n for n in spec["shape"])], 1.0, rng)
            for spec in trap.inputs.values()
        ]
        for batch in (1, 3, 4)
    ]
    allowed = FLOAT32_ROUNDING if "precision" in trap.entry else FLOAT64_ROUNDING
    assert distance_in_keras(trap, draws, rng) < allowed, trap.why


@pytest.mark.parametrize("trap", [pytest.param(*one.values, id=one.id) for one in DIFFERENT])
def test_what_differs_is_not_proved_equal(trap: Trap) -> None:
    from layerlens.scenario.reading.scenarios import scenario_from_mapping
    from tests.proving import prove_nothing_of

    if trap.entry.get("provable"):
        pytest.skip("equal in real arithmetic: the verdict rests on what floating point does")
    (scenario,) = scenario_from_mapping(trap.scenario(), trap.id)
    assert prove_nothing_of(scenario, trap.why)


def judged(trap: Trap) -> Any:
    from layerlens.run.pipeline import compare_scenarios
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.reading.scenarios import scenario_from_mapping

    report = compare_scenarios(
        scenario_from_mapping(trap.scenario(), trap.id), RunOptions(allow_code=True)
    )
    assert [row.message for one in report.scenarios for row in one.errors] == []
    ((pair,),) = [one.pairs for one in report.scenarios]
    return pair


@pytest.mark.parametrize("trap", DIFFERENT)
def test_what_differs_is_told(trap: Trap) -> None:
    pair = judged(trap)
    assert pair.strength != "certified", f"{trap.why}\n{pair.explanation}"
    assert pair.verdict in trap.entry.get("verdicts", ["different"]), pair.explanation


@pytest.mark.parametrize("trap", EQUAL)
def test_what_is_equal_is_not_denied(trap: Trap) -> None:
    pair = judged(trap)
    assert pair.verdict in trap.entry.get("verdicts", ["equivalent"]), pair.explanation
    if trap.entry.get("certified"):
        assert pair.strength == "certified", pair.explanation


def test_there_are_many_of_both_and_reasons_for_other_verdicts() -> None:
    different, equal = ([one.values[0] for one in kind] for kind in (DIFFERENT, EQUAL))
    for listed in (different, equal):
        assert len({trap.id for trap in listed}) == len(listed) >= 100
    assert all(trap.entry.get("witness") is not None for trap in different)
    assert all("honest" in trap.entry for trap in different + equal if "verdicts" in trap.entry)
    assert sum(bool(trap.entry.get("certified")) for trap in equal) >= 0
