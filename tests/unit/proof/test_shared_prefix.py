"""Layers shared by two models run once, and both get the outputs they have when run alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layerlens.proof.shared_prefix import SharedPrefix, find_shared_prefix
from layerlens.scenario.spec import LayerSpec
from tests.unit.tables.doublings import residual
from tests.unit.tables.pairs import chain, input_of, layer, prepared

pytestmark = pytest.mark.usefixtures("backend")

SERIES = input_of(5, 3)
GRU = layer("GRU", units=4, return_sequences=True)
HEAD, WRAPPED = layer("Dense", units=2), layer("TimeDistributed", layer=layer("Dense", units=2))
MASKING = layer("Masking", mask_value=0.0)


def shared(one: list[LayerSpec], other: list[LayerSpec], **more: bool) -> SharedPrefix | None:
    work = prepared(chain("one", *one), chain("other", *other), SERIES, **more)
    return find_shared_prefix(work.reference, work.candidate, work.transfer)


@pytest.mark.parametrize("before", [[], [layer("Dense", units=3)]], ids=len)
@pytest.mark.parametrize("first", [GRU, layer("Bidirectional", layer=GRU)], ids=["gru", "both"])
def test_both_get_what_they_compute_by_themselves(
    before: list[LayerSpec], first: LayerSpec
) -> None:
    work = prepared(
        chain("one", *before, first, WRAPPED), chain("other", *before, first, HEAD), SERIES
    )
    part = find_shared_prefix(work.reference, work.candidate, work.transfer)
    assert part is not None
    values = work.main_values()
    inputs = work.padded_inputs()
    started = part.start(values, inputs, None)
    assert started is not None
    for side, own, wait in zip((work.reference, work.candidate), values, started, strict=True):
        alone = side.run(own, inputs, "working", "eager")
        np.testing.assert_array_equal(wait().outputs[0], alone.outputs[0])
        assert wait().dtypes == alone.dtypes


@pytest.mark.parametrize(
    "other",
    [
        layer("GRU", units=4, return_sequences=True, go_backwards=True),
        layer("GRU", units=4, return_sequences=True, activation="relu"),
        layer("GRU", units=4, return_sequences=True, reset_after=True, dtype="float16"),
    ],
    ids=["argument", "activation", "dtype"],
)
def test_a_first_layer_that_differs_is_not_shared(other: LayerSpec) -> None:
    assert shared([GRU, WRAPPED], [GRU, HEAD]) is not None
    assert shared([GRU, WRAPPED], [other, HEAD]) is None


def test_layers_behind_a_mask_are_not_shared() -> None:
    assert shared([MASKING, GRU, WRAPPED], [GRU, HEAD]) is None
    assert shared([MASKING, GRU, WRAPPED], [MASKING, GRU, HEAD]) is None


def test_nothing_is_shared_where_it_would_not_pay_or_not_be_the_same() -> None:
    assert shared([HEAD, WRAPPED], [HEAD, HEAD]) is None  # no layer goes by steps
    assert shared([GRU, HEAD], [GRU, HEAD]) is None  # the other would not be called at all
    assert shared([GRU, WRAPPED], [GRU, HEAD], training=True) is None
    work = prepared(chain("one", GRU, WRAPPED), chain("other", GRU, HEAD), SERIES)
    unpaired = replace(work.transfer, method="none")
    assert find_shared_prefix(work.reference, work.candidate, unpaired) is None


def test_a_shared_prefix_is_found_behind_a_long_residual_chain() -> None:
    gru = layer("GRU", units=2, return_sequences=True)
    work = prepared(
        residual("one", gru, layer("Dense", units=1)),
        residual("other", gru, layer("TimeDistributed", layer=layer("Dense", units=1))),
        input_of(3, 2),
    )
    part = find_shared_prefix(work.reference, work.candidate, work.transfer)
    assert part is not None
    assert [tensor.shape for tensor in part.rest.inputs] == [(None, 3, 2)]
