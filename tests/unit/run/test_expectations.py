from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from layerlens.report.layers import LayerRow, ModelError, ModelReport
from layerlens.report.pairs import PairReport
from layerlens.report.run import ExpectationRow
from layerlens.report.training import FitRow
from layerlens.run.expectations import check_expectations
from layerlens.scenario.spec import (
    Expectations,
    LayerExpectation,
    ModelExpectation,
    ModelSpec,
    Scenario,
)

LAYER = LayerRow("dense", "Dense", "dense", (None, 4), (None, 3), 15, "float32")
MODEL = ModelReport("td", 15, 12, 3, (None, 3), (LAYER,))
REFUSED = ModelReport(
    "td", None, None, None, None, (), ModelError("lstm", "needs 3 axes", "return sequences")
)


def pair(candidate: str = "dense", mode: Any = "inference", verdict: Any = "equivalent") -> Any:
    return PairReport("td", candidate, mode, verdict, None, "")


def check(expect: Expectations | None, *pairs: PairReport, **more: Any) -> list[ExpectationRow]:
    models = tuple(ModelSpec(name, "layers") for name in ("td", "dense"))
    scenario = Scenario("a.yaml", "a", models, "td", expect=expect)
    return list(check_expectations(scenario, more.pop("models", (MODEL,)), pairs, **more))


def of_model(model: ModelReport = MODEL, fit: Any = (), **expected: Any) -> list[ExpectationRow]:
    expect = Expectations(models={"td": ModelExpectation(**expected)})
    return check(expect, models=(model,), fit=fit)


def test_a_verdict_that_holds_and_one_that_does_not() -> None:
    expect = Expectations({"dense": {"inference": "equivalent"}})
    assert check(expect, pair()) == [
        ExpectationRow("td==dense[inference]", "equivalent", "equivalent", True)
    ]
    assert check(expect, pair(verdict="inconclusive")) == [
        ExpectationRow("td==dense[inference]", "equivalent", "inconclusive", False)
    ]


def test_each_mode_has_its_own_verdict() -> None:
    expect = Expectations({"dense": {"inference": "equivalent", "training": "different"}})
    rows = check(expect, pair(), pair(mode="training"), pair("other", verdict="different"))
    assert [(row.subject, row.held) for row in rows] == [
        ("td==dense[inference]", True),
        ("td==dense[training]", False),
    ]


def test_the_default_counts_only_where_nothing_is_expected() -> None:
    rows = check(None, pair(), pair("other", verdict="different"), default="different")
    assert [(row.expected, row.actual, row.held) for row in rows] == [
        ("different", "equivalent", False),
        ("different", "different", True),
    ]
    empty = Expectations(models={"td": ModelExpectation()})
    assert [row.held for row in check(empty, pair(), default="equivalent")] == [True]
    assert check(None, pair()) == []


@pytest.mark.parametrize(
    ("asked", "measured", "held"),
    [
        ("certified", "certified", True),
        ("certified", "tested", False),
        ("tested", "certified", True),
        ("tested", "weak", False),
        ("weak", "weak", True),
        ("weak", None, False),
    ],
)
def test_an_expected_strength_is_the_least(asked: Any, measured: Any, held: bool) -> None:
    expect = Expectations(
        {"dense": {"inference": "equivalent"}}, strengths={"dense": {"inference": asked}}
    )
    (row,) = check(expect, replace(pair(), strength=measured))
    actual = f"equivalent, {measured}" if measured else "equivalent"
    assert (row.expected, row.actual, row.held) == (f"equivalent, at least {asked}", actual, held)
    (row,) = check(expect, pair(verdict="different"))
    assert (row.actual, row.held) == ("different", False)


WEAK = replace(pair(), strength="weak")


@pytest.mark.parametrize(
    ("expect", "found", "row"),
    [
        (None, pair(), ("expectations", "at least one (strict)", "none")),
        (
            Expectations({"dense": {"inference": "inconclusive"}}),
            pair(verdict="inconclusive"),
            ("td==dense[inference]", "a decision (strict)", "inconclusive"),
        ),
        (
            Expectations(models={"td": ModelExpectation(params=15)}),
            pair(verdict="inconclusive"),
            ("td==dense[inference]", "a decision (strict)", "inconclusive"),
        ),
        (
            Expectations({"dense": {"inference": "equivalent"}}),
            WEAK,
            ("td==dense[inference]", "equivalent, at least tested (strict)", "equivalent, weak"),
        ),
    ],
)
def test_strict_failures_have_a_row(expect: Any, found: PairReport, row: tuple[str, ...]) -> None:
    *_, last = check(expect, found, strict=True)
    assert (last.subject, last.expected, last.actual, last.held) == (*row, False)
    assert all(one.held for one in check(expect, found))


def test_strict_changes_nothing_else() -> None:
    expect = Expectations({"dense": {"inference": "equivalent"}})
    for found in (replace(pair(), strength="tested"), pair(verdict="inconclusive")):
        assert check(expect, found, strict=True) == check(expect, found)


@pytest.mark.parametrize(
    ("figure", "right", "wrong"),
    [
        ("params", 15, 16),
        ("trainable_params", 12, 15),
        ("output_shape", [None, 3], [None, 4]),
    ],
)
def test_a_models_figures_are_held_to_what_was_measured(
    figure: str, right: Any, wrong: Any
) -> None:
    assert of_model(**{figure: right}) == [ExpectationRow(f"td.{figure}", right, right, True)]
    assert of_model(**{figure: wrong}) == [ExpectationRow(f"td.{figure}", wrong, right, False)]


def test_several_output_shapes_are_compared_as_lists() -> None:
    several = ModelReport("td", 0, 0, 0, ((None, 3), (None, 2)), ())
    (row,) = of_model(several, output_shape=[[None, 3], [None, 2]])
    assert row.held
    (row,) = of_model(several, output_shape=[[None, 2], [None, 3]])
    assert not row.held


def test_a_layers_figures_and_a_layer_that_is_not_there() -> None:
    rows = of_model(
        layers={
            "dense": LayerExpectation(params=15, output_shape=[None, 4]),
            "dens": LayerExpectation(params=15),
        }
    )
    assert rows == [
        ExpectationRow("td.layers.dense.params", 15, 15, True),
        ExpectationRow("td.layers.dense.output_shape", [None, 4], [None, 3], False),
        ExpectationRow("td.layers.dens.params", 15, "no such layer", False),
    ]


@pytest.mark.parametrize("part", ["lstm", "NEEDS 3 axes", "return sequences"])
def test_an_error_is_looked_for_in_layer_message_and_hint(part: str) -> None:
    (row,) = of_model(REFUSED, error=part)
    assert row == ExpectationRow("td.error", part, "lstm needs 3 axes return sequences", True)


def test_an_error_that_did_not_come_or_says_something_else_does_not_hold() -> None:
    assert of_model(error="axes") == [ExpectationRow("td.error", "axes", None, False)]
    (row,) = of_model(REFUSED, error="needs 4 axes")
    assert not row.held


def test_a_refusal_in_training_counts_as_an_error() -> None:
    fit = [FitRow("td", (), None, None, None, ModelError(None, "rank differs"))]
    assert of_model(error="rank", fit=fit) == [
        ExpectationRow("td.error", "rank", "rank differs", True)
    ]
    assert not of_model(error="rank", fit=[FitRow("dense", (), None, None, None)])[0].held


def test_figures_of_a_refused_model_do_not_hold() -> None:
    assert of_model(REFUSED, params=15) == [ExpectationRow("td.params", 15, None, False)]
