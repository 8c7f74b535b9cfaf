"""Decisions: what is decided before anything is run, and on models without a float64 form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

import layerlens
from layerlens.comparison import by_running
from layerlens.comparison.pair import Pair
from layerlens.comparison.verdict import decide, fed_alike, has_to_run
from layerlens.models.build.request import Built
from layerlens.models.variants import ModelVariants
from layerlens.proof.graphs import Unproved
from layerlens.report.pairs import InputsRow
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import scenario_from_mapping

pytestmark = pytest.mark.usefixtures("backend")


def with_models(reference: Any, candidate: Any, **more: Any) -> Pair:
    """Return the pair of two chains of layers, as the pipeline builds it."""
    data = {"input": {"shape": [4, 3]}, "models": {"one": reference, "other": candidate}, **more}
    (scenario,) = scenario_from_mapping(data)
    variants = ModelVariants(scenario, RunOptions())
    one, other = variants.build_all().values()
    return Pair(scenario, one, other, "inference", 0, variants)


DENSE = {"Dense": 2}


@pytest.mark.parametrize(
    ("candidate", "verdict", "cause"),
    [
        ([{"Dense": 5}], "shape_mismatch", "shapes"),
        ([{"Dense": {"units": 2, "use_bias": False}}], "param_mismatch", "weights"),
        ([{"Conv2D": {"filters": 2, "kernel_size": 1}}], "build_error", "refused"),
    ],
)
def test_what_does_not_match_is_decided_without_running(
    candidate: Any, verdict: str, cause: str
) -> None:
    pair = with_models([DENSE], candidate)
    decision = decide(pair)
    assert (decision.verdict, decision.cause) == (verdict, cause)
    assert (decision.examination, decision.evidence, decision.judgement) == (None, None, None)
    assert not has_to_run(pair.reference, pair.candidate, "auto")


def test_models_that_match_are_run() -> None:
    pair = with_models([DENSE], [{"Conv1D": {"filters": 2, "kernel_size": 1}}])
    assert has_to_run(pair.reference, pair.candidate, "auto")
    decision = decide(pair)
    assert (decision.verdict, decision.cause) == ("equivalent", "outputs")
    assert decision.evidence is not None
    assert decision.evidence.certificate is not None
    assert decision.judgement is not None
    assert decision.judgement.witness is None


def test_a_difference_has_a_witness() -> None:
    decision = decide(with_models(["ReLU"], [{"ReLU": {"max_value": 1.0}}]))
    assert (decision.verdict, decision.cause) == ("different", "outputs")
    assert decision.judgement is not None
    assert decision.judgement.witness is not None


def test_inputs_are_matched_by_name_or_else_by_position() -> None:
    built = with_models([DENSE], [DENSE]).reference
    assert isinstance(built, Built)

    def named(*names: str) -> Built:
        return replace(built, input_names=names)

    same = fed_alike(named("a", "b"), named("a", "b"))
    assert same == InputsRow("by_name", (("a", "a"), ("b", "b")))
    other = fed_alike(named("a", "b"), named("x", "y"))
    assert other == InputsRow("by_position", (("a", "x"), ("b", "y")))
    assert fed_alike(named("a"), named("a")) is None
    assert fed_alike(named("a", "b"), named("a")) is None


# --- models of which one, or both, have no float64 form ---------------------------------------

Make = Callable[[], Sequence[Any]]


def subclass(make: Make) -> Any:
    """A model whose `get_config` Keras cannot use, so that it is never made anew."""
    import keras

    class Chain(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.parts = make()

        def call(self, x: Any, training: Any = None) -> Any:
            for part in self.parts:
                takes = part._call_has_training_arg
                x = part(x, training=training) if takes else part(x)
            return x

    return Chain()


def functional(shape: tuple[int, ...], make: Make) -> Any:
    import keras

    start = x = keras.Input(shape)
    for part in make():
        x = part(x)
    return keras.Model(start, x)


def dropout(rate: float = 0.4) -> Make:
    from keras import layers

    return lambda: [layers.Dense(5, activation="tanh"), layers.Dropout(rate), layers.Dense(2)]


def noise() -> Make:
    from keras import layers

    return lambda: [layers.Dense(5), layers.BatchNormalization(), layers.GaussianNoise(0.3)]


def spatial() -> Make:
    from keras import layers

    return lambda: [layers.Conv1D(4, 3), layers.SpatialDropout1D(0.4), layers.Dense(2)]


def pairs(reference: Any, candidate: Any, shape: tuple[int, ...], *modes: str) -> Any:
    models = {"one": reference, "other": candidate}
    return layerlens.compare(models, inputs=shape, mode=list(modes)).scenarios[0].pairs


@pytest.mark.parametrize(
    ("make", "shape", "kinds"),
    [
        (dropout, (3,), "fs"),
        pytest.param(dropout, (3,), "sf", marks=pytest.mark.nightly),
        pytest.param(noise, (3,), "fs", marks=pytest.mark.nightly),
        (spatial, (6, 3), "ss"),
    ],
)
def test_the_same_layers_are_equivalent_in_both_modes(
    make: Callable[[], Make], shape: tuple[int, ...], kinds: str
) -> None:
    one, other = (functional(shape, make()) if k == "f" else subclass(make()) for k in kinds)
    for pair in pairs(one, other, shape, "inference", "training"):
        assert (pair.verdict, pair.mismatched, pair.also_differs) == ("equivalent", 0, ())


@pytest.mark.parametrize("subclass_first", [pytest.param(True, marks=pytest.mark.nightly), False])
def test_another_rate_of_dropout_is_different_in_training(subclass_first: bool) -> None:
    both = functional((3,), dropout(0.4)), subclass(dropout(0.5))
    (pair,) = pairs(*(both[::-1] if subclass_first else both), (3,), "training")
    assert pair.verdict == "different"
    assert pair.mismatched > 0
    assert pair.max_abs > 0


@pytest.mark.parametrize("reference_refuses", [True, False])
def test_a_float64_form_that_refuses_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, reference_refuses: bool
) -> None:
    """TensorFlow has no float64 kernel for this pooling on a CPU; left to itself, it raises."""
    from layerlens.models.build import request as orders

    monkeypatch.setattr(orders, "enable_float64", lambda model: None)
    # A proof needs no float64 form.
    monkeypatch.setattr(by_running, "certify", lambda *_, **__: Unproved("not tried"))
    pooled = {"MaxPooling3D": 1}, {"Rescaling": 2.0}
    plain = ({"Rescaling": 2.0},)
    both = (pooled, plain) if reference_refuses else (plain, pooled)
    scenario = {
        "input": {"shape": [2, 2, 2, 2]},
        "models": {"one": list(both[0]), "other": list(both[1])},
    }
    (pair,) = layerlens.compare(scenario).scenarios[0].pairs
    assert pair.verdict == "equivalent"
    assert pair.rounding.float64_max_abs is None
    scenario["models"]["other"] = [*both[1], {"Rescaling": 1.01}]
    (pair,) = layerlens.compare(scenario).scenarios[0].pairs
    assert pair.verdict == "different"


def test_an_offset_that_cancels_is_never_called_a_difference() -> None:
    from keras import layers

    def shifted() -> Sequence[Any]:
        return [layers.Rescaling(1.0, offset=180.0), layers.LayerNormalization()]

    (pair,) = pairs(
        subclass(shifted), functional((12,), lambda: [shifted()[1]]), (12,), "inference"
    )
    assert pair.verdict in ("equivalent", "inconclusive")


def in_half(dtype: str, *further: Any) -> Any:
    """Return a dense layer in half precision, and what follows, as a model that is its own form."""
    from keras import layers

    policy = f"mixed_{dtype}"
    return subclass(lambda: [layers.Dense(4, dtype=policy), *further])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_factor_in_half_precision_is_no_rounding(dtype: str) -> None:
    from keras import layers

    verdicts = []
    for factor in (1.1, 8.0):
        scaled = in_half(dtype, layers.Rescaling(factor))
        (pair,) = pairs(in_half(dtype, layers.Rescaling(1.0)), scaled, (6,), "inference")
        verdicts.append(pair.verdict)
    assert verdicts[0] in ("different", "inconclusive")
    assert verdicts[1] == "different"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_rounds_and_overflows_where_float32_does_not(dtype: str) -> None:
    from keras import layers

    (pair,) = pairs(in_half(dtype), functional((6,), lambda: [layers.Dense(4)]), (6,), "inference")
    assert pair.verdict == "equivalent"


# --- functions that hold what they know in a closure ------------------------------------------


def at_the_square(number: float) -> Any:
    from keras import ops

    return lambda x: ops.where(ops.equal(x, number * number), x + 1.0, x)


def at_numbers_of_an_array(number: float) -> Any:
    import numpy as np
    from keras import ops

    numbers = np.full((6,), number, "float32")
    return lambda x: ops.where(ops.equal(x, ops.convert_to_tensor(numbers)), x + 1.0, x)


def at_so_many_samples(number: int) -> Any:
    from keras import ops

    def call(x: Any) -> Any:
        return ops.where(ops.equal(ops.shape(x)[0], number), x + 1.0, x)

    return call


def if_known_to_have_so_many_samples(number: int) -> Any:
    return lambda x: x * 2.0 if x.shape[0] == number else x


@pytest.mark.parametrize("as_lambda", [True, False])
@pytest.mark.parametrize(
    ("make", "number"),
    [
        (at_the_square, 3.7),
        (at_numbers_of_an_array, 3.7),
        (at_so_many_samples, 2),
        (at_so_many_samples, 4),
        (if_known_to_have_so_many_samples, 1),
        (if_known_to_have_so_many_samples, 9),
    ],
)
def test_what_a_function_knows_from_a_closure_is_tried(
    make: Any, number: Any, as_lambda: bool
) -> None:
    import keras

    function = make(number)

    class Own(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return function(x)

    lambda_ = keras.layers.Lambda(function, output_shape=(6,))
    own = functional((6,), lambda: [lambda_ if as_lambda else Own()])
    (pair,) = pairs(functional((6,), lambda: [keras.layers.Identity()]), own, (6,), "inference")
    assert pair.verdict == "different"


# --- models that remember earlier calls outside of their weights ------------------------------


def remembering(kind: str) -> Any:
    """A model that returns its input in its first call; later calls depend on those before."""
    import keras

    class Remembers(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        def call(self, x: Any) -> Any:
            size = None if isinstance(x, keras.KerasTensor) else x.shape[0]
            if size is None:
                return 1.0 * x
            self.sizes.append(size)
            if kind == "first size":
                return x * (1.0 if size == self.sizes[0] else 2.0)
            if kind == "same size again":
                return x * (1.0 if self.sizes.count(size) == 1 else 1.5)
            if size != self.sizes[0]:
                raise ValueError(f"made for {self.sizes[0]} samples")
            return 1.0 * x

    return functional((3,), lambda: [Remembers()])


@pytest.mark.parametrize(
    ("kind", "verdict", "words"),
    [
        ("first size", "different", ""),
        ("same size again", "different", "gives a different result each time it is called"),
        ("made for the first batch", "build_error", "made for "),
    ],
)
def test_a_state_outside_of_the_weights_is_found(kind: str, verdict: str, words: str) -> None:
    from keras import layers

    plain = functional((3,), lambda: [layers.Activation("linear")])
    (pair,) = pairs(plain, remembering(kind), (3,), "inference")
    assert pair.verdict == verdict, pair.explanation
    assert words in pair.explanation


def test_a_weight_that_changes_in_inference_is_a_state() -> None:
    import keras

    class Drifts(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, step: float) -> None:
            super().__init__()
            self.step = step

        def build(self, shape: Any) -> None:
            self.mean = self.add_weight(shape=(3,), initializer="zeros", trainable=False)

        def call(self, x: Any) -> Any:
            shifted = x + self.mean
            self.mean.assign(self.mean + self.step * keras.ops.mean(x, axis=0))
            return shifted

    one, other = (functional((3,), lambda step=step: [Drifts(step)]) for step in (0.0, 0.1))
    (pair,) = pairs(one, other, (3,), "inference")
    assert (pair.verdict, pair.also_differs) == ("equivalent", ("state",))
