from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from layerlens.proof.one_hot import choices, is_looked_up, looked_up

pytestmark = pytest.mark.usefixtures("backend")

layers = keras.layers


def embedding(**more: Any) -> Any:
    made = layers.Embedding(5, 3, dtype="float64", **more)
    made.build()
    return made


def encoding(mode: str) -> Any:
    return layers.CategoryEncoding(num_tokens=4, output_mode=mode, dtype="float64")


def test_only_lookups_have_choices() -> None:
    class Own(layers.Embedding):  # type: ignore[misc]
        pass

    assert choices(embedding()) == 5
    assert choices(encoding("count")) == 4
    assert choices(layers.Dense(3)) is None
    assert choices(Own(5, 3)) is None


def test_a_one_hot_row_selects_a_row_of_the_table() -> None:
    made = embedding()
    rows = np.eye(5)[[[4, 0]]]
    table = np.asarray(made.embeddings.value)
    np.testing.assert_array_equal(looked_up(made, rows), table[[[4, 0]]])


def test_rows_are_summed_for_counts() -> None:
    rows = np.eye(4)[[[1, 1, 3]]]
    np.testing.assert_array_equal(looked_up(encoding("count"), rows), [[0.0, 2.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("made", "shape"),
    [
        (embedding, (2, 6)),
        (lambda: encoding("count"), (2, 6)),
        (lambda: encoding("one_hot"), (2, 1)),
    ],
    ids=["embedding", "count", "one_hot"],
)
def test_layers_give_for_numbers_what_rows_give(made: Any, shape: tuple[int, ...]) -> None:
    assert is_looked_up(made(), shape, "int32", np.random.default_rng(0))


def test_a_layer_that_computes_something_else_is_not_a_lookup() -> None:
    made = embedding()
    made.call = lambda inputs: 2.0 * keras.ops.take(made.embeddings, inputs, axis=0)
    assert not is_looked_up(made, (2, 6), "int32", np.random.default_rng(0))
