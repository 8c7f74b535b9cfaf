"""Descriptions become models: names, shapes, precisions, refusals; the process is left alone."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest

from layerlens.errors import MemoryLimitError
from layerlens.models.build.described import layer_specs
from layerlens.models.build_model import build_model
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec
from tests.unit.models.build.models import SEQUENCE, VECTOR, build, chain, refusal
from tests.unit.tables.every_layer import CASES, NOT_BUILDABLE, VARIANTS, Case, layer

# --- every layer ----------------------------------------------------------------------------------

#: Keras returns the tensor it was given, which no functional model can hold.
REFUSED_BY_KERAS = {"Equalization"}


def test_no_public_layer_is_forgotten() -> None:
    public = {name for name in dir(keras.layers) if isinstance(getattr(keras.layers, name), type)}
    built = {spec.type for case in CASES for spec in layer_specs(case.layer)}
    assert public - built - set(NOT_BUILDABLE) == set()


@pytest.mark.parametrize("case", [*CASES, *VARIANTS], ids=lambda case: case.id)
def test_every_layer_builds_in_both_precisions(case: Case) -> None:
    if case.layer.type in REFUSED_BY_KERAS:
        assert (
            "returns its input tensor unchanged"
            in refusal(chain(case.layer), case.inputs).report.error.message
        )
        return
    for precision, unwanted in (("working", "float64"), ("float64", "float32")):
        built = build(chain(case.layer), case.inputs, precision=precision)
        assert built.precision == precision
        if "lora_rank" not in case.layer.arguments:  # Keras leaves these in float32
            assert unwanted not in {weight.dtype for weight in built.model.weights}
        assert all(weight.numpy() is not None for weight in built.model.weights)


# --- size -----------------------------------------------------------------------------------------


def test_a_summary_of_billions_takes_no_memory_and_no_time() -> None:
    inputs = (InputSpec("input", (300_000,)),)
    spec = chain(layer("Dense", units=300_000), layer("Dense", units=300_000))
    build(spec, inputs, allocate=False)
    started = time.perf_counter()
    built = build(spec, inputs, allocate=False)
    assert time.perf_counter() - started < 1
    assert built.report.params == 180_000_600_000
    assert not built.allocated


def test_a_model_beyond_memory_is_refused_before_it_is_allocated() -> None:
    inputs = (InputSpec("input", (300_000,)),)
    spec = chain(layer("Dense", units=300_000), layer("LSTM", units=3))
    with pytest.raises(MemoryLimitError) as caught:
        build_model(chain(spec.layers[0]), inputs)
    assert (
        "model `m` needs 1.1 TB of memory while its 90,000,300,000 params are initialized, "
        "which take 360.0 GB" in caught.value.message
    )
    assert caught.value.hint == "`layerlens summary` runs nothing and works at any size"
    small = chain(layer("Dense", units=4))
    with pytest.raises(MemoryLimitError, match=r"needs 336 bytes .* but 335 bytes are allowed"):
        build_model(small, VECTOR, memory_limit=335)
    assert build(small, memory_limit=336).allocated
    with pytest.raises(MemoryLimitError):
        build_model(small, VECTOR, memory_limit=336, precision="float64")
    stateful = chain(layer("LSTM", units=4, stateful=True))
    with pytest.raises(MemoryLimitError):
        build_model(stateful, SEQUENCE, memory_limit=1000)


def test_absurd_sizes_do_not_crash() -> None:
    report = build(
        chain(layer("Dense", units=10**12), layer("Dense", units=10**12)), allocate=False
    ).report
    assert report.params == 6 * 10**12 + 10**24 + 2 * 10**12


# --- state ----------------------------------------------------------------------------------------


def test_a_stateful_model_takes_one_batch_size_and_reports_it_open() -> None:
    spec = chain(layer("LSTM", units=4, stateful=True, return_sequences=True), layer("Flatten"))
    built = build(spec, SEQUENCE)
    assert built.batch_size == 4
    assert [row.output_shape for row in built.report.layers] == [(None, 64, 4), (None, 256)]
    x = np.ones((4, 64, 15))
    assert not np.allclose(built.model(x), built.model(x))  # it goes on where it was
    data = (InputSpec("input", (64, 15), values=np.zeros((3, 64, 15)).tolist()),)
    assert build(spec, data).batch_size == 3
    assert build(spec, SEQUENCE, allocate=False).report == built.report


def test_a_draft_reports_which_inner_layers_are_stateful():
    held = LayerSpec("LSTM", {"units": 2, "stateful": True})
    spec = ModelSpec("m", "layers", layers=(LayerSpec("Bidirectional", {"layer": held}),))
    drafted = build(spec, SEQUENCE, allocate=False).report
    assert drafted == build(spec, SEQUENCE).report
    assert drafted.layers[0].arguments["backward_layer.stateful"] is True
