"""How much is spent on a pair, and what the report says of it."""

from __future__ import annotations

from typing import Any

import pytest

import layerlens
from layerlens.comparison.budget import HEAVY_STEPS, Budget
from layerlens.errors import UsageError
from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.report.pairs import PairReport
from layerlens.vocabulary import EFFORTS, Effort
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend

pytestmark = needs_backend

SAME = [{"Dense": {"units": 3, "activation": "tanh"}}, {"Dense": 2}]
LINEAR = {"LeakyReLU": {"negative_slope": 1.0}}
OTHER = [{"Dense": {"units": 3, "activation": "sigmoid"}}, {"Dense": 2}]


def pair_of(candidate: Any, effort: Effort, **more: Any) -> PairReport:
    scenario = {"input": {"shape": [4]}, "models": {"a": SAME, "b": candidate}, **more}
    ((pair,),) = [one.pairs for one in layerlens.compare(scenario, effort=effort).scenarios]
    return pair


@pytest.mark.parametrize("effort", EFFORTS)
def test_a_proof_costs_the_same_whatever_the_effort(effort: Effort) -> None:
    pair = pair_of([*SAME, {"Dropout": 0.5}], effort)
    assert pair.strength == "certified"
    assert pair.effort is not None
    assert (pair.effort.level, pair.effort.plan) == (effort, "proof")
    assert pair.effort.runs > 0


def test_without_a_proof_effort_chooses_the_probes() -> None:
    tolerance = {"tolerance": {"rtol": 1e-5, "atol": 1e-6}}  # a proof would make probes needless
    longer = [*SAME, {"LeakyReLU": {"negative_slope": 1.0}}]
    spent = {effort: pair_of(longer, effort, **tolerance).effort for effort in EFFORTS}
    quick, normal, thorough = (spent[effort] for effort in EFFORTS)
    assert quick is not None
    assert normal is not None
    assert thorough is not None
    assert (quick.plan, normal.plan, thorough.plan) == ("few_probes", "all_probes", "all_probes")
    assert quick.samples < normal.samples / 4
    assert thorough.samples == normal.samples


def test_a_difference_is_found_layer_by_layer_with_little_effort() -> None:
    quick, normal = (pair_of(OTHER, effort) for effort in ("quick", "normal"))
    assert quick.verdict == normal.verdict == "different"
    assert quick.effort is not None
    assert normal.effort is not None
    assert (quick.effort.plan, normal.effort.plan) == ("layer_by_layer", "all_probes")
    assert quick.effort.runs == 1


def test_a_model_of_many_thin_layers_gets_few_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    start = KerasRunner.start

    def counted(self: KerasRunner, *given: Any, **named: Any) -> Any:
        calls.append(1)
        return start(self, *given, **named)

    monkeypatch.setattr(KerasRunner, "start", counted)
    tolerance = {"tolerance": {"rtol": 1e-5, "atol": 1e-6}}  # so that nothing is proved
    made = []
    for most in (HEAVY_STEPS, 20):
        monkeypatch.setattr("layerlens.comparison.budget.HEAVY_STEPS", most)
        thin = [{"Dense": {"units": 4, "activation": "tanh"}}] * 24
        scenario = {"input": {"shape": [4]}, "models": {"a": thin, "b": [*thin, LINEAR]}}
        ((pair,),) = [one.pairs for one in layerlens.compare(scenario | tolerance).scenarios]
        assert pair.verdict == "equivalent"
        assert pair.effort is not None
        made.append((pair.effort.plan, len(calls)))
        calls.clear()
    (all_probes, many), (few_probes, few) = made
    assert (all_probes, few_probes) == ("all_probes", "few_probes")
    assert few < many / 2


def test_a_thousand_thin_layers_are_heavy() -> None:
    for layers, is_heavy in ((10, False), (1000, True)):
        thin = chain("thin", *[layer("Activation", activation="tanh")] * layers)
        built = build_model(thin, (input_of(4),))
        assert isinstance(built, Built)
        assert Budget.of(built).is_heavy is is_heavy
        assert not Budget.of(built, effort="thorough").is_heavy


def test_another_effort_is_refused() -> None:
    with pytest.raises(UsageError, match="effort='quik' is not allowed") as caught:
        pair_of(SAME, "quik")  # type: ignore[arg-type]
    assert caught.value.hint == "did you mean `quick`?"
