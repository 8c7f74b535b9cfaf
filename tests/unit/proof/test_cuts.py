"""What differs between two models is cut out, and nothing that it needs is cut away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from layerlens.proof.cuts import Cut, Goal, call_part, calls_behind, cut_between
from layerlens.proof.expressions import Numbering, express

pytestmark = pytest.mark.usefixtures("backend")

Wiring = Callable[[Any, Any], Any]


def pairs_of(*wirings: Wiring, shape: tuple[int | None, ...] = (6, 3)) -> list[Goal]:
    """Express two models of one input; weights are paired by position."""
    import keras

    numbering, outputs = Numbering(), []
    for wiring in wirings:
        given = keras.Input(shape)
        made = wiring(keras.layers, given)
        model = keras.Model(given, made)
        names = {id(variable): position for position, variable in enumerate(model.weights)}
        outputs.append(express(model, numbering, names))
    return list(zip(*outputs, strict=True))


def cut_of(*wirings: Wiring, around: int = 0, **more: Any) -> Cut | None:
    return cut_between(pairs_of(*wirings, **more), around=around)


def between(layers: Any, x: Any, *differing: Any) -> Any:
    """Return some layers between an LSTM and a Dense layer that both models have."""
    x = layers.LSTM(4, return_sequences=True, name="before")(x)
    for layer in differing:
        x = layer(x)
    return layers.Dense(2, activation="tanh", name="behind")(x)


def test_what_both_begin_and_end_with_is_cut_away() -> None:
    cut = cut_of(
        lambda layers, x: between(layers, x, layers.Dense(4, name="a")),
        lambda layers, x: between(layers, x, layers.Conv1D(4, 1, name="b")),
    )
    assert cut is not None
    assert str(cut) == "`a` against `b`"
    assert [one.step.name for one, _ in cut.starts if one.step] == ["before"]
    assert cut.calls == 1


def test_so_many_calls_around_are_taken_in() -> None:
    def chain(name: str) -> Wiring:
        def wiring(layers: Any, x: Any) -> Any:
            for layer in ("1", "2", name, "4", "5"):
                x = layers.ELU(int(layer, 36), name=layer)(x)
            return x

        return wiring

    names = [str(cut_of(chain("a"), chain("b"), around=n)) for n in range(4)]
    assert names == [
        "`a` against `b`",
        "`2`, `a`, `4` against `2`, `b`, `4`",
        "`1`, `2`, ... `5` (5 layers) against `1`, `2`, ... `5` (5 layers)",
        "`1`, `2`, ... `5` (5 layers) against `1`, `2`, ... `5` (5 layers)",
    ]


def test_inputs_in_another_order_are_a_difference_of_the_layer_that_takes_them() -> None:
    def added(order: int) -> Wiring:
        def wiring(layers: Any, x: Any) -> Any:
            both = [layers.ELU()(x), layers.UnitNormalization()(x)]
            return layers.Add(name="sum")(both[::order])

        return wiring

    cut = cut_of(added(1), added(-1))
    assert cut is not None
    assert str(cut) == "`sum` against `sum`"
    assert len(cut.starts) == 2


def test_a_layer_is_cut_from_the_activation_that_both_end_with() -> None:
    import keras

    cut = cut_of(
        lambda layers, x: layers.Dense(4, activation="relu", name="a")(x),
        lambda layers, x: layers.TimeDistributed(layers.Dense(4, activation="relu"), name="b")(x),
    )
    assert cut is not None
    (goal,) = cut.goals
    assert [value.step.kind for value in goal if value.step] == ["linear", "linear"]
    # Of a step and its negative, whatever the weights, one has outputs below 0.
    given = keras.ops.convert_to_tensor([[[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]] * 3])
    layer = cut.layers(0)[0]
    before = keras.ops.convert_to_numpy(layer(given))
    (result,) = map(keras.ops.convert_to_numpy, call_part(cut, 0, [given]))
    assert (result < 0).any()
    assert (keras.ops.convert_to_numpy(keras.ops.relu(result)) == before).all()
    assert (keras.ops.convert_to_numpy(layer(given)) == before).all()


def test_an_activation_is_called_without_the_layer_that_both_share() -> None:
    import keras

    cut = cut_of(
        lambda layers, x: layers.Dense(4, activation="relu", name="a")(x),
        lambda layers, x: layers.LeakyReLU(negative_slope=0.0, name="c")(layers.Dense(4)(x)),
    )
    assert cut is not None
    assert str(cut) == "`a` against `c`"
    given = keras.ops.convert_to_tensor([[[-1.0, 2.0, -3.0, 4.0]] * 6])
    for side in (0, 1):
        (result,) = call_part(cut, side, [given])
        assert keras.ops.convert_to_numpy(result)[0, 0].tolist() == [0.0, 2.0, 0.0, 4.0]


def masked(layers: Any, x: Any, *differing: Any) -> Any:
    return between(layers, layers.Masking(2.0)(x), *differing)


def test_a_mask_that_is_needed_is_not_cut_away() -> None:
    dense = [lambda layers: layers.Dense(4), lambda layers: layers.TimeDistributed(layers.Dense(4))]
    ignored = [lambda layers, x, make=make: masked(layers, x, make(layers)) for make in dense]
    assert cut_of(*ignored) is not None
    heeded = [
        lambda layers, x, unroll=unroll: masked(
            layers, x, layers.LSTM(4, return_sequences=True, unroll=unroll)
        )
        for unroll in (False, True)
    ]
    assert cut_of(*heeded) is None
    # The mask of zeros belongs to a call that is left out.
    of_zeros = [
        lambda layers, x, unroll=unroll: layers.LSTM(4, unroll=unroll)(layers.Masking()(x))
        for unroll in (False, True)
    ]
    assert cut_of(*of_zeros) is None


def test_a_mask_made_inside_is_there() -> None:
    cut = cut_of(
        lambda layers, x: layers.LSTM(4)(layers.Masking(2.0)(x)),
        lambda layers, x: layers.LSTM(4)(layers.Masking(3.0)(x)),
    )
    assert cut is not None
    assert [step.name.split("_")[0] for step in cut.steps(0)] == ["masking", "lstm"]


def test_what_is_unknown_from_outside_is_not_called() -> None:
    def trained(layers: Any, x: Any) -> Any:
        return layers.Dense(4)(layers.Dropout(0.5)(x, training=True))

    assert cut_of(trained, trained) is None


def test_long_chains_are_lined_up_call_by_call() -> None:
    def residual(odd: int) -> Wiring:
        def wiring(layers: Any, x: Any) -> Any:
            for block in range(40):  # 2^40 paths
                slope = 0.5 if block == odd else 0.25
                x = layers.Add()([x, layers.LeakyReLU(negative_slope=slope)(x)])
            return x

        return wiring

    pairs = pairs_of(residual(0), residual(20))
    assert calls_behind([one for one, _ in pairs]) == 80
    cut = cut_between(pairs)
    assert cut is not None
    assert cut.calls < 60


@pytest.mark.parametrize(
    ("function", "is_cut"),
    [
        ("abs", True),
        ("sqrt", False),
        ("log", False),
        ("rsqrt", False),
        ("reciprocal", False),
    ],
)
def test_no_part_starts_at_what_may_be_undefined(function: str, is_cut: bool) -> None:
    from keras import ops

    def wiring(differs: bool) -> Wiring:
        def made(layers: Any, x: Any) -> Any:
            root = getattr(ops, function)(x)
            return ops.where(ops.isnan(root), 0.0, root) if differs else layers.ReLU()(root)

        return made

    assert (cut_of(wiring(True), wiring(False)) is not None) == is_cut


@pytest.mark.parametrize(
    ("number", "is_cut"), [(2.0, True), (3, True), (0.0, False), ("tensor", False)]
)
def test_a_part_may_start_at_a_tensor_over_a_number(number: Any, is_cut: bool) -> None:
    from keras import ops

    def wiring(name: str) -> Wiring:
        def made(layers: Any, x: Any) -> Any:
            shared = ops.divide(x, x if number == "tensor" else number)
            return getattr(layers, name)()(shared)

        return made

    assert (cut_of(wiring("ReLU"), wiring("Softmax")) is not None) == is_cut


def test_no_part_starts_at_a_mean_of_steps_that_may_all_be_masked() -> None:
    def wiring(masked: bool, name: str) -> Wiring:
        def made(layers: Any, x: Any) -> Any:
            x = layers.Masking()(x) if masked else x
            return getattr(layers, name)()(layers.GlobalAveragePooling1D()(x))

        return made

    assert cut_of(wiring(False, "ReLU"), wiring(False, "Softmax")) is not None
    assert cut_of(wiring(True, "ReLU"), wiring(True, "Softmax")) is None
