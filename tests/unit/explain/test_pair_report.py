"""The report of a decision, for each cause that a verdict can have."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.comparison.decision import Decision
from layerlens.comparison.pair import Pair
from layerlens.comparison.verdict import decide
from layerlens.explain.pair_report import ReportedPair, report_pair
from layerlens.models.variants import ModelVariants
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.vocabulary import Mode

pytestmark = pytest.mark.usefixtures("backend")

DENSE = {"Dense": 2}


def decision_on(
    one: Any, other: Any, given: Any = None, *, mode: Mode = "inference", shows: bool = True
) -> Decision:
    """Decide on two models of these layers."""
    data = {"input": given or {"shape": [3]}, "models": {"a": one, "b": other}}
    (scenario,) = scenario_from_mapping(data)
    variants = ModelVariants(scenario, RunOptions())
    built = variants.build_all()
    return decide(Pair(scenario, built["a"], built["b"], mode, 0, variants, shows))


def reported(*models: Any, **more: Any) -> ReportedPair:
    return report_pair(decision_on(*models, **more))


def test_a_model_that_keras_refuses_is_reported_with_its_reason() -> None:
    found = reported([DENSE], [{"Conv2D": {"filters": 2, "kernel_size": 3}}])
    assert (found.report.verdict, found.report.transfer) == ("build_error", None)
    assert found.report.explanation.startswith("Keras refuses `b` at layer `conv2d`: ")
    assert found.check is None


def test_outputs_of_two_shapes_have_their_relation() -> None:
    given = {"shape": [4, 3]}
    steps = {"SimpleRNN": {"units": 2, "return_sequences": True}}
    found = reported([{"SimpleRNN": 2}], [steps], given)
    assert found.report.verdict == "shape_mismatch"
    assert "`a` gives (None, 2) and `b` gives (None, 4, 2)" in found.report.explanation
    assert "`a` is the last step of `b`" in found.report.explanation


def test_weights_that_do_not_fit_have_the_argument_that_differs() -> None:
    found = reported([DENSE], [{"Dense": {"units": 2, "use_bias": False}}])
    assert found.report.verdict == "param_mismatch"
    assert "`b` has 2 params fewer than `a`" in found.report.explanation
    assert found.report.explanation.endswith(
        "`dense` has `use_bias: false` in `b` and `use_bias: true` in `a`."
    )


@pytest.fixture(scope="module")
def different(backend: None) -> ReportedPair:
    return reported([DENSE, "ReLU"], [DENSE, {"ReLU": {"max_value": 1.0}}])


def test_a_difference_has_a_counterexample_and_the_check_that_it_passed(
    different: ReportedPair,
) -> None:
    report = different.report
    assert report.verdict == "different"
    assert report.strength is None
    shown = report.counterexample
    assert shown is not None
    assert shown.reference > 1.0
    assert shown.candidate == 1.0
    assert len(shown.input) == 1
    assert different.check is not None
    assert different.check.reference.name == "a"


def test_a_difference_has_the_layer_where_it_begins(different: ReportedPair) -> None:
    row = different.report.first_divergence
    assert row is not None
    assert (row.reference_layer, row.candidate_layer) == ("re_lu", "re_lu")
    assert different.divergence is not None
    assert different.divergence.row is row


def test_the_figures_are_those_of_the_judgement(different: ReportedPair) -> None:
    report = different.report
    assert report.max_abs is not None
    assert report.mismatched is not None
    assert report.compared is not None
    assert 0 < report.mismatched < report.compared
    assert f"by up to {report.max_abs:.3g} in {report.mismatched:,} of" in report.explanation
    assert report.transfer is not None
    assert report.transfer.method == "by_order"


def test_a_difference_that_is_not_to_be_shown_runs_nothing_more() -> None:
    found = reported([DENSE, "ReLU"], [DENSE, {"ReLU": {"max_value": 1.0}}], shows=False)
    assert found.report.verdict == "different"
    assert found.report.counterexample is None
    assert (found.check, found.divergence) == (None, None)


def test_an_equivalent_pair_has_its_strength_and_graphs() -> None:
    found = reported([DENSE], [{"Dense": {"units": 2, "activation": "linear"}}])
    assert (found.report.verdict, found.report.strength) == ("equivalent", "certified")
    assert found.report.certificate is not None
    assert set(found.graph_ops) == {"a", "b"}
    assert "compute the same" in found.report.explanation


def test_a_call_that_is_refused_is_kept_for_the_script() -> None:
    given = {"shape": [8, 1], "dtype": "uint8"}
    conv = {"Conv1D": {"filters": 2, "kernel_size": 3}}
    found = reported([{"Rescaling": 1.0}, conv], [conv], given)
    assert found.refusal is not None
    assert found.refusal.model == "b"
    assert found.report.explanation.startswith("`b` builds but cannot be called")
    assert found.report.max_abs is None
