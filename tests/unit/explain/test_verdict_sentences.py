"""The sentences of an explanation, written from figures given by hand."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from layerlens.comparison.output_shapes import Misannounced, OutputShapes
from layerlens.explain import verdict_sentences as sentences
from layerlens.models.execute.computed_shapes import WrongShape
from layerlens.numerics.differences import Difference
from layerlens.numerics.judge import SAME_DISTRIBUTION, Judgement
from layerlens.numerics.observation import CallRefusal, ShapeSurprise
from layerlens.numerics.weight_transfer import Transfer, WeightRow
from layerlens.report.layers import ModelError, ModelReport
from layerlens.report.pairs import InputsRow, PairReport, Rounding

A = ModelReport("a", 30, 30, 0, (None, 4), ())
B = ModelReport("b", 42, 42, 0, (None, 6), ())


def judgement(max_abs: float, float64: float | None, **more: Any) -> Judgement:
    difference = Difference(max_abs, 0.0, 0.0, 0, 1200)
    return Judgement("equivalent", difference, Rounding(1e-5, float64), (), **more)


# --- refusals and shapes --------------------------------------------------------------------------


def test_a_refusal_has_its_layer_and_remedy() -> None:
    error = ModelError("lstm", "too few axes.", "declare two.")
    assert sentences.refused(replace(A, error=error)) == (
        "Keras refuses `a` at layer `lstm`: too few axes. To fix it: declare two."
    )
    assert sentences.refused(replace(A, error=ModelError(None, "no."))) == (
        "`a` cannot be built: no."
    )


@pytest.mark.parametrize(("everywhere", "how"), [(False, " traced with known shapes"), (True, "")])
def test_a_refused_call_says_how_it_was_made(everywhere: bool, how: str) -> None:
    refusal = CallRefusal("a", "traced", ModelError(None, "no."), ((2, 3),), everywhere)
    assert sentences.call_refused(refusal) == (
        f"`a` builds but cannot be called{how} on input (2, 3): no."
    )


def test_shapes_that_differ_are_both_named() -> None:
    found = OutputShapes(((None, 4),), ((None, 6), (None, 2)))
    assert sentences.shapes(A, B, found) == (
        "`a` gives (None, 4) and `b` gives [(None, 6), (None, 2)], so their outputs cannot be "
        "compared element by element."
    )


def test_shapes_that_differ_in_one_call() -> None:
    surprise = ShapeSurprise("eager", ((2, 3),), ((2, 4),), ((2, 5),))
    assert sentences.shape_surprise(surprise) == (
        "On input (2, 3), called eagerly, the candidate gives (2, 5) where the reference gives "
        "(2, 4)."
    )


def test_a_wrong_announcement_names_the_layer_where_it_is_known() -> None:
    found = Misannounced("a", ((None, 4), (None, 1)), ((None, 2), (None, 1)))
    assert sentences.misannounced(found) == (
        "Keras announces [(None, 4), (None, 1)] for `a`, which computes [(None, 2), (None, 1)]"
    )
    layer = WrongShape("glu", (None, 8), (None, 4))
    assert sentences.misannounced(replace(found, layer=layer)) == (
        "Keras announces (None, 8) for layer `glu` of `a`, which computes (None, 4)"
    )


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ((None, 4), "(None, 4)"),
        ([[None, 4]], "(None, 4)"),
        (((None, 4), (None, 2, 1)), "[(None, 4), (None, 2, 1)]"),
        (None, "an unknown shape"),
    ],
)
def test_shapes_are_written_as_one_or_as_a_list(shapes: Any, text: str) -> None:
    assert sentences.shapes_text(shapes) == text


# --- weights and inputs ---------------------------------------------------------------------------


def test_weights_that_do_not_fit_are_counted() -> None:
    transfer = Transfer("by_order", (), (), (), problem="one is left over")
    start = "The reference's weights cannot be carried over: "
    assert sentences.weights(A, B, transfer) == (
        f"{start}`b` has 12 params more than `a` (42 against 30); one is left over."
    )
    assert sentences.weights(B, A, transfer) == (
        f"{start}`a` has 12 params fewer than `b` (30 against 42); one is left over."
    )
    assert sentences.weights(A, replace(B, params=30), transfer) == (
        f"{start}both have 30 params, but with different shapes or positions; one is left over."
    )


def test_whose_weights_a_verdict_holds_for() -> None:
    report = PairReport("a", "b", "inference", "equivalent", "tested", "")
    kept = Transfer("none", (WeightRow("w", (2,), 2),), (), ())
    moved = Transfer("by_order", (), (), ())
    about = sentences.about_weights
    assert "each model kept its own weights" in (about(report, kept, overruled=False) or "")
    assert "`b` has other weights than `a`" in (about(report, moved, overruled=True) or "")
    assert about(report, moved, overruled=False) is None
    assert about(report, replace(kept, reference=()), overruled=False) is None


@pytest.mark.parametrize(
    ("inputs", "reference", "candidate", "text"),
    [
        (InputsRow("by_name", (("x", "x"),)), ["x"], ["x"], None),
        (
            InputsRow("by_name", (("x", "x"), ("z", "z"))),
            ["x", "z"],
            ["z", "x"],
            "the inputs are paired by name (`x`, `z`), not by position: the models list them in "
            "another order",
        ),
        (InputsRow("by_name", (("x", "x"),)), [], ["x"], "the inputs are paired by name (`x`)"),
        (
            InputsRow("by_position", (("x", "z"),)),
            ["x"],
            ["z"],
            "the inputs are paired by position, because their names differ: `x` with `z`",
        ),
        (InputsRow("by_position", (("input_layer", "keras_tensor_7"),)), ["x"], ["z"], None),
    ],
)
def test_how_inputs_are_paired(
    inputs: InputsRow, reference: list[str], candidate: list[str], text: str | None
) -> None:
    assert sentences.paired_inputs(inputs, reference, candidate) == text


# --- judgements -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (judgement(0.0, 0.0), "`b` and `a` compute the same: all 1,200 outputs compared agree "),
        (judgement(1e-6, 1e-15), "is 1e-06 and falls to 1e-15 in float64, as rounding does."),
        (judgement(1e-6, 1e-7), "is 1e-06, and 1e-07 in float64."),
        (judgement(1e-6, None), "(a model has no float64 form)."),
        (judgement(inf, 0.5), "overflows where the other does not, and in float64 they differ by "),
        (judgement(0.0, 0.0, reason="by design"), "agree exactly; by design."),
        (judgement(0.5, None, reason=SAME_DISTRIBUTION), "`b` and `a` are equivalent: their "),
    ],
)
def test_an_equivalent_pair_has_its_greatest_difference(found: Judgement, text: str) -> None:
    assert text in sentences.judged(A, B, found)


def test_an_inconclusive_pair_has_its_reason() -> None:
    unsure = Judgement("inconclusive", None, Rounding(None, None), (), reason="no probe is left")
    assert sentences.judged(A, B, unsure) == (
        "`b` and `a` were not shown to be equivalent or different: no probe is left."
    )


# --- lengths and joining --------------------------------------------------------------------------


def test_untried_lengths_are_named_by_axis() -> None:
    assert sentences.beyond_lengths({}, 64) is None
    text = sentences.beyond_lengths({1: 5000, 2: 70}, 64) or ""
    assert text.startswith(
        "the receptive field of the layers is 5,000 steps and 70 along axis 2, which"
    )
    assert text.endswith("lengths up to 64 were tried")


def test_layers_of_unknown_reach_are_named() -> None:
    assert sentences.unknown_lengths([], 9) is None
    assert "the receptive field of `a` is" in (sentences.unknown_lengths(["a"], 9) or "")
    assert "receptive field of `a` and `b` is" in (sentences.unknown_lengths(["a", "b"], 9) or "")


def test_a_joined_sentence_starts_with_a_capital_and_ends_with_one_stop() -> None:
    assert sentences.with_sentence("One.", None) == "One."
    assert (
        sentences.with_sentence("One.", "two.")
        == sentences.with_sentence("One.", "two")
        == "One. Two."
    )


def test_notes_have_the_names_of_their_models() -> None:
    assert sentences.notes(A, B) is None
    assert sentences.notes(replace(A, notes=("x", "y")), replace(B, notes=("z",))) == (
        "in `a`, x; in `a`, y; in `b`, z"
    )


def test_a_proved_pair_has_no_figures_of_rounding() -> None:
    proved = replace(judgement(1e-6, None), rounding=Rounding(None, None))
    assert sentences.judged(A, B, proved) == (
        "`b` and `a` compute the same: the greatest difference over 1,200 outputs is 1e-06, which "
        "is rounding."
    )
