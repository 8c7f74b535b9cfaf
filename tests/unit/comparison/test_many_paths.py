"""Work on models whose paths double with every block follows their layers, not their paths.

With forty doublings nothing here would end that follows paths.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.execute.graph_rewriting import has_many_terms
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.proof.certify import certify
from layerlens.proof.shared_prefix import find_shared_prefix
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.doublings import DOUBLINGS, doubled, residual
from tests.unit.tables.pairs import input_of, layer, prepared, sides

pytestmark = pytest.mark.usefixtures("backend")


def test_a_shared_first_part_is_found_behind_a_long_residual_chain() -> None:
    gru = layer("GRU", units=2, return_sequences=True)
    work = prepared(
        residual("one", gru, layer("Dense", units=1)),
        residual("other", gru, layer("TimeDistributed", layer=layer("Dense", units=1))),
        input_of(3, 2),
    )
    part = find_shared_prefix(work.reference, work.candidate, work.transfer)
    assert part is not None
    assert [tensor.shape for tensor in part.rest.inputs] == [(None, 3, 2)]


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


def certified(reference: ModelSpec, candidate: ModelSpec) -> CertificateRow | None:
    one, other = sides(reference, candidate, input_of(3, 2))
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built))
    return certify(one, other, transfer, seed=0)


def behind(spec: ModelSpec, first: LayerSpec) -> ModelSpec:
    """Return the graph with one more layer right after the input."""
    given = {"input": "first"}
    nodes = (replace(n, inputs=tuple(given.get(i, i) for i in n.inputs)) for n in spec.nodes)
    return replace(spec, nodes=(NodeSpec("first", first, ("input",)), *nodes))


DENSE = layer("Dense", units=2)
WRAPPED = layer("TimeDistributed", layer=DENSE)


def test_what_follows_a_segment_is_lined_up_once_however_many_paths_lead_there() -> None:
    row = certified(behind(residual("one"), DENSE), behind(residual("other"), WRAPPED))
    assert row is not None
    assert row.segment == "`first` against `first`"


def test_a_bound_on_sums_that_doubles_in_digits_is_given_up_early() -> None:
    """Thirty squarings of a sum have a bound of a thousand million bits."""
    squared = doubled("m", "Multiply", 30)
    odd = doubled("m", "Multiply", 30, odd=29)
    assert certified(behind(squared, DENSE), behind(odd, WRAPPED)) is None
    few, odd = doubled("m", "Multiply", 3), doubled("m", "Multiply", 3)
    assert certified(behind(few, DENSE), behind(odd, WRAPPED)) is not None
