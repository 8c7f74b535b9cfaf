from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.comparison.examination import AS_CALLED, DYNAMIC, Examination
from layerlens.numerics.judge import Witness
from layerlens.numerics.probes import MINUTE_PROBE, Probe, join
from layerlens.proof.graphs import Unproved
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import InputSpec, LayerSpec
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

DENSE = layer("Dense", units=2)


def pair(*both: LayerSpec, given: InputSpec | None = None, **more: Any) -> Examination:
    layers = both or (DENSE, DENSE)
    models = (chain(name, one) for name, one in zip(("one", "other"), layers, strict=True))
    return prepared(*models, given or input_of(4, 3), **more)


def batch_of(inputs: Any, name: str = "given") -> Any:
    return join([Probe(name, tuple(inputs))])


def test_most_probes_get_drawn_weights_where_there_are_any() -> None:
    examination = pair()
    assert (examination.sets[0].kind, examination.main.kind) == ("initial", "drawn")
    assert [w.shape for w in examination.main_values()[0]] == [(3, 2), (2,)]
    for ours, theirs in zip(*examination.main_values(), strict=True):
        assert np.array_equal(ours, theirs)
    without = pair(layer("ReLU"), layer("ReLU"))
    assert without.main is without.sets[0]


def test_inputs_are_plain_scaled_or_padded() -> None:
    examination = pair()
    (plain,), (large,) = examination.generic_inputs(), examination.scaled_inputs(100.0)
    assert plain.shape == (4, 4, 3)
    np.testing.assert_allclose(large, 100.0 * plain, rtol=1e-6)
    (padded,) = examination.padded_inputs()
    assert (padded == 0.0).all(axis=2).any()
    tokens = input_of(5, dtype="int32", low=0, high=9)
    lookup = layer("Embedding", input_dim=9, output_dim=2)
    numbers = pair(lookup, lookup, given=tokens)
    assert np.array_equal(numbers.scaled_inputs(9.0)[0], numbers.generic_inputs()[0])


def test_observations_are_added_and_find_their_weights() -> None:
    examination = pair()
    examination.observe(examination.main, batch_of(examination.generic_inputs()), DYNAMIC)
    (seen,) = examination.observations
    assert examination.weights_of(seen) is examination.main


def test_tiny_inputs_get_a_floor_relative_to_their_size() -> None:
    examination = pair()
    tiny = batch_of([1e-20 * array for array in examination.generic_inputs()], MINUTE_PROBE)
    plain = batch_of(tiny.inputs)
    initial = examination.sets[0]  # its bias is zero, and so outputs are tiny too
    examination.observe(initial, plain, DYNAMIC)
    examination.observe(initial, tiny, DYNAMIC)
    (ordinary,), (relative,) = (one.noise for one in examination.observations)
    assert np.max(relative.ground) < 1e-10 * np.max(ordinary.ground)


def test_a_searched_batch_has_at_least_the_noise_of_all_probes() -> None:
    examination = pair()
    inputs = examination.generic_inputs()
    examination.observe(examination.main, batch_of(inputs), DYNAMIC)
    examination.observe(examination.main, batch_of([0.0 * a for a in inputs]), DYNAMIC, chosen=True)
    first, chosen = examination.observations
    assert chosen.noise[0].pooled >= first.noise[0].pooled > 0


def test_a_proof_is_a_certificate_or_the_reason_why_there_is_none() -> None:
    examination = pair()
    assert (examination.certificate, examination.unproved) == (None, None)
    examination.proof = row = CertificateRow("the whole graphs", 1, 4, 1e-20, "graph")
    assert (examination.certificate, examination.unproved) == (row, None)
    examination.proof = Unproved("it computes in half precision")
    assert (examination.certificate, examination.unproved) == (None, examination.proof.reason)


def test_initial_weights_are_observed_once_on_a_batch() -> None:
    examination = pair()
    examination.observe(examination.main, batch_of(examination.generic_inputs()), DYNAMIC)
    witness = Witness(examination.observations[0], 0, (0, 0, 0))
    assert examination.observe_at_initialization(witness)
    assert [one.weights for one in examination.observations] == ["drawn", "initial"]
    assert not examination.observe_at_initialization(witness)


def test_randomness_needs_seeds_in_both_models() -> None:
    dropout, relu = layer("Dropout", rate=0.5), layer("ReLU")
    both = pair(dropout, dropout, training=True)
    assert (both.any_random(), both.both_random()) == (True, True)
    one = pair(dropout, relu, training=True)
    assert (one.any_random(), one.both_random()) == (True, False)
    assert one.both_random((False, True))
    assert not pair(dropout, dropout).any_random()


def test_models_of_keras_own_layers_are_repeatable() -> None:
    assert pair().unrepeatable() == (False, False)


def test_the_greatest_open_length_is_remembered() -> None:
    examination = pair(DENSE, DENSE, given=input_of(None, 3))
    assert examination.longest_tried == 0
    for length in (7, 5):
        inputs = [np.ones((2, length, 3), "float32")]
        examination.observe(examination.main, batch_of(inputs), DYNAMIC)
    assert examination.longest_tried == 7
    assert examination.unknown_layers == ()
    fixed = pair()
    fixed.observe(fixed.main, batch_of(fixed.generic_inputs()), DYNAMIC)
    assert fixed.longest_tried == 0


def test_weights_of_a_description_are_not_stored_ones() -> None:
    assert not pair().overrules_stored_weights()


@pytest.mark.parametrize(("steps", "eager"), [(4, 3), (300, 1)])
def test_long_sequences_are_called_eagerly_once(steps: int, eager: int) -> None:
    gru = chain("m", layer("GRU", units=1))
    work = prepared(gru, gru, input_of(steps, 1))
    for _ in range(3):
        work.observe(work.main, batch_of([np.ones((1, steps, 1), "float32")]), AS_CALLED)
    seen = [one.execution for one in work.observations]
    assert (seen.count("traced_dynamic"), seen.count("eager")) == (3, eager)
