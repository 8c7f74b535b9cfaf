"""Whole models: proved where they are one function, and never where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.proof.graphs import ENDS_DIFFER, Unproved, prove_graphs, prove_part
from layerlens.proof.parts import WholeModels
from layerlens.proof.sizes import ERROR_BOUND
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides

pytestmark = needs_backend

Layers = list[LayerSpec]
Shape = tuple[int | None, ...]


def proved(one: Side, other: Side, seed: int = 0) -> CertificateRow | Unproved:
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built), "auto")
    assert transfer.complete, transfer.problem
    return prove_graphs(one, other, transfer, seed=seed)


def of_chains(
    reference: Layers, candidate: Layers, *shape: int | None, seed: int = 0
) -> CertificateRow | Unproved:
    models = chain("reference", *reference), chain("candidate", *candidate)
    return proved(*sides(*models, input_of(*shape)), seed=seed)


def graph(name: str, **nodes: tuple[LayerSpec, str]) -> ModelSpec:
    made = tuple(NodeSpec(n, held, tuple(given.split())) for n, (held, given) in nodes.items())
    return ModelSpec(name, "graph", nodes=made, outputs=(made[-1].name,))


class Unlike(WholeModels):
    """Models that end in other static shapes, so that later layers could compute something else."""

    def ends_alike(self, traced: Sequence[Any]) -> bool:
        return False


def test_what_the_next_layers_know_otherwise_is_refused() -> None:
    one, other = sides(chain("reference", DENSE), chain("candidate", DENSE), input_of(4))
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built), "auto")
    row = prove_part(WholeModels((one, other)), transfer, seed=0)
    assert isinstance(row, CertificateRow)
    refused = prove_part(Unlike((one, other)), transfer, seed=0)
    assert refused == Unproved(ENDS_DIFFER)


GRU = layer("GRU", units=3)
DENSE = layer("Dense", units=4)
RELU, TANH = layer("ReLU"), layer("Activation", activation="tanh")
NORM = layer("LayerNormalization")
MASK, DROPOUT = layer("Masking"), layer("Dropout", rate=0.5)

PARTS = ("[:, -1, 1:]", "[..., -1, 1:]")

SAME: dict[str, tuple[Layers, Layers, Shape]] = {
    "activation of its own": (
        [layer("Dense", units=4, activation="gelu")],
        [DENSE, layer("Activation", activation="gelu")],
        (5, 3),
    ),
    "softmax as a layer": (
        [layer("Dense", units=4, activation="softmax")],
        [DENSE, layer("Softmax")],
        (3,),
    ),
    "recurrent layer of its cell": (
        [layer("RNN", cell=layer("GRUCell", units=3))],
        [GRU],
        (6, 2),
    ),
    "normalized before a projection": (
        [NORM, layer("TimeDistributed", layer=DENSE), TANH],
        [NORM, DENSE, TANH],
        (5, 4),
    ),
    "pooling past a relu": (
        [RELU, layer("MaxPooling1D")],
        [layer("MaxPooling1D"), RELU],
        (6, 2),
    ),
    "global pooling in two steps": (
        [layer("GlobalMaxPooling1D")],
        [layer("MaxPooling1D", pool_size=3), layer("GlobalMaxPooling1D")],
        (9, 2),
    ),
    "any length": ([GRU, RELU], [GRU, layer("Activation", activation="relu")], (None, 2)),
    "mirrored convolution": (
        [layer("Conv2D", filters=2, kernel_size=3, padding="same"), RELU],
        [
            layer("ZeroPadding2D", padding=1),
            layer("Conv2D", filters=2, kernel_size=3),
            layer("Activation", activation="relu"),
        ],
        (4, 5, 2),
    ),
    "masked steps that are zero already": ([DENSE], [layer("Masking"), DENSE], (4, 2)),
    "masked twice": ([MASK, GRU], [MASK, layer("Masking"), GRU], (3, 2)),
    "masks that are never alike": ([layer("Softmax"), GRU], [layer("Softmax"), MASK, GRU], (3, 2)),
    "a factor past a relu": (
        [layer("Rescaling", scale=3.0), RELU],
        [RELU, layer("Rescaling", scale=3.0)],
        (5,),
    ),
    "a shift before a softmax": (
        [layer("Softmax")],
        [layer("Rescaling", scale=1.0, offset=7.0), layer("Softmax")],
        (5,),
    ),
    "a state that is cleared": (
        [GRU],
        [layer("GRU", units=3, stateful=True), layer("Dropout", rate=0.1)],
        (4, 2),
    ),
    "an enlarged pixel": (
        [layer("UpSampling2D", interpolation="bilinear")],
        [layer("Resizing", height=2, width=2)],
        (1, 1, 2),
    ),
    "moving averages": (
        [layer("BatchNormalization"), TANH],
        [layer("BatchNormalization"), layer("Dropout", rate=0.5), TANH],
        (4,),
    ),
}

#: All lengths up to 16 become 1, and most of those that are tried have one remainder here.
HALVED = [layer("Conv1D", filters=2, kernel_size=3, strides=2, padding="same")] * 4
DIFFERENT: dict[str, tuple[Layers, Layers, Shape]] = {
    "another activation": (
        [layer("Dense", units=4, activation="gelu")],
        [layer("Dense", units=4, activation="silu")],
        (5, 3),
    ),
    "tanh before, not behind": ([DENSE, TANH], [TANH, DENSE], (4,)),
    "another epsilon": ([NORM], [layer("LayerNormalization", epsilon=0.00101)], (5, 4)),
    "another axis": (
        [layer("Softmax", axis=-1)],
        [layer("Softmax", axis=1)],
        (4, 4),
    ),
    "another way of padding": (
        [layer("Conv1D", filters=2, kernel_size=3, padding="same")],
        [layer("Conv1D", filters=2, kernel_size=3, padding="causal")],
        (6, 2),
    ),
    "reset before, not after": (
        [layer("GRU", units=1, reset_after=False, use_bias=False)],
        [layer("GRU", units=1, reset_after=True, use_bias=False, go_backwards=True)],
        (6, 2),
    ),
    "windows that leave the last steps": (
        [layer("GlobalMaxPooling1D")],
        [layer("MaxPooling1D", pool_size=2), layer("GlobalMaxPooling1D")],
        (9, 2),
    ),
    "average past a relu": (
        [RELU, layer("AveragePooling1D", pool_size=2)],
        [layer("AveragePooling1D", pool_size=2), RELU],
        (6, 2),
    ),
    "minimum for maximum": (
        [layer("Rescaling", scale=-1.0), layer("GlobalMaxPooling1D")],
        [layer("GlobalMaxPooling1D"), layer("Rescaling", scale=-1.0)],
        (5, 2),
    ),
    "masked steps that are not zero": ([DENSE], [layer("Masking", mask_value=1.0), DENSE], (4, 2)),
    "another mask": ([MASK, GRU], [layer("Masking", mask_value=1.0), GRU], (3, 2)),
    "masks alike where one value is left": (
        [layer("Masking", mask_value=0.0), layer("Masking", mask_value=1.0), GRU],
        [layer("Masking", mask_value=1.0), layer("Masking", mask_value=0.0), GRU],
        (3, 2),
    ),
    "part of a step masked": (
        [layer("Masking", mask_value=1.0)],
        [
            layer("Reshape", target_shape=(6, 1)),
            layer("Masking", mask_value=1.0),
            layer("Reshape", target_shape=(3, 2)),
        ],
        (3, 2),
    ),
    "masked and gone backwards": (
        [MASK, layer("GRU", units=2, return_sequences=True)],
        [layer("GRU", units=2, return_sequences=True)],
        (3, 2),
    ),
    "a negative factor past a relu": (
        [layer("Rescaling", scale=-3.0), RELU],
        [RELU, layer("Rescaling", scale=-3.0)],
        (5,),
    ),
    "a state that is used again": (
        [layer("GRU", units=2, stateful=True, return_sequences=True), layer("Dropout", rate=0.1)],
        [layer("GRU", units=2, stateful=True, return_sequences=True, go_backwards=True)],
        (4, 2),
    ),
    "resized by another way": (
        [layer("Resizing", height=4, width=4)],
        [layer("Resizing", height=4, width=4, interpolation="bicubic")],
        (2, 2, 1),
    ),
    "one remainder of a stride behind other strides apart": (
        [*HALVED, layer("Conv1D", filters=2, kernel_size=3, strides=2, padding="same")],
        [
            *HALVED,
            layer("ZeroPadding1D", padding=1),
            layer("Conv1D", filters=2, kernel_size=3, strides=2),
        ],
        (None, 2),
    ),
    "one remainder of a long stride apart": (
        [layer("Conv1D", filters=2, kernel_size=2, strides=11, padding="same")],
        [layer("Conv1D", filters=2, kernel_size=2, strides=11)],
        (None, 2),
    ),
    "one length apart": (
        [layer("Cropping1D", cropping=(1, 0)), layer("GlobalAveragePooling1D")],
        [layer("Cropping1D", cropping=(0, 1)), layer("GlobalAveragePooling1D")],
        (None, 2),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_models_that_compute_the_same_are_proved(name: str) -> None:
    reference, candidate, shape = SAME[name]
    row = of_chains(reference, candidate, *shape)
    assert isinstance(row, CertificateRow), row
    assert row.method == "graph"
    assert 0 < row.error_bound <= ERROR_BOUND


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", DIFFERENT)
def test_models_that_differ_are_never_proved(name: str, seed: int) -> None:
    reference, candidate, shape = DIFFERENT[name]
    assert isinstance(of_chains(reference, candidate, *shape, seed=seed), Unproved)


def test_the_lengths_are_named() -> None:
    reference, candidate, shape = SAME["any length"]
    row = of_chains(reference, candidate, *shape)
    assert isinstance(row, CertificateRow)
    assert "at lengths 5 to " in row.segment


def test_what_is_taken_for_granted_is_said() -> None:
    row = of_chains(*SAME["moving averages"][:2], 4)
    assert isinstance(row, CertificateRow)
    assert row.assumptions == ("Moving variances are not negative.",)


def test_inputs_may_meet_again() -> None:
    twice = graph("reference", a=(TANH, "input"), b=(layer("Add"), "a a"), c=(DENSE, "b"))
    scaled = graph(
        "candidate", a=(TANH, "input"), b=(layer("Rescaling", scale=2.0), "a"), c=(DENSE, "b")
    )
    assert isinstance(proved(*sides(twice, scaled, input_of(4))), CertificateRow)
    thrice = graph(
        "candidate", a=(TANH, "input"), b=(layer("Rescaling", scale=3.0), "a"), c=(DENSE, "b")
    )
    assert isinstance(proved(*sides(twice, thrice, input_of(4))), Unproved)


def test_a_look_up_is_a_product_within_the_declared_range() -> None:
    def pair(high: int) -> Any:
        embedding = layer("Embedding", input_dim=5, output_dim=3)
        one = chain("reference", embedding, TANH, layer("Dropout", rate=0.1))
        other = chain("candidate", embedding, TANH)
        return proved(*sides(one, other, InputSpec("input", (4,), "int32", 0, high)))

    assert isinstance(pair(5), CertificateRow)
    beyond = pair(6)
    assert isinstance(beyond, Unproved)
    assert "is outside a table of 5" in beyond.reason


def test_masks_of_many_steps_have_too_many_cases() -> None:
    assert isinstance(of_chains([MASK, GRU], [MASK, MASK, GRU], 4, 1), CertificateRow)
    row = of_chains([MASK, GRU], [MASK, MASK, GRU], 9, 1)
    assert row == Unproved("masks have more than 256 cases")
    # The same test on both sides needs no cases.
    assert isinstance(of_chains([MASK, GRU], [MASK, DROPOUT, GRU], 9, 1), CertificateRow)


@pytest.mark.parametrize("steps", [9, 40, None])
def test_steps_that_do_not_meet_share_the_cases_of_their_masks(steps: int | None) -> None:
    relu = layer("ReLU")
    assert isinstance(of_chains([DENSE, relu], [MASK, DENSE, relu], steps, 1), CertificateRow)


def test_masks_have_no_cases_where_samples_are_not_treated_alone() -> None:
    over_samples = layer("UnitNormalization", axis=0)
    assert isinstance(of_chains([MASK, over_samples], [over_samples], 3, 2), Unproved)


def test_tokens_are_masked_one_by_one() -> None:
    def pair(one: bool, other: bool, **more: Any) -> Any:
        models = [
            chain(name, layer("Embedding", input_dim=5, output_dim=2, mask_zero=masked), *behind)
            for name, masked, behind in (
                ("reference", one, [layer("Dense", units=2)]),
                ("candidate", other, [DROPOUT, layer("Dense", units=2), *more.get("then", ())]),
            )
        ]
        return proved(*sides(*models, InputSpec("input", (3,), "int32", 0, 5)))

    assert isinstance(pair(True, False), CertificateRow)
    assert isinstance(pair(True, True), CertificateRow)


def test_texts_and_half_precision_are_refused_before_any_work() -> None:
    for dtype, kind in (
        ("string", layer("TextVectorization", vocabulary=["a"])),
        ("float16", TANH),
    ):
        models = chain("reference", kind), chain("candidate", kind)
        row = proved(*sides(*models, InputSpec("input", (1,), dtype)))
        assert row == Unproved(f"an input is of {dtype}")


def test_a_shared_stateful_layer_goes_on_from_its_state() -> None:
    """Its second call in one run does not start from a cleared state."""

    def of(second: bool) -> ModelSpec:
        held = layer("GRU", units=2, stateful=True, return_sequences=True)
        nodes = [
            NodeSpec("one", held, ("input",)),
            NodeSpec("two", None, ("input",), share="one"),
            NodeSpec("sum", layer("Add"), ("one", "two" if second else "one")),
        ]
        name = "candidate" if second else "reference"
        return ModelSpec(name, "graph", nodes=tuple(nodes), outputs=("sum",))

    assert isinstance(proved(*sides(of(False), of(False), input_of(3, 2))), CertificateRow)
    assert isinstance(proved(*sides(of(False), of(True), input_of(3, 2))), Unproved)


def test_the_only_value_of_an_input_is_known() -> None:
    def pair(low: int, high: int) -> Any:
        models = [
            chain(name, layer("Rescaling", scale=scale, offset=offset))
            for name, scale, offset in (("reference", 1.0, 0.0), ("candidate", 0.0, 3.0))
        ]
        return proved(*sides(*models, InputSpec("input", (4,), "int32", low, high)))

    assert isinstance(pair(3, 4), CertificateRow)
    assert isinstance(pair(3, 5), Unproved)


def test_large_models_are_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerlens.proof.limits.MOST_PARAMS", 10)
    row = of_chains([DENSE], [DENSE, layer("Dropout", rate=0.1)], 4)
    assert row == Unproved("there are more than 10 weights")
    monkeypatch.undo()
    monkeypatch.setattr("layerlens.proof.limits.MOST_ACTIVATIONS", 7)
    row = of_chains([DENSE], [DENSE, layer("Dropout", rate=0.1)], 4)
    assert row == Unproved("layers return more than 7 values")


@pytest.mark.parametrize("parts", [("[:10]", "[:20]"), ("[1]", "[-1]")])
def test_slices_of_samples_are_refused(parts: tuple[str, str]) -> None:
    """They take the same of two samples, or of three, and not of every number."""
    models = (chain(name, DENSE, select=part) for name, part in zip("ab", parts, strict=True))
    assert isinstance(proved(*sides(*models, input_of(4))), Unproved)


def test_slices_of_features_are_proved() -> None:
    models = (chain(name, DENSE, TANH, select=part) for name, part in zip("ab", PARTS, strict=True))
    assert isinstance(proved(*sides(*models, input_of(5, 4))), CertificateRow)


def test_what_runs_across_samples_is_refused() -> None:
    across = layer("Softmax", axis=0)
    row = of_chains([across, TANH], [across, layer("Dropout", rate=0.1), TANH], 4)
    assert row == Unproved("`Softmax` may depend on the number of samples")
