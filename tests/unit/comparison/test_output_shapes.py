"""Pairs for which Keras announces other shapes than the models compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

import layerlens
from layerlens.report.pairs import PairReport
from layerlens.run.pipeline import compare_scenarios
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.testing.assertions import Assertions

pytestmark = pytest.mark.usefixtures("backend")

GLU = "Keras announces (None, 8) for layer `glu` of `reference`, which computes (None, 4)."


def functional(call: Callable[[Any], Any], *shape: int | None) -> Any:
    tensor = keras.Input(shape or (8,))
    return keras.Model(tensor, call(tensor))


def glu(*shape: int | None) -> Any:
    return functional(keras.layers.Activation("glu", name="glu"), *shape)


def by_hand(tensor: Any, factor: float = 1.0) -> Any:
    return factor * tensor[..., :4] * keras.ops.sigmoid(tensor[..., 4:])


@pytest.fixture(scope="module")
def halves() -> Callable[..., Any]:
    """A class of layers that return the first numbers, and say what they announce."""

    class Half(keras.layers.Layer):
        def __init__(self, announced: int, *, kept: int = 4, is_open: bool = False) -> None:
            super().__init__(name=f"half_{announced}")
            self.announced, self.kept, self.is_open = announced, kept, is_open

        def call(self, x: Any) -> Any:
            # A size that depends on a tensor is not known in a trace.
            return x[..., : keras.ops.shape(x)[0] * 0 + self.kept if self.is_open else self.kept]

        def compute_output_shape(self, shape: Any) -> Any:
            return (*shape[:-1], self.announced)

    return Half


def compared(reference: Any, candidate: Any, **more: Any) -> PairReport:
    report = layerlens.compare(reference, candidate, **more)
    (scenario,) = report.scenarios
    assert scenario.errors == ()
    (pair,) = scenario.pairs
    return pair


def test_models_that_compute_the_same_are_equivalent_whatever_is_announced() -> None:
    fixed = compared(glu(), functional(by_hand))
    assert fixed.verdict == "equivalent"
    assert fixed.explanation.endswith(GLU)
    steps = compared(glu(None, 8), functional(by_hand, None, 8))
    assert steps.verdict == "equivalent"
    assert "(None, None, 8) for layer `glu` of `reference`" in steps.explanation


def test_a_wrong_candidate_differs() -> None:
    pair = compared(glu(), functional(lambda x: by_hand(x, 1.5)))
    assert pair.verdict == "different"
    assert pair.counterexample is not None
    assert GLU in pair.explanation


def test_shapes_that_differ_are_those_that_are_computed() -> None:
    pair = compared(glu(), functional(keras.layers.Dense(3)))
    assert pair.verdict == "shape_mismatch"
    assert pair.explanation == (
        "`reference` gives (None, 4) and `candidate` gives (None, 3), so their outputs cannot be "
        f"compared element by element. {GLU}"
    )


def test_shapes_that_are_announced_alike_and_differ() -> None:
    pair = compared(glu(), functional(keras.layers.ReLU()))
    assert pair.verdict == "shape_mismatch"
    assert "the candidate gives (48, 8) where the reference gives (48, 4)" in pair.explanation
    assert pair.explanation.endswith(GLU)
    assert GLU in pair.why
    assert not any("both return" in sentence for sentence in pair.why)


def test_both_are_announced_wrong() -> None:
    pair = compared(glu(), glu())
    assert pair.verdict == "equivalent"
    assert pair.explanation.count("Keras announces (None, 8)") == 2
    assert not any("both return" in sentence for sentence in pair.why)


def test_weights_that_do_not_fit_come_after_shapes_that_do() -> None:
    dense = keras.layers.Dense(8, activation="glu", name="glu")
    pair = compared(functional(dense), functional(keras.layers.Dense(4)))
    assert pair.verdict == "param_mismatch"
    assert GLU in pair.explanation


def test_several_outputs() -> None:
    def both(call: Callable[[Any], Any]) -> Any:
        return functional(lambda x: [keras.layers.ReLU()(x), call(x)])

    wrong = keras.layers.Activation("glu", name="glu")
    assert compared(both(wrong), both(by_hand)).verdict == "equivalent"
    assert compared(both(wrong), both(keras.layers.ReLU())).verdict == "shape_mismatch"


@pytest.mark.parametrize("is_open", [False, True])
def test_layers_of_users(halves: Any, is_open: bool) -> None:
    def half(announced: int, kept: int = 4) -> Any:
        return functional(halves(announced, kept=kept, is_open=is_open))

    same = compared(half(8), half(4))
    assert same.verdict == "equivalent"
    assert "Keras announces (None, 8) for" in same.explanation
    assert compared(half(8), half(8)).verdict == "equivalent"
    assert compared(half(8), half(5, kept=5)).verdict == "shape_mismatch"
    truthful = compared(half(4), half(5, kept=5))
    assert truthful.verdict == "shape_mismatch"
    assert truthful.explanation == (
        "`reference` gives (None, 4) and `candidate` gives (None, 5), so their outputs cannot be "
        "compared element by element."
    )


def test_a_slice_that_the_computed_output_does_not_have_is_refused() -> None:
    layers = {"layers": [{"Activation": "glu"}], "select": "[:, 7]"}
    data = {"input": {"shape": [8]}, "models": {"reference": layers, "candidate": layers}}
    report = compare_scenarios(scenario_from_mapping(data), RunOptions())
    (pair,) = report.scenarios[0].pairs
    assert pair.verdict == "build_error"
    assert "`select` does not fit the output (48, 4)" in pair.explanation


def test_recordings_have_the_shapes_that_were_computed(tmp_path: Path) -> None:
    recording = tmp_path / "glu.npz"
    layerlens.record(glu(), recording)
    check = Assertions()
    check.assert_matches_recording(functional(by_hand), recording)
    with pytest.raises(AssertionError, match=r"gives \(None, 3\)"):
        check.assert_matches_recording(functional(keras.layers.Dense(3)), recording)


def test_assertions_hold_by_what_is_computed() -> None:
    Assertions().assert_equivalent(glu(), functional(by_hand))
    with pytest.raises(AssertionError, match=r"1\.5 times"):
        Assertions().assert_equivalent(glu(), functional(lambda x: by_hand(x, 1.5)))
