"""Layer tables against Keras' own counts, shapes and masks, over every public layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from layerlens.models.build.session import in_fresh_session
from layerlens.models.inspect.layer_table import (
    count_formula,
    count_params,
    layer_rows,
    model_report,
)
from layerlens.report.layers import LayerRow
from tests.unit.tables.every_layer import CASES, Case

pytestmark = pytest.mark.usefixtures("backend")


def _model(outputs: Any, *inputs: Any) -> Any:
    import keras

    return keras.Model(list(inputs) if len(inputs) > 1 else inputs[0], outputs)


def _flat(rows: tuple[LayerRow, ...]) -> Iterator[LayerRow]:
    for row in rows:
        yield row
        yield from _flat(row.holds)


#: Keras refuses these in a symbolic model, whatever they are given.
REFUSED = ("Equalization",)
BUILDABLE = [case for case in CASES if case.id not in REFUSED]


@pytest.mark.parametrize("case", BUILDABLE, ids=[case.id for case in BUILDABLE])
def test_table_agrees_with_keras(case: Case) -> None:
    from layerlens.models.build.request import Built
    from layerlens.models.build_model import build_model
    from layerlens.scenario.spec import ModelSpec, NodeSpec

    node = NodeSpec("subject", case.layer, tuple(given.name for given in case.inputs))
    spec = ModelSpec("m", "graph", nodes=(node,), outputs=("subject",))
    drafted = build_model(spec, case.inputs, allocate=False)
    built = build_model(spec, case.inputs)
    assert isinstance(drafted, Built)
    assert isinstance(built, Built)
    assert drafted.report == built.report, "the table depends on whether weights are allocated"
    (row,) = built.report.layers
    (layer,) = [one for one in built.model.layers if type(one).__name__ == row.type]
    assert row.params == built.report.params == layer.count_params()
    assert built.report.trainable_params == sum(
        count_params([weight]) for weight in built.model.trainable_weights
    )
    assert [weight.shape for weight in row.weights] == [tuple(w.shape) for w in layer.weights]
    assert row.dtype == layer.compute_dtype
    for held in _flat(row.holds):
        assert held.path.startswith("subject/")
        assert held.params <= row.params


def test_wrappers_are_opened_with_the_shapes_they_work_on() -> None:
    import keras

    layers = keras.layers
    x = keras.Input((4, 5))
    y = layers.TimeDistributed(layers.Dense(3, name="d"), name="td")(x)
    y = layers.Bidirectional(layers.GRU(2, return_sequences=True, name="g"), name="bi")(y)
    cells = [layers.LSTMCell(3, name="c1"), layers.GRUCell(2, name="c2")]
    y = layers.RNN(cells, name="rnn")(y)
    rows = {row.path: row for row in _flat(layer_rows(_model(y, x)))}
    dense = rows["td/d"]
    assert (dense.input_shape, dense.output_shape) == ((None, 5), (None, 3))
    assert dense.formula == "18 = 5×3 + 3"
    forward = rows["bi/forward_g"]
    assert (forward.input_shape, forward.output_shape) == ((None, 4, 3), (None, 4, 2))
    assert rows["bi"].params == 2 * forward.params == 84
    held = [path for path in rows if path.startswith("rnn/")]
    assert [rows[path].type for path in held] == ["StackedRNNCells", "LSTMCell", "GRUCell"]
    assert (rows[held[2]].input_shape, rows[held[2]].output_shape) == ((None, 3), (None, 2))


def test_layer_applied_again_is_a_row_of_its_own_that_counts_nothing() -> None:
    import keras

    dense = keras.layers.Dense(3, name="d")
    a, b = keras.Input((7, 4)), keras.Input((4,))
    model = _model([dense(a), dense(b)], a, b)
    first, second = layer_rows(model)
    assert (first.output_shape, first.params, first.shared_with) == ((None, 7, 3), 15, None)
    assert (second.output_shape, second.params, second.shared_with) == ((None, 3), 0, "d")
    assert (second.weights, second.holds, second.formula) == ((), (), None)
    assert model_report("m", model).params == model.count_params() == 15


def test_rows_come_in_the_order_the_layers_were_applied() -> None:
    import keras

    layers = keras.layers
    x = keras.Input((4,))
    long = layers.Dense(4, name="long2")(layers.Dense(4, name="long1")(x))
    short = layers.Dense(4, name="short")(x)
    joined = layers.Add(name="joined")([short, long])
    model = _model(joined, x)
    assert [row.name for row in layer_rows(model)] == ["long1", "long2", "short", "joined"]
    assert [layer.name for layer in model.layers[1:]] != ["long1", "long2", "short", "joined"]


def test_several_inputs_and_outputs_are_tuples_of_shapes() -> None:
    import keras

    x, state = keras.Input((5, 3)), keras.Input((4,))
    outputs = keras.layers.GRU(4, return_state=True)(x, initial_state=state)
    model = _model(outputs, x, state)
    (row,) = layer_rows(model)
    assert row.input_shape == ((None, 5, 3), (None, 4))
    assert row.output_shape == ((None, 4), (None, 4))
    assert model_report("m", model).output_shape == ((None, 4), (None, 4))


def test_masks_are_followed_and_are_no_inputs() -> None:
    import keras

    layers = keras.layers
    x = keras.Input((5,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    y = layers.LSTM(4, return_sequences=True)(y)
    y = layers.Dense(4)(y)
    y = layers.LSTM(4)(y)
    y = layers.Dense(2)(y)
    rows = layer_rows(_model(y, x))
    assert [(row.mask_in, row.mask_out) for row in rows] == [
        (False, True),
        (True, True),
        (True, True),
        (True, False),
        (False, False),
    ]
    assert all(isinstance(row.input_shape[0], type(None)) for row in rows)


def test_mask_made_inside_a_nested_model_is_seen_and_one_passing_it_is_unknown() -> None:
    import keras

    layers = keras.layers
    maker = keras.Sequential([keras.Input((5,)), layers.Embedding(9, 4, mask_zero=True)])
    passing = keras.Sequential([keras.Input((5, 4)), layers.Dense(4)])
    x = keras.Input((5,), dtype="int32")
    made, passed = layer_rows(_model(passing(maker(x)), x))
    assert (made.mask_in, made.mask_out) == (False, True)
    assert (passed.mask_in, passed.mask_out) == (True, None)


def test_nested_model_shows_its_layers_and_no_shapes_it_was_not_used_with() -> None:
    import keras

    layers = keras.layers
    inner = keras.Sequential([keras.Input((None, 3)), layers.Dense(4, name="d")], name="inner")
    same, other = keras.Input((None, 3)), keras.Input((7, 3))
    (as_built,) = layer_rows(_model(inner(same), same))
    (differently,) = layer_rows(_model(inner(other), other))
    assert as_built.holds[0].path == "inner/d"
    assert as_built.holds[0].output_shape == (None, None, 4)
    assert differently.output_shape == (None, 7, 4)
    assert differently.holds[0].output_shape is None
    assert differently.params == 16


def test_frozen_and_shared_weights_in_the_totals() -> None:
    import keras

    layers = keras.layers
    x = keras.Input((4,))
    shared = layers.Dense(4)
    inner = keras.Sequential([keras.Input((4,)), shared])
    frozen = layers.Dense(4, trainable=False)
    model = _model(frozen(layers.BatchNormalization()(shared(inner(x)))), x)
    report = model_report("m", model)
    assert report.params == model.count_params() == 20 + 16 + 20
    assert (report.trainable_params, report.non_trainable_params) == (28, 28)
    assert [row.trainable_params for row in report.layers] == [20, 20, 8, 0]


def test_counts_are_never_cut() -> None:
    import keras

    def summed() -> Any:
        x = keras.Input((2**20,))
        with keras.StatelessScope() as scope:
            scope.initialize_variables = False
            return layer_rows(_model(keras.layers.Dense(2**45, use_bias=False)(x), x))

    # Keras keeps what it has not initialised per thread: it has to end with one.
    (row,) = in_fresh_session(summed, 0)
    assert row.params == 2**65
    assert row.formula == "36,893,488,147,419,103,232 = 1,048,576×35,184,372,088,832"


@pytest.mark.parametrize(
    ("shapes", "formula"),
    [
        ([(15, 48), (16, 48), (48,)], "1,536 = 15×48 + 16×48 + 48"),
        ([(48,)], "48"),
        ([()], "1"),
        ([(1000,)], "1,000"),
        ([], None),
    ],
)
def test_formula(shapes: list[tuple[int, ...]], formula: str | None) -> None:
    assert count_formula(shapes) == formula


def test_seeds_states_and_metrics_are_no_params() -> None:
    import keras

    x = keras.Input((4,))
    model = _model(keras.layers.Dropout(0.5)(x), x)
    model.compile("adam", "mse", metrics=["mae"])
    assert model.variables
    assert model_report("m", model).params == 0


def test_mixed_precision_tells_what_is_computed_in() -> None:
    import keras

    x = keras.Input((4,))
    (row,) = layer_rows(_model(keras.layers.Dense(2, dtype="mixed_float16")(x), x))
    assert row.dtype == "float16"


def test_operations_between_layers_are_rows_and_mask_operations_are_not() -> None:
    import keras

    x = keras.Input((5,), dtype="int32")
    y = keras.layers.Embedding(9, 4, mask_zero=True)(x)
    y = keras.layers.LSTM(3)(y) + 1.0
    rows = layer_rows(_model(y, x))
    assert [row.type for row in rows] == ["Embedding", "LSTM", "Add"]
    assert rows[-1].params == 0


def test_an_argument_that_is_called_weights_is_none() -> None:
    """The operation `bincount` has an attribute `weights`, which is no list of variables."""
    import keras

    from layerlens.models.inspect.nested_layers import weights_of

    x = keras.Input((3,), dtype="int32")
    model = keras.Model(x, keras.ops.bincount(x, minlength=4))
    assert all(weights_of(operation) == () for operation in model.operations)
    assert model_report("m", model).params == 0
