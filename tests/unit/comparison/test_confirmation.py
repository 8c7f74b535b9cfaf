"""A proof is confirmed by a few runs in working precision, and is not believed against them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import layerlens
from layerlens.comparison import by_running
from layerlens.comparison.confirmation import confirm
from layerlens.comparison.examination import Examination
from layerlens.comparison.pair import Pair
from layerlens.comparison.verdict import decide
from layerlens.explain.pair_report import report_pair
from layerlens.models.build.request import Built
from layerlens.models.execute.variables import pair_model_weights
from layerlens.models.variants import ModelVariants
from layerlens.numerics.judge import Judgement
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")

PROOF = CertificateRow("the whole graphs", 1, 4, 1e-20, "graph")
DENSE, POINTWISE = [{"Dense": 2}], [{"Conv1D": {"filters": 2, "kernel_size": 1}}]
CLIPPED_AT_6, CLIPPED_AT_5 = [{"ReLU": {"max_value": 6.0}}], [{"ReLU": {"max_value": 5.0}}]


def pair_of(reference: Any, candidate: Any, **more: Any) -> Pair:
    data = {"input": {"shape": [4, 3]}, "models": {"one": reference, "other": candidate}, **more}
    (scenario,) = scenario_from_mapping(data)
    variants = ModelVariants(scenario, RunOptions())
    one, other = variants.build_all().values()
    return Pair(scenario, one, other, "inference", 0, variants)


def confirmed(pair: Pair) -> tuple[Examination, Judgement | None]:
    assert isinstance(pair.reference, Built)
    assert isinstance(pair.candidate, Built)
    transfer = pair_model_weights(pair.reference, pair.candidate, "auto")
    examination = Examination(*pair.working_sides(), transfer, 0, PROOF)
    return examination, confirm(examination)


def test_a_proved_pair_is_run_in_every_way_of_calling_and_with_one_sample_and_three() -> None:
    examination, judgement = confirmed(pair_of(DENSE, POINTWISE))
    assert judgement is not None
    assert judgement.verdict == "equivalent"
    assert {seen.execution for seen in examination.observations} == {"traced_dynamic", "eager"}
    assert {1, 3} < {len(seen.batch.inputs[0]) for seen in examination.observations}


def test_values_of_the_scenario_and_a_second_length_are_run() -> None:
    given = {"shape": [None, 2], "values": [[[1.0, 2.0], [3.0, 4.0]]]}
    examination, judgement = confirmed(pair_of(DENSE, POINTWISE, input=given))
    assert judgement is not None
    arrays = [seen.batch.inputs[0] for seen in examination.observations]
    assert any(np.array_equal(array, given["values"]) for array in arrays)
    assert len({array.shape[1] for array in arrays} - {2}) == 2
    assert {seen.execution for seen in examination.observations} == {
        "traced_dynamic",
        "eager",
        "traced",
    }


@pytest.mark.parametrize(
    ("reference", "candidate"),
    [
        (CLIPPED_AT_6, CLIPPED_AT_5),
        ([{"Rescaling": 1.0}], [{"Rescaling": 1.001}]),
        ([{"Rescaling": 1.0}], [{"Rescaling": {"scale": 1.0, "offset": 1e4}}]),
    ],
)
def test_a_difference_does_not_confirm_a_proof(reference: Any, candidate: Any) -> None:
    examination, judgement = confirmed(pair_of(reference, candidate))
    assert judgement is None
    assert not examination.observations


def test_a_proved_pair_needs_no_float64_form_and_measures_no_rounding() -> None:
    pair = pair_of(DENSE, POINTWISE)
    decision = decide(pair)
    assert decision.evidence is not None
    assert decision.evidence.certificate is not None
    assert not pair.variants._in_float64
    report = report_pair(decision).report
    assert (report.verdict, report.strength) == ("equivalent", "certified")
    assert report.rounding is None
    assert {(row.noise, row.float64_max_abs) for row in report.probes} == {(None, None)}
    assert report.explanation.endswith("agree exactly.") or "which is rounding" in (
        report.explanation
    )


def test_what_kept_a_pair_from_being_proved_is_reported() -> None:
    report = report_pair(
        decide(pair_of(DENSE, POINTWISE, tolerance={"rtol": 0.1, "atol": 0.1}))
    ).report
    assert report.verdict == "equivalent"
    assert report.certificate is None
    assert report.unproved == "the outputs are compared with the scenario's tolerance"
    different = report_pair(decide(pair_of(CLIPPED_AT_6, CLIPPED_AT_5))).report
    assert different.unproved is None


def test_the_same_computation_is_within_any_tolerance() -> None:
    exact = {"rtol": 0.0, "atol": 0.0}
    report = report_pair(decide(pair_of(DENSE, DENSE, tolerance=exact))).report
    assert (report.verdict, report.strength) == ("equivalent", "certified")
    assert report.certificate is not None
    assert report.certificate.method == "identical"


@pytest.fixture
def _proves_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_running, "certify", lambda *_, **__: PROOF)


@pytest.mark.usefixtures("_proves_anything")
def test_a_difference_against_a_proof_is_inconclusive() -> None:
    report = report_pair(decide(pair_of(CLIPPED_AT_6, CLIPPED_AT_5))).report
    assert (report.verdict, report.strength, report.certificate) == ("inconclusive", None, None)
    assert "exact arithmetic proves that both are the same function" in report.explanation


@pytest.mark.usefixtures("_proves_anything")
def test_a_number_that_leaves_the_range_is_reported_beside_the_verdict() -> None:
    far = [{"Rescaling": 2.0**126}, {"Rescaling": 2.0**-126}]
    report = report_pair(decide(pair_of([{"Rescaling": 1.0}], far))).report
    assert (report.verdict, report.strength) == ("equivalent", "certified")
    assert report.also_differs == ("overflow",)
    assert report.rounding is not None  # it took the float64 form to see that


class Doubled(keras.layers.Layer):  # type: ignore[misc]
    """A layer that doubles its input, and at some known number of samples not quite."""

    limit = 0

    def call(self, x: Any) -> Any:
        samples = x.shape[0]
        return x * (2.001 if self.limit and samples is not None and samples > 200 else 2.0)


class Limited(Doubled):
    limit = 1


def test_code_is_run_with_the_numbers_of_samples_that_it_may_tell_apart() -> None:
    """What was traced is proved equal, and a call with 201 samples is not."""
    inputs = {"inputs": [3], "allow_code": True}
    (same,) = layerlens.compare(keras.layers.Rescaling(2.0), Doubled(), **inputs).scenarios[0].pairs
    assert same.certificate is not None
    assert same.verdict == "equivalent"
    (other,) = (
        layerlens.compare(keras.layers.Rescaling(2.0), Limited(), **inputs).scenarios[0].pairs
    )
    assert other.verdict == "different"
