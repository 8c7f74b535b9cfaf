"""Large models with several changes are proved equal one change after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.proof import limits, steps
from layerlens.proof.certify import certify
from layerlens.proof.graphs import Unproved
from layerlens.proof.sizes import ERROR_BOUND
from layerlens.proof.steps import MOST_PARTS, prove_in_steps
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides

pytestmark = needs_backend

RELU = layer("ReLU")
WIDE = layer("Dense", units=8)
POOL = layer("MaxPooling2D")


def conv(**settings: object) -> LayerSpec:
    return layer("Conv2D", filters=3, kernel_size=3, **settings)


def padded(**settings: object) -> list[LayerSpec]:
    return [layer("ZeroPadding2D", padding=1), conv(padding="valid", **settings)]


def over_time(held: LayerSpec) -> LayerSpec:
    return layer("TimeDistributed", layer=held)


def in_steps(
    reference: Sequence[LayerSpec], candidate: Sequence[LayerSpec], *shape: int
) -> CertificateRow | None:
    return proved(*pair(reference, candidate, *shape))


def proved(one: Side, other: Side) -> CertificateRow | None:
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built))
    assert transfer.complete, transfer.problem
    return prove_in_steps((one.built, other.built), transfer, seed=0)


def pair(
    reference: Sequence[LayerSpec], candidate: Sequence[LayerSpec], *shape: int
) -> tuple[Side, Side]:
    models = chain("reference", *reference), chain("candidate", *candidate)
    return sides(*models, input_of(*shape))


SAME = [conv(padding="same"), POOL, conv(padding="same", activation="tanh"), POOL, WIDE]


def test_each_change_is_a_part_of_its_own() -> None:
    row = in_steps(SAME, [*padded(), POOL, *padded(activation="tanh"), POOL, WIDE], 8, 8, 2)
    assert row is not None
    assert row.segment == (
        "2 parts: `conv2d` against `zero_padding2d`, `conv2d`; "
        "`conv2d_1` against `zero_padding2d_1`, `conv2d_1`"
    )
    assert row.method == "graph"
    assert 0 < row.error_bound <= 2 * ERROR_BOUND / MOST_PARTS


def test_a_change_without_weights_is_part_of_what_follows() -> None:
    silu = layer("Activation", activation="silu")
    swish = layer("Activation", activation="swish")
    row = in_steps(
        [WIDE, silu, WIDE, layer("Permute", dims=[2, 1]), layer("Permute", dims=[2, 1])],
        [WIDE, swish, over_time(WIDE)],
        *(3, 4),
    )
    assert row is not None


CHANGED = [*padded(), POOL, *padded(activation="tanh"), POOL, WIDE]
OTHERS = {
    "another activation": [*padded(), POOL, *padded(activation="relu"), POOL, WIDE],
    "another pooling": [*padded(), layer("AveragePooling2D", pool_size=2), *CHANGED[3:]],
    "one more at the end": [*CHANGED, RELU],
    "one more at the start": [layer("Rescaling", scale=2.0), *CHANGED],
    "padded on one side": [layer("ZeroPadding2D", padding=[[2, 0], [1, 1]]), *CHANGED[1:]],
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_models_that_differ_are_not_proved(other: list[LayerSpec]) -> None:
    assert in_steps(SAME, CHANGED, 8, 8, 2) is not None
    assert in_steps(SAME, other, 8, 8, 2) is None


def test_exchanged_weights_are_not_taken_for_the_same() -> None:
    # With their weights exchanged, both layers compute something else.
    one, other = pair([WIDE, RELU, WIDE], [WIDE, RELU, over_time(WIDE)], 3, 8)
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built))
    assert prove_in_steps((one.built, other.built), transfer, seed=0) is not None
    exchanged = [
        replace(pairing, candidate=(pairing.candidate + 2) % 4) for pairing in transfer.pairings
    ]
    crossed = replace(transfer, pairings=tuple(exchanged))
    assert prove_in_steps((one.built, other.built), crossed, seed=0) is None


def test_what_several_layers_take_is_proved_once() -> None:
    silu, multiply = layer("Activation", activation="silu"), layer("Multiply")
    swish = {"sigmoid": (layer("Activation", activation="sigmoid"), "first")}

    def gated(made: dict[str, tuple[LayerSpec, str]]) -> ModelSpec:
        nodes = {
            "first": (WIDE, "input"),
            **made,
            "gate": (WIDE, "x"),
            "gated": (multiply, "x gate"),
            "last": (WIDE, "gated"),
        }
        specs = tuple(NodeSpec(n, held, tuple(given.split())) for n, (held, given) in nodes.items())
        return ModelSpec("gated", "graph", nodes=specs, outputs=("last",))

    models = gated({"x": (silu, "first")}), gated({**swish, "x": (multiply, "first sigmoid")})
    row = proved(*sides(*models, input_of(8)))
    assert row is not None
    assert row.segment == "`x` against `sigmoid`, `x`"


def test_nothing_is_proved_of_models_with_one_part_that_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> CertificateRow:
        raise AssertionError("a part is proved")

    monkeypatch.setattr(steps, "prove_part", refuse)
    assert in_steps(SAME, OTHERS["another activation"], 8, 8, 2) is None
    with pytest.raises(AssertionError, match="a part is proved"):
        in_steps(SAME, CHANGED, 8, 8, 2)


def test_a_part_that_seems_equal_is_still_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "seem_equal", lambda *_, **__: True)
    assert in_steps(SAME, OTHERS["another activation"], 8, 8, 2) is None
    assert in_steps(SAME, CHANGED, 8, 8, 2) is not None


def test_masks_that_differ_are_not_taken_for_one() -> None:
    lstm = layer("LSTM", units=3, return_sequences=True)
    masked = [layer("Masking", mask_value=2.0), WIDE, lstm, WIDE]
    other = [layer("Masking", mask_value=3.0), over_time(WIDE), lstm, over_time(WIDE)]
    assert in_steps(masked, other, 4, 2) is None


def test_nothing_more_is_tried_after_some_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(part: object, *_: object, **__: object) -> bool:
        tried.append(str(part))
        return False

    monkeypatch.setattr(steps, "seem_equal", refuse)
    assert in_steps([WIDE, RELU] * 6, [over_time(WIDE), RELU] * 6, 3, 2) is None
    assert len(tried) == steps.MOST_FAILED


def test_a_large_model_is_certified_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = pair([WIDE, RELU] * 3, [over_time(WIDE), RELU] * 3, 3, 8)
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built))
    # All three are too large together; one alone has 72 params.
    monkeypatch.setattr(limits, "MOST_PARAMS", 100)
    found = certify(one, other, transfer, seed=0)
    assert isinstance(found, CertificateRow)
    assert found.segment.startswith("3 parts: `dense` against `time_distributed`; ")
    monkeypatch.setattr(limits, "MOST_PARAMS", 50)
    assert isinstance(certify(one, other, transfer, seed=0), Unproved)
