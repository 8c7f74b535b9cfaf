"""Counts in the layers' own terms, held against Keras' counts over every layer that has weights."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from layerlens.models.build.request import Built
from layerlens.models.build_model import build_model
from layerlens.models.inspect.param_formula import count_of
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec
from tests.unit.tables.every_layer import CASES, VARIANTS, Case, layer

pytestmark = pytest.mark.usefixtures("backend")

SEQUENCE = (InputSpec("x", (8, 6)),)


def built(case: Case) -> Built | None:
    node = NodeSpec("subject", case.layer, tuple(given.name for given in case.inputs))
    spec = ModelSpec("m", "graph", nodes=(node,), outputs=("subject",))
    made = build_model(spec, case.inputs, allocate=False)
    return made if isinstance(made, Built) else None


def row_of(spec: LayerSpec, inputs: tuple[InputSpec, ...] = SEQUENCE) -> LayerRow:
    made = built(Case(spec, inputs))
    assert made is not None
    return made.report.layers[0]


def report_of(model: Any) -> ModelReport:
    from layerlens.models.inspect.layer_table import model_report

    return model_report("m", model)


def worked_out(text: str) -> int:
    """Read the sum as arithmetic: numbers, × and +, the words between them left out."""
    sums = re.sub(r"[A-Za-z_]\w*", "", text.partition(" = ")[0]).replace("×", "*")
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", sums)
    return int(eval(plain.replace(",", " ")))


def test_every_count_is_keras_own_in_words_and_in_terms() -> None:
    seen = []
    for case in (*CASES, *VARIANTS):
        made = built(case)
        if made is None:
            continue
        (row,) = made.report.layers
        own = next(one for one in made.model.layers if one.name == "subject").count_params()
        assert row.params == own, case.id
        assert sum(term.params for term in row.terms) == own, case.id
        for term in row.terms:
            assert term.params == math.prod(factor.size for factor in term.factors), case.id
        if own:
            assert row.counted is not None
            assert worked_out(row.counted) == own, (case.id, row.counted)
            seen.append(case.id)
        else:
            assert row.counted is None
    assert len(seen) > 50


def test_a_sum_that_is_wrong_would_be_seen() -> None:
    text = "3 gates × (15 inputs × 16 units + 16×16 recurrent + 2×16 biases, because reset_after)"
    assert worked_out(text) == 1584
    assert worked_out(text.replace("2×16", "16")) == 1536


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            layer("GRU", units=16),
            "3 gates × (6 inputs × 16 units + 16×16 recurrent + 2×16 biases, "
            "because reset_after) = 1,152",
        ),
        (
            layer("GRU", units=16, reset_after=False),
            "3 gates × (6 inputs × 16 units + 16×16 recurrent + 16 biases) = 1,104",
        ),
        (
            layer("Bidirectional", layer=layer("LSTM", units=4)),
            "2 directions × 4 gates × (6 inputs × 4 units + 4×4 recurrent + 4 biases) = 352",
        ),
        (
            layer("Conv1D", filters=4, kernel_size=3, groups=2),
            "3 positions × 3 inputs a group × 4 filters, in 2 groups + 4 biases = 40",
        ),
        (
            layer("DepthwiseConv1D", kernel_size=3, depth_multiplier=2, use_bias=False),
            "3 positions × 6 inputs × 2 filters for each input = 36",
        ),
        (
            layer("Dense", units=4, lora_rank=2),
            "6 inputs × 4 units + 4 biases + 6 inputs × 2 ranks + 2 ranks × 4 units = 48",
        ),
        (
            layer("TimeDistributed", layer=layer("Dense", units=1)),
            "6 inputs × 1 unit + 1 bias = 7",
        ),
        (
            layer("LayerNormalization", center=False),
            "6 gamma = 6",
        ),
    ],
    ids=lambda part: part.type if isinstance(part, LayerSpec) else "",
)
def test_the_words(spec: LayerSpec, text: str) -> None:
    assert row_of(spec).counted == text


def test_terms_name_the_argument_that_asks_for_them() -> None:
    terms = row_of(layer("GRU", units=16)).terms
    assert [(term.meaning, term.params, term.because) for term in terms] == [
        ("kernel", 288, None),
        ("recurrent kernel", 768, None),
        ("bias", 48, "use_bias"),
        ("second bias", 48, "reset_after"),
    ]


def test_custom_layers_are_counted_by_their_weights_shapes() -> None:
    import keras

    class Twice(keras.layers.Dense):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            super().build(shape)
            self.extra = self.add_weight(shape=(3, 5), name="extra_table")

    class Halved(keras.layers.Dense):  # type: ignore[misc]
        """Says `units` and makes half of them: its description must not be believed."""

        def build(self, shape: Any) -> None:
            self._kernel = self.add_weight(shape=(shape[-1], self.units // 2), name="kernel")
            self.bias = self.add_weight(shape=(self.units // 2,), name="bias")
            self.built = True

    twice, halved = Twice(4), Halved(4)
    twice.build((None, 6))
    halved.build((None, 6))
    assert count_of(twice, "t").text == "6 inputs × 4 units + 4 biases + 3×5 extra table = 43"
    told = count_of(halved, "h")
    assert sum(term.params for term in told.terms) == 14
    assert worked_out(told.text or "") == 14


def test_quantised_kernels_are_counted_as_they_are_stored() -> None:
    import keras

    x = keras.Input((6,))
    dense = keras.layers.Dense(4)
    model = keras.Model(x, dense(x))
    dense.quantize("int8")
    report = report_of(model)
    (row,) = report.layers
    assert sum(term.params for term in row.terms) == row.params == dense.count_params()
    assert report.bytes_by_dtype == {"int8": 24, "float32": 32}


def test_frozen_shared_and_bytes() -> None:
    import keras

    layers = keras.layers
    x = keras.Input((4,))
    shared = layers.Dense(4)
    inner = keras.Sequential([keras.Input((4,)), shared])
    frozen = layers.Dense(4, trainable=False, dtype="float64")
    y = frozen(layers.BatchNormalization()(shared(inner(x))))
    report = report_of(keras.Model(x, layers.Dense(2)(y)))
    assert report.params == 20 + 16 + 20 + 10
    assert (report.trainable_params, report.non_trainable_params) == (20 + 8 + 10, 8 + 20)
    assert report.frozen_params == 20, "moving statistics are never trained, and not frozen"
    assert report.shared_params == 20
    assert report.bytes_by_dtype == {"float32": (20 + 16 + 10) * 4, "float64": 160}
    assert [row.frozen_params for row in report.layers if row.params] == [0, 0, 0, 20, 0]


def test_what_two_calls_of_one_layer_give_is_told_apart() -> None:
    import keras

    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    twin = keras.layers.Dense(4, name="twin")
    pair = keras.layers.Concatenate(name="pair")([twin(x), twin(y)])
    rows = report_of(keras.Model([x, y], pair)).layers
    assert [row.inputs for row in rows] == [("x",), ("y",), ("twin", "twin#2")]
