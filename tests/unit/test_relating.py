from __future__ import annotations

from typing import Any

import pytest

from layerlens.relating import relation
from layerlens.scenario import LayerSpec, ModelSpec, NodeSpec
from layerlens.transfer import pair_weights
from layerlens.variables import weight_rows
from tests.unit.pairs import chain, input_of, layer, sides

pytestmark = pytest.mark.usefixtures("backend")

SEQ = layer("GRU", units=3, return_sequences=True)
SAME = layer("Identity")


def _between(one: ModelSpec, other: ModelSpec, *shape: int | None, training: bool = False) -> Any:
    both = sides(one, other, input_of(*shape), training=training)
    transfer = pair_weights(*(weight_rows(side.built) for side in both))
    return relation(*both, transfer, 0)


def _told(one: list[LayerSpec], other: list[LayerSpec], *shape: int | None) -> Any:
    return _between(chain("ref", *one), chain("cand", *other), *shape)


@pytest.mark.parametrize("shape", [(6, 2), (None, 2)])
def test_the_last_step_is_told_with_the_slice_that_states_it(shape: tuple[int | None, ...]) -> None:
    last = [layer("GRU", units=3)]
    expected = '`cand` is the last step of `ref`: `select: "[:, -1]"` on `ref` would state it'
    assert _told([SEQ], last, *shape) == expected
    assert _told(last, [SEQ], *shape) == (
        '`ref` is the last step of `cand`: `select: "[:, -1]"` on `cand` would state it'
    )


@pytest.mark.parametrize(
    ("layers", "shape", "told"),
    [
        ([layer("GlobalAveragePooling1D")], (6, 3), "the mean over time of"),
        ([layer("GlobalMaxPooling1D")], (6, 3), "the maximum over time of"),
        ([layer("GlobalAveragePooling2D")], (4, 5, 3), "the mean over space of"),
        ([layer("GlobalMaxPooling2D", keepdims=True)], (4, 5, 3), "the maximum over space of"),
        ([layer("Flatten")], (6, 3), "`ref` flattened"),
        (
            [layer("Permute", dims=(2, 1))],
            (6, 3),
            "with its axes permuted: `Permute: {dims: [2, 1]}`",
        ),
        ([layer("Reshape", target_shape=(6, 3, 1))], (6, 3), "`ref` with an axis of length 1"),
        ([layer("Cropping1D", cropping=(2, 1))], (6, 3), 'of `ref`: `select: "[:, 2:5]"`'),
        ([layer("AveragePooling1D", pool_size=1, strides=2)], (6, 3), "one step in 2 of"),
    ],
)
def test_outputs_of_another_shape(
    layers: list[LayerSpec], shape: tuple[int, ...], told: str
) -> None:
    assert told in _told([SAME], layers, *shape)


@pytest.mark.parametrize(
    ("layers", "shape", "told"),
    [
        ([layer("Permute", dims=(2, 1))], (3, 3), "`cand` is `ref` with its axes permuted"),
        ([layer("Rescaling", scale=0.5)], (4,), "`cand` is 0.5 times `ref`"),
    ],
)
def test_outputs_of_one_shape(layers: list[LayerSpec], shape: tuple[int, ...], told: str) -> None:
    assert told in _told([SAME], layers, *shape)


def test_reversal_of_time() -> None:
    nodes = (
        NodeSpec("gru", SEQ, ("input",)),
        NodeSpec("both", layer("Permute", dims=(2, 1)), ("gru",)),
        NodeSpec("back", layer("Permute", dims=(2, 1)), ("both",)),
    )
    turned = ModelSpec("turned", "graph", nodes=nodes, outputs=("back",), select="[:, ::-1]")
    assert _between(chain("ref", SEQ), turned, 5, 2) == (
        "`turned` is `ref` with its time steps reversed: "
        '`select: "[:, ::-1]"` on `ref` would state it'
    )


def test_one_of_several_outputs() -> None:
    state = layer("GRU", units=3, return_state=True)
    assert _told([state], [layer("GRU", units=3)], 5, 2) == (
        "`cand` is output 0 of `ref` (they count from 0)"
    )


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [
        # Nearly the mean: the epsilon of a normalisation lies between them.
        (
            [layer("LayerNormalization", epsilon=1e-3)],
            [layer("LayerNormalization", epsilon=1e-4), layer("GlobalAveragePooling1D")],
            (6, 3),
        ),
        ([SEQ], [layer("GRU", units=3, go_backwards=True)], (6, 2)),
        ([SAME], [layer("Cropping1D", cropping=(2, 1)), layer("ReLU")], (6, 3)),
        # Zeros are the mean of zeros, the sum of zeros, their last step: nothing can be told.
        ([layer("ReLU", max_value=0.0)], [layer("ReLU", max_value=0.0), layer("Flatten")], (6, 3)),
    ],
)
def test_nothing_is_told_where_nothing_holds(
    one: list[LayerSpec], other: list[LayerSpec], shape: tuple[int, ...]
) -> None:
    assert _told(one, other, *shape) is None


def test_nothing_is_told_of_weights_that_do_not_carry_over_or_of_training() -> None:
    dense = layer("Dense", units=3)
    assert _told([dense], [dense, layer("Dense", units=2)], 6, 3) is None
    pair = chain("ref", SAME), chain("cand", layer("Flatten"))
    assert _between(*pair, 6, 3, training=True) is None
