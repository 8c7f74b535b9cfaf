"""Weights that are joined, split, moved or transposed are proved, and wrong ones are not."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.build.request import Built
from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import pair_model_weights
from layerlens.proof.certify import certify
from layerlens.proof.graphs import THEY_DIFFER, Unproved
from layerlens.report.pairs import CertificateRow
from layerlens.run.trial import Trial
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")


def dense(units: int, name: str, **more: Any) -> dict[str, Any]:
    return {"Dense": {"units": units, "name": name, **more}}


HEADS = {
    "graph": {
        "a": {"Dense": 3, "from": ["input"]},
        "b": {"Dense": 3, "from": ["input"]},
        "out": {"Concatenate": {}, "from": ["a", "b"]},
    },
    "outputs": ["out"],
}
JOINED = [dense(6, "c")]
HIDDEN = [dense(6, "a", activation="tanh"), dense(2, "b")]
TIED = [{"EinsumDense": {"equation": "ab,cb->ac", "output_shape": 4, "name": "e"}}]
PLAIN = [dense(4, "d", use_bias=False)]


def proof_of(one: Any, other: Any, *pairs: dict[str, Any], seed: int = 0) -> Any:
    data = {
        "input": {"shape": [4]},
        "models": {"one": one, "other": other},
        "transfer": {"pairs": list(pairs)},
    }
    (scenario,) = scenario_from_mapping(data)
    models = Trial(scenario, RunOptions()).variants.build_all()
    built = [models["one"], models["other"]]
    assert all(isinstance(model, Built) for model in built)
    sides = [Side.of(m.spec.name, m, training=False, seed=0) for m in built]  # type: ignore[arg-type, union-attr]
    transfer = pair_model_weights(*built, scenario.transfer)  # type: ignore[arg-type]
    return certify(*sides, transfer, seed=seed)  # type: ignore[call-arg, misc]


def moved(source: str, target: str, axis: int, *blocks: int) -> dict[str, Any]:
    return {"from": source, "to": target, "permute": {"axis": axis, "blocks": list(blocks)}}


@pytest.mark.parametrize(
    ("one", "other", "pairs"),
    [
        (HEADS, JOINED, [{"from": ["a", "b"], "to": "c", "join": -1}]),
        (JOINED, HEADS, [{"from": "c", "to": ["a", "b"], "split": -1}]),
        (PLAIN, TIED, [{"from": "d", "to": "e", "transpose": [1, 0]}]),
        (HIDDEN, HIDDEN, [moved("a", "a", -1, 2, 0, 1), moved("b/kernel", "b/kernel", 0, 2, 0, 1)]),
    ],
)
def test_what_is_equal_is_certified(one: Any, other: Any, pairs: list[dict[str, Any]]) -> None:
    assert isinstance(proof_of(one, other, *pairs), CertificateRow)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("one", "other", "pairs"),
    [
        (HEADS, JOINED, [{"from": ["b", "a"], "to": "c", "join": -1}]),
        (JOINED, HEADS, [{"from": "c", "to": ["b", "a"], "split": -1}]),
        (PLAIN, TIED, [{"from": "d", "to": "e"}]),
        (HIDDEN, HIDDEN, [moved("a", "a", -1, 2, 0, 1)]),
        (HIDDEN, HIDDEN, [moved("a", "a", -1, 2, 0, 1), moved("b/kernel", "b/kernel", 0, 1, 2, 0)]),
    ],
)
def test_what_differs_is_not(one: Any, other: Any, pairs: list[dict[str, Any]], seed: int) -> None:
    assert proof_of(one, other, *pairs, seed=seed) == Unproved(THEY_DIFFER)
