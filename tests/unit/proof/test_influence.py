"""Weights that no output depends on are told apart from those that one does."""

from __future__ import annotations

import pytest

from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import weight_variables
from layerlens.proof.influence import without_influence
from layerlens.proof.sizes import ERROR_BOUND
from layerlens.scenario.spec import ModelSpec, NodeSpec
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides

pytestmark = needs_backend

DENSE, TANH = layer("Dense", units=3), layer("Activation", activation="tanh")
BATCH = layer("BatchNormalization")
HEADS = layer("MultiHeadAttention", num_heads=2, key_dim=2)


def attention() -> ModelSpec:
    nodes = NodeSpec("a", HEADS, ("input", "input")), NodeSpec("t", TANH, ("a",))
    return ModelSpec("model", "graph", nodes=nodes, outputs=("t",))


def side_of(model: ModelSpec, *shape: int | None, training: bool = False) -> Side:
    return sides(model, model, input_of(*shape), training=training)[0]


def idle(side: Side, *, of: str = "", seed: int = 0) -> set[str]:
    """Return the ends of the paths that are without influence, among those that contain `of`."""
    paths = {str(v.path) for v in weight_variables(side.working.built)}
    found = set()
    for path in sorted(path for path in paths if of in path):
        one = without_influence(side, [path], seed=seed)
        assert one.error_bound <= ERROR_BOUND
        found |= {"/".join(held.split("/")[-2:]) for held in one.paths}
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_bias_of_the_keys_is_without_influence(seed: int) -> None:
    """It adds the same to all scores of a query; the biases of queries and values do not."""
    side = side_of(attention(), 4, 3)
    assert idle(side, of="bias", seed=seed) == {"key/bias"}


def test_kernels_of_attention_have_influence() -> None:
    assert idle(side_of(attention(), 4, 3), of="kernel") == set()


def test_a_bias_before_the_mean_of_a_batch_counts_in_inference_alone() -> None:
    model = chain("model", DENSE, BATCH, TANH)
    assert idle(side_of(model, 4, training=True), of="dense") == {"dense/bias"}
    assert idle(side_of(model, 4), of="dense") == set()


def test_what_a_slice_leaves_out_is_without_influence() -> None:
    nodes = (
        NodeSpec("one", DENSE, ("input",)),
        NodeSpec("other", DENSE, ("input",)),
        NodeSpec("both", layer("Concatenate"), ("one", "other")),
    )
    model = ModelSpec("model", "graph", nodes=nodes, outputs=("both",), select="[..., :3]")
    assert idle(side_of(model, 4)) == {"other/kernel", "other/bias"}


def test_several_are_tried_together_and_then_alone() -> None:
    side = side_of(attention(), 4, 3)
    paths = [str(v.path) for v in weight_variables(side.working.built)]
    found = without_influence(side, paths, seed=0)
    assert {path.split("/")[-2:] == ["key", "bias"] for path in found.paths} == {True}
    assert 0 < found.error_bound <= ERROR_BOUND
    assert without_influence(side, found.paths, seed=1).paths == found.paths


def test_a_model_that_draws_says_nothing() -> None:
    side = side_of(chain("model", DENSE, layer("Dropout", rate=0.1), BATCH), 4, training=True)
    assert idle(side, of="dense") == set()
    assert without_influence(side, [], seed=0).paths == frozenset()
