"""The plan of probes; `observe` is replaced by a record of what it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from layerlens.comparison.examination import AS_CALLED, DYNAMIC, EVERY, Examination
from layerlens.comparison.probe_plan import ProbePlan, examine, masked_probes
from layerlens.numerics.probes import EXTREME, Domain
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import InputSpec, LayerSpec
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

DENSE = layer("Dense", units=2)


def pair(*layers: LayerSpec, given: InputSpec | None = None, **more: Any) -> Examination:
    training = more.pop("training", False)
    models = (chain(name, *(layers or (DENSE,)), **more) for name in ("one", "other"))
    return prepared(*models, given or input_of(4, 3), training=training)


@dataclass
class Recorded:
    """The (weights, probe names, samples, ways of calling) of each observation asked for."""

    asked: list[tuple[str, tuple[str, ...], int, tuple[str, ...]]] = field(default_factory=list)

    def observe(self, weights: Any, batch: Any, executions: Any, **how: Any) -> None:
        samples = len(batch.inputs[0])
        self.asked.append((weights.kind, batch.names, samples, tuple(executions)))


def names(plan: ProbePlan) -> list[tuple[str, ...]]:
    return [batch.names for batch in plan.batches(plan.examination.domains)]


def test_all_probes_are_one_batch_but_for_extreme_constants() -> None:
    first, *rest = names(ProbePlan(pair(layer("LeakyReLU", negative_slope=1e-9))))
    assert {"normal", "zeros", "padded_end"} <= set(first)
    assert not set(first) & set(EXTREME)
    assert rest == [("minute_constants",)]


def test_in_training_and_for_selected_samples_each_probe_is_alone() -> None:
    for examination in (pair(training=True), pair(select="[0]")):
        assert {len(one) for one in names(ProbePlan(examination))} == {1}
    assert len(names(ProbePlan(pair(select="[:, 0]")))) == 1


def test_custom_layers_and_open_axes_are_called_in_every_way() -> None:
    assert ProbePlan(pair()).executions() == AS_CALLED
    assert ProbePlan(pair(given=input_of(None, 3))).executions() == EVERY


def test_batches_as_long_as_an_axis_are_tried() -> None:
    assert ProbePlan(pair(given=input_of(7, 5)))._axis_lengths() == (5, 7)
    assert ProbePlan(pair(given=input_of(None, 2)))._axis_lengths() == ()


def test_the_base_length_is_one_that_both_models_accept() -> None:
    assert ProbePlan(pair()).base_length() == ProbePlan(pair(DENSE)).base_length()
    wide = layer("Conv1D", filters=2, kernel_size=40)
    assert ProbePlan(pair(wide, given=input_of(None, 3))).base_length() >= 40


def test_the_plan_asks_for_each_kind_of_weights_and_batch_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examination, recorded = pair(), Recorded()
    monkeypatch.setattr(examination, "observe", recorded.observe)
    monkeypatch.setattr(ProbePlan, "_observe_other_batches", lambda plan, weights, domains: None)
    ProbePlan(examination).observe_all()
    kinds = [kind for kind, *_ in recorded.asked]
    assert kinds[:2] == ["drawn", "initial"]
    assert {"gentle", "strong", "large"} <= set(kinds)
    sizes = {samples for _, probe, samples, _ in recorded.asked if "batch" in probe[0]}
    assert {1, 3, 4} <= sizes  # and as many samples as there are steps
    assert recorded.asked[0][3] == AS_CALLED
    assert recorded.asked[1][3] == DYNAMIC


def test_the_users_own_data_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.ones((2, 4, 3)).tolist()
    examination, recorded = pair(given=input_of(4, 3, values=values)), Recorded()
    monkeypatch.setattr(examination, "observe", recorded.observe)
    monkeypatch.setattr(ProbePlan, "_observe_other_batches", lambda plan, weights, domains: None)
    ProbePlan(examination).observe_all()
    assert recorded.asked[0][:3] == ("initial", ("values",), 2)


def test_with_a_certificate_no_further_weights_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    examination, recorded = pair(), Recorded()
    monkeypatch.setattr(examination, "observe", recorded.observe)
    monkeypatch.setattr(ProbePlan, "_observe_other_batches", lambda plan, weights, domains: None)
    examination.proof = CertificateRow("the whole graphs", 1, 4, 1e-20, "graph")
    ProbePlan(examination).observe_all()
    assert {kind for kind, *_ in recorded.asked} == {"drawn", "initial"}


def test_a_refusal_ends_the_plan_and_is_evidence() -> None:
    examination = pair()
    examination.domains = ()
    broken = replace(examination.reference.built.inputs[0], shape=(4, 7))
    wrong = replace(examination.reference.built, inputs=(broken,))
    examination.reference.working.built = wrong
    evidence = examine(examination)
    assert evidence.refusal is not None
    assert evidence.refusal.model == "one"


def test_masked_steps_hold_the_mask_value() -> None:
    domain = Domain(InputSpec("input", (6, 3)), (6, 3))
    (probe,) = masked_probes([domain], [-7.0], seed=0, samples=2)
    (array,) = probe.inputs
    assert probe.name == "steps at -7"
    assert array.shape == (6, 6, 3)
    masked = (array == -7.0).all(axis=2)
    assert masked[0, -1]
    assert masked[1, 0]
    assert 0 < masked.mean() < 1
    flat = Domain(InputSpec("input", (6,)), (6,))
    assert list(masked_probes([flat], [-7.0], seed=0, samples=2)) == []
