"""Parts of two models start at tensors of one size, and are traced as the models are."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.proof.cuts import cut_between
from layerlens.proof.expressions import Numbering, express
from layerlens.proof.field.value import CannotProveError
from layerlens.proof.graphs import THEY_DIFFER, Unproved, prove_part
from layerlens.proof.parts import CutModels, WholeModels
from layerlens.proof.shared_prefix import variable_names
from layerlens.proof.sizes import Size
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides

pytestmark = needs_backend

DENSE, TANH = layer("Dense", units=4), layer("Activation", activation="tanh")
MEAN = layer("GlobalAveragePooling1D")


def graph(name: str, **nodes: tuple[LayerSpec, str]) -> ModelSpec:
    made = tuple(NodeSpec(n, held, tuple(given.split())) for n, (held, given) in nodes.items())
    return ModelSpec(name, "graph", nodes=made, outputs=(made[-1].name,))


def cut_models(one: ModelSpec, other: ModelSpec, *inputs: InputSpec) -> CutModels:
    built = tuple(side.built for side in sides(one, other, *inputs))
    transfer = pair_weights(*(weight_rows(b) for b in built))
    names, numbering = variable_names(*built, transfer), Numbering()
    ours, theirs = (express(b.model, numbering, names) for b in built)
    cut = cut_between(list(zip(ours, theirs, strict=True)))
    assert cut is not None
    return CutModels(cut, built)  # type: ignore[arg-type]


def test_a_cut_counts_what_lies_in_it_alone() -> None:
    wide = layer("Dense", units=50)
    part = cut_models(
        chain("reference", wide, DENSE, wide),
        chain("candidate", wide, layer("Conv1D", filters=4, kernel_size=1), wide),
        input_of(7, 3),
    )
    assert [tuple(weight.shape) for weight in part.weights(0)] == [(50, 4), (4,)]
    assert part.activations(1) == 7 * 50 + 7 * 4
    assert [type(held).__name__ for held in part.layers(1)] == ["Conv1D"]
    (start,) = part.starts(Size(3))
    assert (start.shape, start.dtype) == ((7, 50), "float32")


def test_several_tensors_have_the_lengths_that_one_input_gives_them() -> None:
    common = {
        "x": (TANH, "input"),
        "y": (layer("AveragePooling1D", pool_size=2), "x"),
    }
    part = cut_models(
        graph("reference", **common, z=(layer("Concatenate", axis=1), "x y"), out=(MEAN, "z")),
        graph("candidate", **common, z=(layer("Concatenate", axis=1), "y x"), out=(MEAN, "z")),
        input_of(None, 3),
    )
    assert part.variable_starts == 2
    assert sorted(start.shape for start in part.starts(Size(2, 9))) == [(4, 3), (9, 3)]


#: What is before a part looks across more steps than any length that is tried.
VAST = layer("MaxPooling1D", pool_size=10**8, strides=1, padding="same")


def window(size: int) -> LayerSpec:
    return layer("MaxPooling1D", pool_size=size, strides=1, padding="same")


def behind_a_vast_window(one: list[LayerSpec], other: list[LayerSpec]) -> Any:
    part = cut_models(
        chain("reference", TANH, VAST, *one),
        chain("candidate", TANH, VAST, *other),
        input_of(None, 3),
    )
    return part, prove_part(part, pair_weights(*map(weight_rows, part.models)), seed=0)


def test_a_part_is_proved_at_lengths_beyond_what_it_looks_across_itself() -> None:
    held = layer("Conv1D", filters=2, kernel_size=5, padding="same", strides=2)
    padded = [
        layer("ZeroPadding1D", padding=2),
        layer("Conv1D", filters=2, kernel_size=5, strides=2),
    ]
    part, row = behind_a_vast_window([window(3), TANH, DENSE], [window(3), DENSE])
    assert isinstance(row, Unproved)
    part, row = behind_a_vast_window(
        [layer("Conv1D", filters=2, kernel_size=5, padding="same")],
        [padded[0], layer("Conv1D", filters=2, kernel_size=5)],
    )
    assert isinstance(row, CertificateRow), row
    assert [one.span for one in part.fields] == [5, 9]  # the padding counts
    assert isinstance(behind_a_vast_window([held], padded)[1], Unproved)


def test_a_difference_beyond_short_lengths_is_not_proved_away() -> None:
    part, row = behind_a_vast_window([window(40)], [window(41)])
    assert [one.span for one in part.fields] == [40, 41]
    assert row == Unproved(THEY_DIFFER)


def test_where_several_lengths_are_open_the_part_looks_as_far_as_the_models() -> None:
    common = {"x": (TANH, "input"), "y": (window(20), "x")}
    part = cut_models(
        graph("reference", **common, z=(layer("Concatenate", axis=1), "x y"), out=(MEAN, "z")),
        graph("candidate", **common, z=(layer("Concatenate", axis=1), "y x"), out=(MEAN, "z")),
        input_of(None, 3),
    )
    assert [one.span for one in part.fields] == [20, 20]


def test_one_remainder_behind_strides_of_several_tensors_is_not_proved_away() -> None:
    halved = layer("Conv1D", filters=2, kernel_size=3, strides=2, padding="same")
    common = {
        "s0": (halved, "input"),
        "s1": (halved, "s0"),
        "s2": (halved, "s1"),
        "x": (DENSE, "s2"),
        "y": (DENSE, "s2"),
    }
    last = layer("Conv1D", filters=2, kernel_size=3, strides=2)
    part = cut_models(
        graph("reference", **common, z=(layer("Add"), "x y"), out=(halved, "z")),
        graph(
            "candidate",
            **common,
            z=(layer("Add"), "y x"),
            p=(layer("ZeroPadding1D", padding=1), "z"),
            out=(last, "p"),
        ),
        input_of(None, 3),
    )
    assert part.variable_starts == 2
    for seed in range(3):
        transfer = pair_weights(*map(weight_rows, part.models))
        assert prove_part(part, transfer, seed=seed) == Unproved(THEY_DIFFER)


def test_a_trace_knows_the_shapes_or_only_what_is_announced() -> None:
    part = cut_models(
        chain("reference", TANH, DENSE),
        chain("candidate", TANH, layer("TimeDistributed", layer=DENSE)),
        input_of(None, 3),
    )
    shapes = [
        part.traced(0, Size(2, 5), static=static).inputs[0].shape.as_list()
        for static in (False, True)
    ]
    assert shapes == [[None, None, 3], [2, 5, 3]]


def test_a_result_of_which_less_is_known_does_not_end_alike() -> None:
    part = cut_models(
        chain("reference", TANH, DENSE, layer("Flatten")),
        chain("candidate", TANH, layer("TimeDistributed", layer=DENSE), layer("Flatten")),
        input_of(None, 3),
    )
    one, other = (part.traced(side, Size(2, 5), static=False) for side in (0, 1))
    known = [function.structured_outputs[0].shape.as_list() for function in (one, other)]
    assert part.ends_alike([one, one])
    assert part.ends_alike([one, other]) == (known[0] == known[1])


def test_lengths_that_a_model_refuses_are_not_taken() -> None:
    inputs = [input_of(None, 3, name="a"), input_of(None, 3, name="b")]

    def whole(kind: LayerSpec) -> Any:
        models = (graph(name, z=(kind, "a b"), out=(MEAN, "z")) for name in ("one", "two"))
        return WholeModels(sides(*models, *inputs))

    assert whole(layer("Concatenate", axis=1)).takes(Size(2, 5, 1))
    assert not whole(layer("Concatenate", axis=2)).takes(Size(2, 5, 1))
    assert whole(layer("Add")).takes(Size(2, 5, -4))


def test_whole_numbers_that_are_looked_up_have_a_range() -> None:
    tokens = layer("Embedding", input_dim=7, output_dim=2)

    def part(**declared: Any) -> WholeModels:
        models = chain("one", tokens), chain("two", tokens)
        return WholeModels(sides(*models, input_of(5, dtype="int32", **declared)))

    (start,) = part().starts(Size(2))
    assert (start.low, start.high) == (0, 7)
    assert part().assumptions == ("`input` holds integers from 0 to 6, used as indices.",)
    (start,) = part(high=9).starts(Size(2))
    assert start.high == 9
    assert part(high=9).assumptions == ()


def test_a_batch_that_becomes_a_length_is_refused() -> None:
    import keras

    from layerlens.models.build.request import Built
    from layerlens.models.build_model import build_model

    def model(order: int) -> Any:
        given = keras.Input((4, 3))
        flat = keras.ops.reshape(given, (-1, 3))
        both = [keras.layers.Dense(3)(flat), keras.layers.UnitNormalization()(flat)]
        return keras.Model(given, keras.layers.Add()(both[::order]))

    spec = input_of(4, 3)
    built = tuple(
        build_model(ModelSpec(name, "object", given=model(order)), (spec,), allow_code=True)
        for name, order in (("one", 1), ("two", -1))
    )
    assert all(isinstance(one, Built) for one in built)
    names, numbering = variable_names(*built, pair_weights(*map(weight_rows, built))), Numbering()
    ours, theirs = (express(one.model, numbering, names) for one in built)
    cut = cut_between(list(zip(ours, theirs, strict=True)))
    assert cut is not None
    with pytest.raises(CannotProveError, match="the batch is not the first axis"):
        CutModels(cut, built).starts(Size(2))
