"""Sums of very many terms are counted, and run without the rewriting that flattens them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.graph_rewriting import has_many_terms
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.scenario.spec import ModelSpec
from tests.unit.tables.doublings import DOUBLINGS, doubled, residual
from tests.unit.tables.pairs import input_of

pytestmark = pytest.mark.usefixtures("backend")


def test_doubled_sums_are_run_as_they_were_traced() -> None:
    """Both at once, as the models of a pair are: one may not bring back the optimizer too early."""
    inputs = [np.array([[1.0, -3.0]], "float32")]
    runners = []
    for name in ("one", "other"):
        built = build_model(doubled(name, "Add"), (input_of(2),))
        assert isinstance(built, Built)
        runners.append(KerasRunner(built))
    before = tf.config.optimizer.get_experimental_options()
    started = [runner.start(inputs, "traced_dynamic") for runner in runners]
    for runner, finish in zip(runners, started, strict=True):
        np.testing.assert_array_equal(finish().outputs[0], inputs[0] * 2.0**DOUBLINGS)
        assert has_many_terms(runner.concrete(inputs).graph)
    assert tf.config.optimizer.get_experimental_options() == before


@pytest.mark.parametrize(
    ("spec", "many"),
    [
        (doubled("m", "Add", 12), False),
        (doubled("m", "Add", 13), True),
        (doubled("m", "Multiply"), False),
        (residual("m"), False),  # each sum is read by two layers: none is flattened
    ],
    ids=["4096", "8192", "products", "residual"],
)
def test_terms_are_counted_as_the_optimizer_flattens_them(spec: ModelSpec, many: bool) -> None:
    built = build_model(spec, (input_of(2),))
    assert isinstance(built, Built)
    concrete = KerasRunner(built).concrete([np.ones((1, 2), "float32")])
    assert has_many_terms(concrete.graph) is many
