"""The first sentences about a pair: what differs, the finding, and where it shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from layerlens.render.pair_sentences import pair_sentences, sentences_beside
from layerlens.report.layers import ModelError
from layerlens.report.pairs import Counterexample
from tests.unit.tables.stored_reports import scenario_of

PAIR = scenario_of("different").pairs[0]


def shown(given: object, index: tuple[int, ...] = (0, 1)) -> str:
    found = Counterexample("normal", "eager", index, 0.5, 1.5, given)
    pair = replace(PAIR, counterexample=found, causes=(), also_differs=())
    return list(pair_sentences(pair))[-1]


def test_the_difference_comes_before_the_finding() -> None:
    first, explanation, counterexample, also = pair_sentences(PAIR)
    assert first == "Differs: `elu` (ELU) in place of `re_lu` (ReLU)."
    assert explanation == PAIR.explanation
    assert counterexample == (
        "On probe `uniform, shrunk`: for input [[-1, 0, 0, 0]], output (0, 0) is 0 in `relu` and "
        "-0.63212055 in `elu`."
    )
    assert also == "Also different: gradients and the handling of NaN and infinities."


def test_a_difference_of_equal_models_has_no_effect() -> None:
    pair = replace(PAIR, verdict="equivalent", counterexample=None, causes=("a", "b", "c", "d"))
    assert next(pair_sentences(pair)) == "No effect in combination: a, b, c and 1 more."
    alone = replace(pair, causes=("a",))
    assert next(pair_sentences(alone)) == "No effect: a."


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([[1.0, -2.5]], "for input [[1, -2.5]], output (0, 1) is 0.5 in `relu` and 1.5 in `elu`"),
        ([[0.0] * 20], "for an input of zeros of shape (1, 20), output"),
        ([[0.0] * 19 + [7.0]], "for an input of shape (1, 20), zero except 7 at [0, 19], output"),
        ([[1.0] * 20], "for an input of shape (1, 20) with 20 nonzero values (`--verbose` shows"),
        ({"a": [[1]], "b": [[2]]}, "for input `a` [[1]], input `b` [[2]], output"),
        (None, "for its input, output"),
    ],
)
def test_an_input_is_shown_in_its_shortest_form(given: object, text: str) -> None:
    assert text in shown(given)


def test_a_single_output_has_no_index() -> None:
    assert "the output is 0.5 in `relu`" in shown([[1.0]], ())


def test_a_simplified_input_is_not_said_to_be_the_probe() -> None:
    found = Counterexample("normal", "eager", (0,), 0.5, 1.5, [[1.0]], simplified=True)
    pair = replace(PAIR, counterexample=found, causes=(), also_differs=())
    assert list(pair_sentences(pair))[-1].startswith("Simplified from probe `normal`: for input")
    assert shown([[1.0]]).startswith("On probe `normal`: for input")


def test_the_reason_of_a_refused_reference_is_not_repeated() -> None:
    scenario = scenario_of("build_error")
    pair = replace(scenario.pairs[0], verdict="build_error")
    error = ModelError("dense", "a long reason", None)
    models = tuple(replace(model, error=error) for model in scenario.models)
    both = replace(scenario, models=models)
    names = f"`{pair.reference}` and `{pair.candidate}`"
    assert list(sentences_beside(both, pair)) == [f"Nothing was compared: {names} cannot be built."]
    assert list(sentences_beside(scenario, pair)) == list(pair_sentences(pair))
