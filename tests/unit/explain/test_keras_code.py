import numpy as np
import pytest

from layerlens.errors import UsageError
from layerlens.explain.keras_code import (
    Described,
    array_source,
    call_source,
    filling_source,
    layer_source,
    model_source,
)
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec

X = InputSpec("x", (4, None), "int32")


def test_a_layer_is_written_with_its_nested_layers() -> None:
    cell = LayerSpec("LSTMCell", {"units": 2})
    held = LayerSpec("RNN", {"cell": (cell, cell), "go_backwards": True})
    both = LayerSpec("Bidirectional", {"layer": held, "merge_mode": None})
    assert layer_source(both, "both") == (
        "layers.Bidirectional(layer=layers.RNN(cell=[layers.LSTMCell(units=2), "
        'layers.LSTMCell(units=2)], go_backwards=True), merge_mode=None, name="both")'
    )
    chain = LayerSpec("TimeDistributed", {"layer": (cell, LayerSpec("ReLU"))})
    assert layer_source(chain) == (
        "layers.TimeDistributed(layer=keras.Sequential([layers.LSTMCell(units=2), layers.ReLU()]))"
    )


def test_objects_as_arguments_are_constructed() -> None:
    spec = LayerSpec(
        "Dense",
        {
            "units": 2,
            "kernel_initializer": {"class_name": "RandomNormal", "config": {"stddev": 0.1}},
            "kernel_regularizer": {"class_name": "L2", "config": {}},
        },
    )
    assert layer_source(spec) == (
        "layers.Dense(units=2, kernel_initializer=keras.initializers.RandomNormal(stddev=0.1), "
        "kernel_regularizer=keras.regularizers.L2())"
    )


def test_arrays_are_read_back_as_they_were() -> None:
    for array in (
        np.float32([[0.1, np.inf], [-np.inf, 1e-30]]),
        np.int32([[3]]),
        np.zeros((0, 2), "float32"),
    ):
        again = eval(array_source(array), {"np": np})
        assert again.dtype == array.dtype
        assert np.array_equal(again, array)


def test_mostly_equal_arrays_are_filled() -> None:
    array = np.full((1, 6, 6), 2, "int32")
    array[0, 1, 5] = 7
    source = filling_source("x", array)
    assert source == 'x = np.full((1, 6, 6), 2, dtype="int32")\nx[0, 1, 5] = 7'
    assert filling_source("x", np.arange(40)) is None
    assert filling_source("x", np.zeros((1, 3))) is None


def test_a_graph_with_names_that_python_reserves() -> None:
    dense = LayerSpec("Dense", {"units": 2})
    nodes = (
        NodeSpec("class", dense, ("x",)),
        NodeSpec("2nd", None, ("class",), share="class"),
        NodeSpec("keras", LayerSpec("MultiHeadAttention"), ("class", "2nd")),
    )
    spec = ModelSpec("m", "graph", nodes=nodes, outputs=("keras", "2nd"))
    assert model_source("build", Described(spec, (X,), ())) == "\n".join(
        [
            "def build():",
            '    x_ = keras.Input((4, None), dtype="int32", name="x")',
            '    class__layer = layers.Dense(units=2, name="class")',
            "    class_ = class__layer(x_)",
            "    _2nd = class__layer(class_)",
            '    keras_ = layers.MultiHeadAttention(name="keras")(class_, _2nd)',
            "    return keras.Model(x_, [keras_, _2nd])",
        ]
    )


def test_calls_are_named_as_their_execution() -> None:
    described = Described(ModelSpec("m", "layers"), (X,), (), batch_size=3)
    assert call_source("eager", described, training=True) == (
        "def eager(model):\n    return model(x, training=True)"
    )
    assert 'signature = [tf.TensorSpec([3, 4, None], "int32")]' in call_source(
        "traced_dynamic", described, training=False
    )


def test_a_model_that_keras_cannot_describe_is_refused() -> None:
    class Unwritable:
        def to_json(self) -> str:
            raise NotImplementedError("no get_config")

    described = Described(ModelSpec("m", "object"), (X,), (), model=Unwritable())
    with pytest.raises(UsageError, match="`m` cannot be written as a script: no get_config"):
        model_source("build", described)
