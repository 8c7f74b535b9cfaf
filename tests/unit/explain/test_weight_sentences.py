"""Sentences on saved weights: what differs, which weights, and what the outputs do as saved."""

from __future__ import annotations

import pytest

from layerlens.explain.weight_sentences import weight_sentences
from layerlens.report.pairs import PairReport, SavedWeights, WeightDifference
from layerlens.vocabulary import Verdict

KERNEL = WeightDifference("dense/kernel", "d/kernel", 0.5, 2.25, 3, 24)
BIAS = WeightDifference("dense/bias", "d/bias", float("nan"), float("inf"), 1, 3)


def told(verdict: Verdict, saved: SavedWeights | None) -> str:
    pair = PairReport("a", "b", "inference", verdict, None, "", saved_weights=saved)
    return " ".join(weight_sentences(pair))


@pytest.mark.parametrize(
    ("verdict", "saved", "expected"),
    [
        ("equivalent", None, ""),
        ("equivalent", SavedWeights(True, 0), ""),  # there are no weights
        (
            "equivalent",
            SavedWeights(True, 2),
            "The architectures agree, and the saved weights are equal.",
        ),
        ("different", SavedWeights(True, 2), "The architectures differ; the saved weights are equal."),  # noqa: E501
        ("inconclusive", SavedWeights(True, 1), "The only saved weight is equal."),
        (
            "equivalent",
            SavedWeights(True, 2, (KERNEL,), "different", 0.125),
            "The architectures agree; only the saved weights differ: 1 of 2 weights, "
            "`dense/kernel` in 3 of 24 values (greatest absolute difference 0.5, relative 2.25). "
            "As saved, the outputs differ by up to 0.125. Once the weights of `a` are carried "
            "over, the models agree.",
        ),
        (
            "different",
            SavedWeights(True, 2, (KERNEL, BIAS), "different", None),
            "Both the architectures and the saved weights differ: 2 of 2 weights, "
            "`dense/kernel` in 3 of 24 values (greatest absolute difference 0.5, relative 2.25); "
            "`dense/bias` in 1 of 3 values (greatest absolute difference nan, relative inf). As "
            "saved, the outputs differ. With the weights of `a` in both, the models still differ.",
        ),
        (
            "param_mismatch",
            SavedWeights(False, 0, (), "equivalent", 0.0),
            "The architectures differ, so the saved weights have no counterparts. As saved, the "
            "outputs agree on all probes that were run.",
        ),
        ("shape_mismatch", SavedWeights(False, 0), ""),
    ],
)  # fmt: skip
def test_the_sentences(verdict: Verdict, saved: SavedWeights | None, expected: str) -> None:
    assert told(verdict, saved) == expected


def test_an_undecided_pair_claims_nothing_about_its_architectures() -> None:
    text = told("inconclusive", SavedWeights(True, 2, (KERNEL,), "inconclusive"))
    assert text.startswith("The saved weights differ: 1 of 2 weights")
    assert text.endswith("It could not be decided whether the outputs agree as saved.")
    assert "rchitecture" not in text
    assert "agree." not in text


def test_many_weights_are_counted() -> None:
    text = told("equivalent", SavedWeights(True, 9, (KERNEL,) * 5))
    assert text.count("dense/kernel") == 3
    assert "; and 2 more." in text
