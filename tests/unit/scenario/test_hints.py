"""Hints for names of older Keras, of other libraries, and for Python's syntax."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.foreign_names import FOREIGN_ARGUMENTS, FOREIGN_CLASSES, FOREIGN_ONLY
from layerlens.scenario.hints import argument_hint, layer_hint
from layerlens.scenario.keras_catalog import layer_names, signature
from layerlens.scenario.model_layers import MODEL_LAYERS
from layerlens.scenario.older_names import RENAMED_ARGUMENTS, RENAMED_CLASSES

KNOWN = (*layer_names(), *MODEL_LAYERS)

#: Name as it is written → the start of the hint.
LAYERS = {
    # Keras 1 and 2
    "CuDNNLSTM": "did you mean `LSTM`?",
    "CuDNNGRU": "did you mean `GRU`?",
    "Deconvolution2D": "did you mean `Conv2DTranspose`?",
    "TimeDistributedDense": "did you mean `Dense`?",
    "ThresholdedReLU": "did you mean `ReLU`?",
    "LocallyConnected1D": "`LocallyConnected1D`, a convolution with different weights",
    "MaxoutDense": "`MaxoutDense` of Keras 1 is not in Keras 3: write `Dense`",
    # other libraries
    "Linear": "did you mean `Dense`?",
    "BatchNorm2d": "did you mean `BatchNormalization`? PyTorch's defaults are `epsilon: 1.0e-5`",
    "Conv2d": "did you mean `Conv2D`?",
    "ConvTranspose2d": "did you mean `Conv2DTranspose`?",
    "MaxPool2d": "did you mean `MaxPooling2D`?",
    "Dropout2d": "did you mean `SpatialDropout2D`?",
    "GELU": "did you mean `Activation: gelu`?",
    "Embed": "did you mean `Embedding`?",
    # qualified names
    "keras.layers.Dense": "did you mean `Dense`? Write only the name of the class",
    "layers.Dense": "did you mean `Dense`?",
    "tf.keras.layers.GRU": "did you mean `GRU`?",
    "tf.keras.Sequential": "did you mean `Sequential`?",
    "nn.LSTM": "did you mean `LSTM`?",
    "torch.nn.Linear": "did you mean `Dense`?",
    "keras.layers.CuDNNGRU": "did you mean `GRU`?",
    # Python's syntax
    "Dense 3": "write `Dense: 3`",
    "Dense=3": "write `Dense: 3`",
    "Dense(3)": "write `Dense: 3`",
    "Flatten()": "write `Flatten`",
    "keras.layers.Dense(64, activation='relu')": "write `Dense: {units: 64, activation: relu}`",
    "Conv2D(8, (3, 3))": "write `Conv2D: {filters: 8, kernel_size: [3, 3]}`",
    "nn.Linear(4)": "write `Dense: 4`",
    # misspelt and abbreviated
    "Desne": "did you mean `Dense`?",
    "dense": "did you mean `Dense`?",
    "max_pooling_1d": "did you mean `MaxPooling1D`?",
    "BatchNorm": "did you mean `BatchNormalization`?",
    "Bidir": "did you mean `Bidirectional`?",
    "Sequantial": "did you mean `Sequential`?",
}


@pytest.mark.parametrize(("name", "hint"), LAYERS.items())
def test_an_unknown_layer(name: str, hint: str) -> None:
    told = layer_hint(name, None, KNOWN)
    assert told.startswith(hint)
    assert "lists them all" not in told  # the suggestion is sure


@pytest.mark.parametrize("name", ["Conv4D", "Foo", "Foo(3, x)", "Dense(*x)", "GLSTU"])
def test_without_a_sure_suggestion_the_list_of_layers_is_named(name: str) -> None:
    told = layer_hint(name, None, KNOWN)
    assert "`layerlens layers` lists them all" in told or told.startswith("write `")


def test_a_merge_of_keras_1_becomes_the_layer_of_its_mode() -> None:
    assert "`Concatenate`?" in layer_hint("Merge", {"mode": "concat"}, KNOWN)
    assert "`Add`?" in layer_hint("Merge", {"mode": "sum"}, KNOWN)
    told = layer_hint("Merge", None, KNOWN)
    assert "`Concatenate` (concat)" in told
    assert "`Add` (sum)" in told


#: Layer, argument as it is written, and the start of the hint.
ARGUMENTS = [
    # Keras 1 and 2
    ("GRU", "output_dim", "did you mean `units`?"),
    ("Dense", "output_dim", "did you mean `units`?"),
    ("Dense", "init", "did you mean `kernel_initializer`?"),
    ("Embedding", "init", "did you mean `embeddings_initializer`?"),
    ("SeparableConv2D", "init", "did you mean `depthwise_initializer` and `pointwise_"),
    ("Conv1D", "filter_length", "did you mean `kernel_size`?"),
    ("Conv2D", "nb_filter", "did you mean `filters`?"),
    ("Conv2D", "nb_row", "Keras 3 takes all sizes together: `kernel_size:"),
    ("Conv2D", "border_mode", "did you mean `padding`?"),
    ("Conv2D", "dim_ordering", "did you mean `data_format`? That is its name in Keras 3; `tf`"),
    ("LSTM", "inner_activation", "did you mean `recurrent_activation`?"),
    ("LSTM", "consume_less", "it has no effect on the result"),
    ("Dropout", "p", "did you mean `rate`?"),
    ("ReLU", "theta", "did you mean `threshold`?"),
    ("Dense", "input_shape", "a scenario declares the shape once, under `input:`"),
    ("Dense", "batch_input_shape", "a scenario declares the shape once"),
    ("Embedding", "input_length", "a scenario declares the shape once"),
    ("Dense", "weights", "give a layer's weights under `weights:` of the model"),
    ("Dense", "lr", "a layer has no learning rate: remove it"),
    # other libraries
    ("Dense", "out_features", "did you mean `units`?"),
    ("Dense", "in_features", "Keras takes the size from the input: remove it"),
    ("Conv2D", "out_channels", "did you mean `filters`?"),
    ("Conv2D", "stride", "did you mean `strides`?"),
    ("LSTM", "hidden_size", "did you mean `units`?"),
    ("LSTM", "bidirectional", "write `Bidirectional: {layer: {...}}`"),
    ("BatchNormalization", "eps", "did you mean `epsilon`?"),
    ("MultiHeadAttention", "embed_dim", "did you mean `key_dim`? `key_dim` is the size of one"),
    # misspelt and abbreviated
    ("Dense", "unit", "did you mean `units`?"),
    ("Dense", "kern_init", "did you mean `kernel_initializer`?"),
    ("GRU", "ret_seq", "did you mean `return_sequences`?"),
    ("GRU", "returnSequences", "did you mean `return_sequences`?"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "name", "hint"), ARGUMENTS)
def test_an_unknown_argument(layer: str, name: str, hint: str) -> None:
    told = argument_hint(signature(layer), name)
    assert told.startswith(hint)
    assert "allowed:" not in told


def test_without_a_sure_suggestion_the_arguments_are_listed() -> None:
    assert argument_hint(signature("Dropout"), "zzz").startswith("allowed: rate, ")


@pytest.mark.parametrize("name", [*RENAMED_CLASSES, *FOREIGN_CLASSES])
def test_every_suggested_class_is_a_layer_of_keras(name: str) -> None:
    keras = RENAMED_CLASSES.get(name) or FOREIGN_CLASSES[name][0]
    assert keras.partition(":")[0] in KNOWN


def test_every_suggested_argument_is_one_of_a_layer() -> None:
    offered = {item for name in layer_names() for item in signature(name).offered}
    for names, _ in FOREIGN_ARGUMENTS.values():
        assert set(names) <= offered
    assert not offered & (FOREIGN_ONLY.keys() - {"num_layers"})
    for layer, renamed in RENAMED_ARGUMENTS.items():
        offered_here = signature(layer).offered
        for old, new in renamed.items():
            if old not in offered_here and new in offered_here and layer != "InputLayer":
                assert argument_hint(signature(layer), old).startswith("did you mean `")


#: The text of a model's layers, and the one fault that it has.
FLOW = [
    ("[Conv1D: {filters: 3, kernel_size: (3, 3)}]", "`(3, 3)` is a tuple of Python", "`[3, 3]`"),
    (
        "[Conv2D: {filters: 3, kernel_size: 3, strides: (1, (2, 3))}]",
        "`(1, (2, 3))` is a tuple of Python",
        "`[1, [2, 3]]`",
    ),
    (
        "[Dense(64, activation='relu')]",
        "`Dense(64, activation='relu')` is a call of Python",
        "`Dense: {NAME: 64, activation: relu}`",
    ),
    ('[Dense: {units: "16"}]', "`units` of `Dense` takes an integer", "16`, without quotes"),
    ("[Dense: {units: (16)}]", "`units` of `Dense` takes an integer", "`units: 16`"),
    ('[Dense: {units: 3, use_bias: "True"}]', "`use_bias` of `Dense` takes", "`use_bias: true`"),
    ("[Dense: {units: 3, activation: None}]", "`activation` of `Dense`", "`activation: null`"),
    ("[Dense: {units: 3, dtype: float}]", "`dtype` of `Dense` takes", "`float32`?"),
    ("[TimeDistributed: {Dense: 3}]", "unknown argument `Dense`", "`layer: {Dense: ...}`"),
    ("[RNN: {LSTMCell: 3}]", "unknown argument `LSTMCell`", "`cell: {LSTMCell: ...}`"),
    ("[Sequantial: [Dense: 3]]", "unknown layer `Sequantial`", "`Sequential`?"),
    ("[Sequential: [Desne: 3]]", "unknown layer `Desne`", "`Dense`?"),
    ("[{Dropout: 0.5, call: {trainning: true}}]", "unknown argument `trainning`", "`training`?"),
]


@pytest.mark.parametrize(("layers", "message", "hint"), FLOW)
def test_one_mistake_in_a_layer_gives_one_fault(
    told: Any, layers: str, message: str, hint: str
) -> None:
    text = f"input: {{shape: [9, 9, 3]}}\nmodels:\n  a: {layers}\n  b: [Flatten]\n"
    (fault,) = told(text)
    assert message in fault
    assert hint in fault


#: The text of an input, and the one fault that it has.
INPUTS = [
    ("{shape: (8, 4)}", "`(8, 4)` is a tuple of Python | write `[8, 4]`"),
    ("{shape: (8,), dtype: int32}", "`(8,)` is a tuple of Python | write `[8]`"),
    ('{shape: "(8, 4)"}', "write `shape: [8, 4]`"),
    ("{shape: [8], dtype: int}", "did you mean `int32`?"),
    ("{shape: [8], dtype: double}", "did you mean `float64`?"),
    ("{shape: [8], dtype: np.float32}", "did you mean `float32`?"),
    ("{shape: [8], dtype: torch.long}", "did you mean `int64`?"),
    ("{shape: [8], dtype: str}", "did you mean `string`?"),
    ('{shape: ["8"]}', "write `8`, without quotes"),
    ("{shape: [None, 8]}", "write `null`"),
    ("{batch_shape: [null, 8]}", "leave the batch axis out"),
    ('{shape: [8], dtype: int32, high: "5"}', "write `high: 5`, without quotes"),
    ("{shpae: [8]}", "unknown key `shpae` | did you mean `shape`?"),
]


@pytest.mark.parametrize(("spec", "fault"), INPUTS)
def test_one_mistake_in_an_input_gives_one_fault(told: Any, spec: str, fault: str) -> None:
    found = told(f"input: {spec}\nmodels: {{a: [Flatten], b: [Flatten]}}\n")
    assert fault in found[0]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("modles: {a: [Flatten], b: [Flatten]}", "did you mean `models`?"),
        ("when: {unpaded: true}", "did you mean `unpadded`?"),
        ("transfer: {pair: [{from: a, to: b}]}", "did you mean `pairs`?"),
        ("transfer: {pairs: [{from: a, to: b, transpsoe: [1, 0]}]}", "did you mean `transpose`?"),
        ("transfer: by_nmae", "did you mean `by_name`?"),
        ("modes: [train]", "did you mean `training`?"),
        ("fit: {loss: mse, lr: 0.1}", "the optimizer trains at its default learning rate"),
        ("fit: {loss: mse, nb_epoch: 3}", "did you mean `epochs`?"),
    ],
)
def test_one_mistake_in_a_scenario_gives_one_fault(told: Any, text: str, fault: str) -> None:
    models = "" if "modles" in text else "models: {a: [Flatten], b: [Flatten]}\n"
    found = told(f"input: {{shape: [8]}}\n{models}{text}\n")
    assert fault in found[0]
    assert "allowed:" not in found[0]
    assert len(found) == 1


@pytest.mark.parametrize(
    "text",
    [
        "title: (8, 4)",
        "question: f(x, y) = (1, 2)",
        "expect: {models: {a: {error: '(None, 8)'}}}",
        "answer: Dense(64, activation='relu') and None",
    ],
)
def test_text_that_looks_like_python_stays_text(read: Any, text: str) -> None:
    models = "models: {a: [Flatten], b: [Flatten]}\n"
    read(f"input: {{shape: [8]}}\n{models}{text}\n")
