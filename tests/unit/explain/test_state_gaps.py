"""State and call arguments are named where the configurations of two layers are the same."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from layerlens.explain.align_layers import align_layers
from layerlens.explain.state_gaps import state_gaps
from layerlens.models.inspect.layer_table import model_report

pytestmark = pytest.mark.usefixtures("backend")


def sentences(one: Any, other: Any) -> list[str]:
    reports = model_report("one", one), model_report("other", other)
    return list(state_gaps(*reports, align_layers(*reports)))


def chain(*shape: int, layer: Any, **more: Any) -> Any:
    import keras

    return keras.Sequential([keras.Input(shape, **more), layer])


def normal(shift: float) -> Any:
    import keras

    layer = keras.layers.Normalization(name="normal")
    layer.adapt(np.asarray([[shift, 1.0], [shift + 2.0, 1.0]], "float32"))
    return layer


def test_adapted_statistics_are_named() -> None:
    (found,) = sentences(chain(2, layer=normal(0.0)), chain(2, layer=normal(4.0)))
    assert found == "`normal` holds `mean` [[5, 1]] (in `one` [[1, 1]])"
    assert sentences(chain(2, layer=normal(4.0)), chain(2, layer=normal(4.0))) == []


def test_adapted_vocabularies_and_bins_are_named() -> None:
    import keras

    def lookup(*words: str) -> Any:
        layer = keras.layers.StringLookup(name="words")
        layer.adapt(np.asarray(words))
        return chain(layer=layer, dtype="string")

    (found,) = sentences(lookup("a", "b", "b"), lookup("b", "c", "c"))
    assert found == "`words` holds `vocabulary` [[UNK], c, b] (in `one` [[UNK], b, a])"

    def bins(*values: float) -> Any:
        layer = keras.layers.Discretization(num_bins=2, name="bins")
        layer.adapt(np.asarray(values, "float32"))
        return chain(2, layer=layer)

    (found,) = sentences(bins(1, 2, 3, 4), bins(5, 6, 7, 8))
    assert found.startswith("`bins` holds `bin_boundaries` [")


def test_call_arguments_are_named() -> None:
    import keras

    layers = keras.layers

    def attention(**call: Any) -> Any:
        given = keras.Input((4, 3))
        return keras.Model(given, layers.Attention(name="look")([given, given], **call))

    (found,) = sentences(attention(use_causal_mask=True), attention())
    assert found.startswith("`look` is called with `use_causal_mask` ")
    assert found.endswith("(in `one` true)")

    def dropout(**call: Any) -> Any:
        given = keras.Input((3,))
        return keras.Model(given, layers.Dropout(0.5, name="drop")(given, **call))

    (found,) = sentences(dropout(training=True), dropout())
    # Some versions of Keras write down the `training` that a call ends up with.
    assert re.fullmatch(r"`drop` is called with `training` (none|false) \(in `one` true\)", found)
    assert sentences(dropout(training=True), dropout(training=True)) == []


def test_attributes_of_custom_layers_are_named() -> None:
    import keras

    class Scaled(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, factor: float, table: Any) -> None:
            super().__init__(name="scaled")
            self.factor = factor
            self.table = table
            self.kept = object()

        def call(self, x: Any) -> Any:
            return x * self.factor

    one, other = (chain(3, layer=Scaled(2.0, np.arange(n))) for n in (2, 3))
    assert sentences(one, other) == ["`scaled` holds `table` [0, 1, 2] (in `one` [0, 1])"]
    wrapped = [
        chain(4, 3, layer=keras.layers.TimeDistributed(Scaled(2.0, np.arange(n)), name="each"))
        for n in (2, 3)
    ]
    assert sentences(*wrapped) == ["`scaled` holds `table` [0, 1, 2] (in `one` [0, 1])"]
