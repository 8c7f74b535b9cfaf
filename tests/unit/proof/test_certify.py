"""Certificates: given where two models are one function, and to nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.proof.certify import IDENTICAL, certify
from layerlens.proof.graphs import THEY_DIFFER, Unproved
from layerlens.proof.sizes import ERROR_BOUND
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides

pytestmark = needs_backend

Layers = list[LayerSpec]
DENSE = layer("Dense", units=4)
RELU = layer("ReLU")


def over_time(held: LayerSpec) -> LayerSpec:
    return layer("TimeDistributed", layer=held)


def certified(one: Side, other: Side, method: Any = "auto") -> CertificateRow | None:
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built), method)
    assert transfer.complete, transfer.problem
    found = certify(one, other, transfer, seed=0)
    return found if isinstance(found, CertificateRow) else None


def of_chains(reference: Layers, candidate: Layers, *shape: int | None) -> CertificateRow | None:
    models = chain("reference", *reference), chain("candidate", *candidate)
    return certified(*sides(*models, input_of(*shape)))


def graph(name: str, **nodes: tuple[LayerSpec, str]) -> ModelSpec:
    made = tuple(NodeSpec(n, held, tuple(given.split())) for n, (held, given) in nodes.items())
    return ModelSpec(name, "graph", nodes=made, outputs=(made[-1].name,))


# --- given ----------------------------------------------------------------------------------------


def test_dense_is_time_distributed_dense_behind_a_gru() -> None:
    gru = layer("GRU", units=6, return_sequences=True, reset_after=False)
    softmax = layer("Activation", activation="softmax")
    row = of_chains([gru, over_time(DENSE), softmax], [gru, DENSE, softmax], 64, 5)
    assert row is not None
    assert (row.method, row.segment) == ("graph", "`time_distributed` against `dense`")
    assert row.degree == 2
    assert 0 < row.error_bound <= ERROR_BOUND


SAME: dict[str, tuple[Layers, Layers, tuple[int | None, ...]]] = {
    "convolution of width one": ([DENSE], [layer("Conv1D", filters=4, kernel_size=1)], (7, 3)),
    "1 by 1 convolution": ([DENSE], [layer("Conv2D", filters=4, kernel_size=1)], (3, 5, 2)),
    "convolution over everything": (
        [layer("Flatten"), DENSE],
        [layer("Conv2D", filters=4, kernel_size=(3, 5)), layer("Flatten")],
        (3, 5, 2),
    ),
    "same padding": (
        [layer("Conv1D", filters=4, kernel_size=3, padding="same")],
        [layer("ZeroPadding1D", padding=1), layer("Conv1D", filters=4, kernel_size=3)],
        (6, 3),
    ),
    "separable": (
        [layer("SeparableConv1D", filters=4, kernel_size=3)],
        [
            layer("DepthwiseConv1D", kernel_size=3, use_bias=False),
            layer("Conv1D", filters=4, kernel_size=1),
        ],
        (6, 3),
    ),
    "steps turned twice": ([DENSE], [*[layer("Permute", dims=(2, 1))] * 2, DENSE], (6, 3)),
    "repeated before or behind": (
        [layer("RepeatVector", n=5), DENSE],
        [DENSE, layer("RepeatVector", n=5)],
        (3,),
    ),
    "mean before or behind": (
        [layer("GlobalAveragePooling1D"), DENSE],
        [DENSE, layer("GlobalAveragePooling1D")],
        (6, 3),
    ),
    "the same activation behind": (
        [over_time(layer("Dense", units=4, activation="relu"))],
        [DENSE, RELU],
        (6, 3),
    ),
    "between nonlinear layers": (
        [layer("LSTM", units=3, return_sequences=True), DENSE, RELU, layer("LSTM", units=2)],
        [
            layer("LSTM", units=3, return_sequences=True),
            layer("Conv1D", filters=4, kernel_size=1),
            RELU,
            layer("LSTM", units=2),
        ],
        (6, 3),
    ),
    "normalised at each step": (
        [layer("BatchNormalization"), DENSE],
        [over_time(layer("BatchNormalization")), DENSE],
        (6, 3),
    ),
    "a normalisation without gamma": (
        [layer("BatchNormalization", scale=False)],
        [over_time(layer("BatchNormalization", scale=False))],
        (6, 3),
    ),
    "statistics of the sample itself": (
        [layer("LayerNormalization")],
        [over_time(layer("LayerNormalization"))],
        (6, 3),
    ),
    "variable length": ([DENSE], [layer("Conv1D", filters=4, kernel_size=1)], (None, 3)),
    "a chain at each step": (
        [over_time(layer("Flatten")), DENSE],
        [layer("Reshape", target_shape=(4, 6)), DENSE],
        (4, 2, 3),
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_one_function_is_certified(case: str) -> None:
    reference, candidate, shape = SAME[case]
    row = of_chains(reference, candidate, *shape)
    assert row is not None
    assert row.degree > 0
    assert row.error_bound <= ERROR_BOUND


def dilated(by: int) -> LayerSpec:
    return layer("Conv1D", filters=2, kernel_size=2, dilation_rate=by, padding="causal")


def test_a_variable_length_is_certified_beyond_what_the_layers_look_across() -> None:
    assert of_chains([dilated(16)], [dilated(32)], None, 2) is None
    over = [
        layer("ZeroPadding1D", padding=(16, 0)),
        LayerSpec("Conv1D", {**dilated(16).arguments, "padding": "valid"}),
    ]
    row = of_chains([dilated(16)], over, None, 2)
    assert row is not None
    assert "at lengths 5 to 8 and " in row.segment
    assert int(row.segment.rsplit(" ", 1)[1]) > 32


def test_a_mask_that_both_pass_on_is_no_obstacle() -> None:
    masked = layer("Masking", mask_value=1.0)
    lstm = layer("LSTM", units=2)
    row = of_chains([masked, over_time(DENSE), lstm], [masked, DENSE, lstm], 6, 3)
    assert row is not None
    assert row.segment == "`time_distributed` against `dense`"


def test_the_same_computation_needs_no_draws() -> None:
    row = of_chains(
        [layer("LSTM", units=3), layer("Dropout", rate=0.5), layer("Dense", units=2)],
        [layer("LSTM", units=3), layer("Dense", units=2)],
        6,
        3,
    )
    assert row == IDENTICAL
    assert (row.method, row.error_bound) == ("identical", 0.0)


def test_what_stands_around_is_taken_in_where_it_matters() -> None:
    layers = [layer("LSTM", units=4), *[DENSE] * 7]
    narrow = of_chains([*layers, DENSE], [*layers, layer("Flatten"), DENSE], 5, 3)
    assert narrow is not None
    assert (narrow.segment, narrow.degree) == ("nothing against `flatten`", 1)
    # Only what Dense makes of the zeros tells the padding before from the padding behind.
    dense = layer("Dense", units=4, use_bias=False)
    padding, cropping = layer("ZeroPadding1D", padding=2), layer("Cropping1D", cropping=1)
    wide = of_chains([padding, dense, cropping], [layer("ZeroPadding1D"), dense], 6, 3)
    assert wide is not None
    assert (wide.segment, wide.degree) == ("the whole graphs", 2)
    assert of_chains([padding, DENSE, cropping], [DENSE, layer("ZeroPadding1D")], 6, 3) is None


def test_graphs_are_lined_up_through_their_branches() -> None:
    first, second = layer("Dense", units=4), layer("LSTM", units=4)
    common = {"a": (layer("Flatten"), "input"), "b": (first, "a"), "c": (second, "input")}
    row = certified(
        *sides(
            graph("reference", **common, out=(layer("Add"), "b c")),
            graph("candidate", **common, out=(layer("Add"), "c b")),
            input_of(5, 3),
        )
    )
    assert row is not None
    assert (row.segment, row.degree) == ("`out` against `out`", 1)


def test_a_selected_slice_is_part_of_what_is_compared() -> None:
    repeated = chain("reference", layer("RepeatVector", n=5), DENSE, select="[:, -1]")
    assert certified(*sides(repeated, chain("candidate", DENSE), input_of(3))) is not None
    steps = chain("reference", DENSE, select="[:, -1]")
    others = chain("candidate", over_time(DENSE), select="[:, 0]")
    assert certified(*sides(steps, others, input_of(5, 3))) is None


ONE_HOT = layer("CategoryEncoding", num_tokens=7, output_mode="one_hot")
EMBEDDING = layer("Embedding", input_dim=7, output_dim=4)
WITHOUT_BIAS = layer("Dense", units=4, use_bias=False)


def of_tokens(reference: Layers, candidate: Layers, **more: Any) -> CertificateRow | None:
    models = chain("reference", *reference), chain("candidate", *candidate)
    return certified(*sides(*models, input_of(5, dtype="int32", **more)))


def test_an_embedding_is_a_product_with_one_hot_rows() -> None:
    row = of_tokens([EMBEDDING], [ONE_HOT, WITHOUT_BIAS])
    assert row is not None
    assert row.assumptions == ("`input` holds integers from 0 to 6, used as indices.",)
    assert row.degree == 2
    counted = layer("CategoryEncoding", num_tokens=7, output_mode="count")
    mean = [layer("GlobalAveragePooling1D")]
    fifth = layer("AveragePooling1D", pool_size=5), layer("Flatten")
    assert of_tokens([EMBEDDING, *mean], [EMBEDDING, *fifth]) is not None
    assert of_tokens([counted, WITHOUT_BIAS], [ONE_HOT, WITHOUT_BIAS, *mean]) is None


def test_looking_up_is_certified_for_the_numbers_that_are_declared_only() -> None:
    assert of_tokens([EMBEDDING], [ONE_HOT, WITHOUT_BIAS], high=7) is not None
    assert of_tokens([EMBEDDING], [ONE_HOT, WITHOUT_BIAS], high=8) is None
    assert of_tokens([EMBEDDING], [ONE_HOT, WITHOUT_BIAS], low=-1) is None


def test_numbers_that_are_more_than_looked_up_are_not_certified() -> None:
    several = layer("CategoryEncoding", num_tokens=7, output_mode="multi_hot")
    counted = layer("CategoryEncoding", num_tokens=7, output_mode="count")
    assert of_tokens([several, WITHOUT_BIAS], [counted, WITHOUT_BIAS]) is None
    moved = layer("Reshape", target_shape=(5, 1))
    assert of_tokens([moved], [layer("Rescaling", scale=1.0), moved]) is None


def test_the_seed_decides_the_draws_and_not_the_outcome() -> None:
    models = chain("reference", DENSE), chain("candidate", over_time(DENSE))
    one, other = sides(*models, input_of(5, 3))
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built))
    assert len({certify(one, other, transfer, seed=seed) for seed in range(5)}) == 1


# --- refused: the assumption does not hold --------------------------------------------------------

OTHER: dict[str, tuple[Layers, Layers, tuple[int | None, ...]]] = {
    "an activation hidden in one": (
        [DENSE],
        [over_time(layer("Dense", units=4, activation="relu"))],
        (6, 3),
    ),
    "unlike activations": ([DENSE, RELU], [DENSE, layer("ReLU", max_value=6.0)], (3,)),
    "an activation between": ([DENSE, RELU, DENSE], [DENSE, DENSE, RELU], (4,)),
    "unlike epsilons": (
        [layer("BatchNormalization", epsilon=1e-3)],
        [over_time(layer("BatchNormalization", epsilon=1e-5))],
        (6, 3),
    ),
    "wrong padding": (
        [layer("Conv1D", filters=4, kernel_size=3, strides=2, padding="same")],
        [layer("ZeroPadding1D", padding=1), layer("Conv1D", filters=4, kernel_size=3, strides=2)],
        (8, 3),
    ),
    "mixed axes": (
        [layer("Permute", dims=(2, 1)), DENSE],
        [layer("Reshape", target_shape=(3, 6)), DENSE],
        (6, 3),
    ),
    "the largest instead of the mean": (
        [layer("MaxPooling1D", pool_size=2)],
        [layer("AveragePooling1D", pool_size=2)],
        (6, 3),
    ),
    "interpolation": (
        [layer("UpSampling2D", interpolation="bilinear")],
        [layer("UpSampling2D")],
        (3, 3, 1),
    ),
    "padding that is right at every third length": (
        [layer("Conv1D", filters=4, kernel_size=3, strides=3, padding="same")],
        [
            layer("ZeroPadding1D", padding=(0, 1)),
            layer("Conv1D", filters=4, kernel_size=3, strides=3),
        ],
        (None, 3),
    ),
    "a layer that maps over the batch at unknown lengths": ([DENSE], [over_time(DENSE)], (None, 3)),
}


def test_a_cleared_state_is_an_assumption_of_the_certificate() -> None:
    row = of_chains(
        [layer("LSTM", units=3, stateful=True)], [layer("LSTM", units=3, stateful=True)], 6, 3
    )
    assert row is not None
    assert "Recurrent states are cleared before each call." in row.assumptions


@pytest.mark.parametrize("case", OTHER)
def test_no_certificate_where_an_assumption_fails(case: str) -> None:
    reference, candidate, shape = OTHER[case]
    assert of_chains(reference, candidate, *shape) is None


def test_no_certificate_where_a_mask_changes_the_result() -> None:
    masked, lstm = layer("Masking", mask_value=1.0), layer("LSTM", units=2)
    pointwise = layer("Conv1D", filters=4, kernel_size=1)
    # Conv1D loses the mask on its way to the LSTM, a plain mean would not have heeded it.
    assert of_chains([masked, DENSE, lstm], [masked, pointwise, lstm], 6, 3) is None
    mean, window = layer("GlobalAveragePooling1D"), layer("AveragePooling1D", pool_size=6)
    flat = layer("Flatten")
    assert of_chains([masked, mean], [masked, window, flat], 6, 3) is None
    assert of_chains([mean], [window, flat], 6, 3) is not None
    unmasked = layer("Masking", mask_value=0.0)
    assert of_chains([lstm], [unmasked, lstm], 6, 3) is None


def test_a_mask_of_zeros_changes_no_value_by_itself() -> None:
    assert of_chains([DENSE], [layer("Masking"), DENSE], 6, 3) is not None


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "bfloat16"])
def test_no_certificate_in_less_than_full_precision(dtype: str) -> None:
    models = chain("reference", DENSE, dtype=dtype), chain("candidate", over_time(DENSE))
    assert certified(*sides(*models, input_of(6, 3))) is None
    assert certified(*sides(models[0], models[0], input_of(6, 3))) is None


def test_no_certificate_where_weights_are_not_carried_over() -> None:
    models = chain("reference", DENSE), chain("candidate", DENSE)
    assert certified(*sides(*models, input_of(3)), "none") is None


def test_no_certificate_where_the_scenario_gives_the_candidate_a_weight() -> None:
    given = chain("candidate", DENSE, weights={"bias": [1.0, 0.0, 0.0, 0.0]})
    one, other = sides(chain("reference", DENSE), given, input_of(3))
    assert certified(one, other) is None


def test_an_activation_put_in_after_the_layer_was_made_is_seen() -> None:
    import keras

    models = chain("reference", DENSE), chain("candidate", over_time(DENSE))
    one, other = sides(*models, input_of(6, 3))
    assert certified(one, other) is not None
    other.working.built.model.layers[-1].layer.activation = lambda x: keras.ops.relu(x)
    assert certified(one, other) is None


def reason(one: Side, other: Side) -> str:
    found = certify(
        one, other, pair_weights(weight_rows(one.built), weight_rows(other.built)), seed=0
    )
    assert isinstance(found, Unproved), found
    return found.reason


@pytest.mark.parametrize(
    ("layers", "dtype", "why"),
    [
        (([DENSE, RELU], [DENSE, layer("ELU")]), None, THEY_DIFFER),
        (([DENSE], [over_time(DENSE)]), "float16", "it computes in half precision"),
    ],
)
def test_what_keeps_a_pair_from_being_proved_is_said(
    layers: tuple[Layers, Layers], dtype: str | None, why: str
) -> None:
    models = (
        chain(name, *own, dtype=dtype)
        for name, own in zip(("reference", "candidate"), layers, strict=True)
    )
    assert reason(*sides(*models, input_of(6, 3))) == why


def test_the_reason_is_what_the_whole_models_lack_where_a_part_ends_in_another_dtype() -> None:
    models = (
        chain("reference", layer("Hashing", num_bins=1)),
        chain("candidate", layer("Rescaling", scale=0, dtype="int32")),
    )
    given = InputSpec("input", (3,), "int32", 0, 8)
    assert reason(*sides(*models, given)) == "the operation `AsString` is not supported"


def test_inputs_of_different_lengths_are_compared_too() -> None:
    mean, inputs = layer("GlobalAveragePooling1D"), [input_of(None, 3, name=n) for n in "ab"]
    joined = graph("joined", z=(layer("Concatenate", axis=1), "a b"), out=(mean, "z"))
    apart = graph("apart", x=(mean, "a"), y=(mean, "b"), out=(layer("Average"), "x y"))
    assert certified(*sides(joined, apart, *inputs)) is None
    swapped = graph("swapped", z=(layer("Concatenate", axis=1), "b a"), out=(mean, "z"))
    row = certified(*sides(joined, swapped, *inputs))
    assert row is not None
    assert "Inputs of different lengths are compared if both models take them." in row.assumptions


# --- what is proved -------------------------------------------------------------------------------

WIDE = layer("Dense", units=40)


def test_a_large_model_is_proved_by_what_differs_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    around, narrow = [WIDE, RELU] * 3, layer("Dense", units=2)
    pair = [*around, narrow, *around], [*around, over_time(narrow), *around]
    monkeypatch.setattr("layerlens.proof.limits.MOST_PARAMS", 100)
    row = of_chains(*pair, 2, 3)
    assert row is not None
    assert row.segment == "`dense_3` against `time_distributed`"
    monkeypatch.setattr("layerlens.proof.limits.MOST_PARAMS", 50)
    assert of_chains(*pair, 2, 3) is None


def test_more_is_taken_in_around_what_differs_where_the_whole_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Only what the ReLU returns is the same with and without a slope below zero.
    tanh, leaky = layer("Activation", activation="tanh"), layer("LeakyReLU", negative_slope=0.5)
    before, behind = [WIDE, DENSE, tanh, RELU], [tanh, tanh, tanh, WIDE]
    monkeypatch.setattr("layerlens.proof.limits.MOST_PARAMS", 170)
    row = of_chains([*before, leaky, *behind], [*before, *behind], 3)
    assert row is not None
    assert row.segment == (
        "`dense_1`, `activation`, ... `activation_3` (7 layers) against "
        "`dense_1`, `activation`, ... `activation_3` (6 layers)"
    )
    other = [tanh, RELU, DENSE, tanh]
    assert of_chains([*other, leaky, *behind], [*other, *behind], 3) is None


def test_no_weight_is_read_and_no_float64_model_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    models = (
        chain("reference", DENSE, RELU, DENSE),
        chain("candidate", DENSE, RELU, over_time(DENSE)),
    )
    one, other = sides(*models, input_of(6, 3))
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built))

    def read(*_: Any) -> Any:
        raise AssertionError("a weight is read")

    import keras

    for side in (one, other):
        side.float64 = None  # type: ignore[assignment]
    monkeypatch.setattr(keras.Variable, "numpy", read)
    monkeypatch.setattr(keras.Variable, "assign", read)
    monkeypatch.setattr("layerlens.models.execute.keras_runner.KerasRunner.values", read)
    monkeypatch.setattr("layerlens.models.execute.keras_runner.KerasRunner.assign", read)
    assert isinstance(certify(one, other, transfer, seed=0), CertificateRow)


def test_nothing_is_proved_of_a_layer_that_was_told_to_train() -> None:
    told = replace(layer("Dropout", rate=0.5), call={"training": True})
    one, other = sides(
        chain("reference", DENSE, told), chain("candidate", DENSE, told), input_of(4)
    )
    transfer = pair_weights(weight_rows(one.built), weight_rows(other.built), "auto")
    found = certify(one, other, transfer, seed=0)
    assert isinstance(found, Unproved)
    assert "`predict` overrules" in found.reason
