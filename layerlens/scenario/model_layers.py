"""The models that may stand in the place of a layer: their names, keys and call arguments."""

from __future__ import annotations

from layerlens.scenario.keras_catalog import Argument, LayerSignature
from layerlens.scenario.keras_source import keras_version

#: Name → what it is.
MODEL_LAYERS = {
    "Sequential": "Layers one after the other, as one layer.",
    "Functional": "A graph of layers with its own inputs, as one layer.",
    "Model": "A saved model with its weights, as one layer.",
}
#: Name → the key that a value without keys is given to.
SHORT_FORMS = {"Sequential": "layers", "Model": "file"}
#: Key → what it takes.
KEY_TEXTS = {
    "layers": "The layers, in order.",
    "graph": "Nodes, as in the graph of a model.",
    "outputs": "The nodes that it returns.",
    "input": "The shape and dtype of its only input, which is called `input`.",
    "inputs": "Name → shape and dtype; `from` gives them in this order.",
    "file": "A saved .keras, .h5 or Keras .json, relative to the scenario's file.",
    "name": "The name of the layer.",
    "trainable": "`false` freezes all of its weights.",
}
_KEYS = {
    "Sequential": ("layers",),
    "Functional": ("graph", "outputs", "layers", "input", "inputs"),
    "Model": ("file",),
}
#: What Keras takes from the call of any model.
_CALL = (
    Argument("training", "None", "Python boolean: whether it runs in training mode."),
    Argument("mask", "None", "A mask of its input."),
)


def model_signature(name: str) -> LayerSignature:
    """Return the keys and call arguments of one of MODEL_LAYERS."""
    keys = [
        Argument(
            key,
            None if key == SHORT_FORMS.get(name) else "None",
            KEY_TEXTS[key],
            keyword_only=key != SHORT_FORMS.get(name),
        )
        for key in (*_KEYS[name], "name", "trainable")
    ]
    return LayerSignature(name, tuple(keys), False, MODEL_LAYERS[name], keras_version(), _CALL)
