"""Weights are paired in the order of the calls where a model lists them in another one."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers

import layerlens
from layerlens.report.pairs import PairReport

pytestmark = pytest.mark.usefixtures("backend")


class Crossed(keras.Model):
    """Sets its attributes in another order than it calls them."""

    def __init__(self, names: tuple[str, str] = ("last", "first"), **more: Any) -> None:
        super().__init__(**more)
        self.names = tuple(names)
        self.last = layers.Dense(3, name=names[0])
        self.first = layers.Dense(3, activation="relu", name=names[1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "names": self.names}

    def call(self, x: Any) -> Any:
        return self.last(self.first(x))


class Branching(Crossed):
    """Computes something else, whatever its weights."""

    def call(self, x: Any) -> Any:
        return self.last(self.first(x)) + self.first(x)


def functional(names: tuple[str, str] = ("first", "last")) -> Any:
    inputs = keras.Input((3,))
    hidden = layers.Dense(3, activation="relu", name=names[0])(inputs)
    return keras.Model(inputs, layers.Dense(3, name=names[1])(hidden))


def pair_of(one: Any, other: Any, **more: Any) -> PairReport:
    report = layerlens.compare({"one": one, "other": other}, inputs=(3,), **more)
    return report.scenarios[0].pairs[0]


def test_a_subclass_equals_its_functional_form_by_the_order_of_calls() -> None:
    pair = pair_of(functional(), Crossed())
    assert pair.verdict == "equivalent"
    assert pair.transfer is not None
    assert pair.transfer.method == "call_order"
    sources = {target: source for source, target in pair.transfer.pairs}
    assert sources["crossed/first/kernel"] == "first/kernel"
    assert "position by position, as `set_weights` copies them" in pair.explanation


def test_what_differs_in_every_order_stays_different() -> None:
    pair = pair_of(functional(), Branching())
    assert pair.verdict == "different"
    assert pair.transfer is not None
    assert pair.transfer.method == "by_order"


def test_names_that_the_user_gave_hold_against_the_order_of_calls() -> None:
    """Both have a layer `a` with relu that comes first; the subclass calls `b` first."""
    pair = pair_of(functional(("a", "b")), Crossed(("a", "b")))
    assert pair.verdict == "different"


def test_by_order_means_positions() -> None:
    pair = pair_of(functional(), Crossed(), transfer="by_order")
    assert pair.verdict == "different"


class Block(layers.Layer):
    """A feed-forward block with its normalization behind the layers that it is called before."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.inner = keras.Sequential([layers.Dense(5, activation="gelu"), layers.Dense(3)])
        self.norm = layers.LayerNormalization()

    def call(self, x: Any) -> Any:
        return x + self.inner(self.norm(x))


def written_out(epsilon: float = 1e-3) -> Any:
    inputs = keras.Input((3,))
    hidden = layers.LayerNormalization(epsilon=epsilon)(inputs)
    hidden = layers.Dense(5, activation="gelu")(hidden)
    return keras.Model(inputs, layers.Add()([inputs, layers.Dense(3)(hidden)]))


def test_shapes_that_fit_in_the_order_of_calls_alone() -> None:
    pair = pair_of(lambda: keras.Sequential([keras.Input((3,)), Block()]), written_out)
    assert (pair.verdict, pair.transfer and pair.transfer.method) == ("equivalent", "call_order")
    other = pair_of(
        lambda: keras.Sequential([keras.Input((3,)), Block()]), lambda: written_out(0.1)
    )
    assert other.verdict == "different"
