"""Models that others wrote, from KerasHub and keras-tcn, as small as they can be made.

Each is made with its usual arguments and, changed, with one argument of another value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ENCODER = {
    "vocabulary_size": 50,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
}
_DECODER = {
    "vocabulary_size": 50,
    "num_layers": 2,
    "num_query_heads": 2,
    "num_key_value_heads": 1,
    "hidden_dim": 8,
    "intermediate_dim": 16,
}
_SHORT = {"max_sequence_length": 12}
#: Other heads have kernels of other shapes.
_OTHER_HEADS = {"num_heads": 4}


@dataclass(frozen=True)
class Foreign:
    """A model that others wrote."""

    name: str
    arguments: Mapping[str, Any]
    change: Mapping[str, Any]
    #: The verdict on the model and the changed one.
    verdict: str = "different"
    #: The arguments of a layer around which a model is made, where it is one.
    input_shape: tuple[int, ...] | None = None
    package: str = "keras_hub.models"

    def made(self, **change: Any) -> Any:
        """Return the model as Keras makes it, with random weights from Keras' seed."""
        import importlib

        import keras

        made = getattr(importlib.import_module(self.package), self.name)(
            **{**self.arguments, **change}
        )
        if self.input_shape is None:
            return made
        given = keras.Input(self.input_shape)
        return keras.Model(given, keras.layers.Dense(1)(made(given)))


MODELS = [
    Foreign("BertBackbone", {**_ENCODER, **_SHORT}, _OTHER_HEADS, "param_mismatch"),
    Foreign("DistilBertBackbone", {**_ENCODER, **_SHORT}, _OTHER_HEADS, "param_mismatch"),
    Foreign(
        "AlbertBackbone",
        {**_ENCODER, **_SHORT, "embedding_dim": 6},
        _OTHER_HEADS,
        "param_mismatch",
    ),
    Foreign("GPT2Backbone", {**_ENCODER, **_SHORT}, _OTHER_HEADS, "param_mismatch"),
    Foreign("OPTBackbone", {**_ENCODER, **_SHORT}, _OTHER_HEADS, "param_mismatch"),
    Foreign("BartBackbone", {**_ENCODER, **_SHORT}, _OTHER_HEADS, "param_mismatch"),
    Foreign("T5Backbone", _ENCODER, {"layer_norm_epsilon": 0.01}),
    Foreign(
        "WhisperBackbone",
        {
            **_ENCODER,
            "num_mels": 8,
            "max_encoder_sequence_length": 12,
            "max_decoder_sequence_length": 12,
        },
        _OTHER_HEADS,
        "param_mismatch",
    ),
    Foreign("LlamaBackbone", _DECODER, {"rope_max_wavelength": 1000}),
    Foreign("MistralBackbone", _DECODER, {"sliding_window": 3}),
    Foreign("GemmaBackbone", {**_DECODER, "head_dim": 4}, {"layer_norm_epsilon": 0.001}),
    Foreign(
        "ViTBackbone",
        {
            "image_shape": (16, 16, 3),
            "patch_size": 8,
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 8,
            "mlp_dim": 16,
        },
        _OTHER_HEADS,
        "param_mismatch",
    ),
    Foreign(
        "VGGBackbone",
        {
            "stackwise_num_repeats": [1, 1],
            "stackwise_num_filters": [4, 8],
            "image_shape": (16, 16, 3),
        },
        {"stackwise_num_filters": [4, 9]},
        "shape_mismatch",
    ),
    Foreign(
        "TCN",
        {"nb_filters": 4, "kernel_size": 2, "dilations": (1, 2)},
        {"activation": "tanh"},
        input_shape=(12, 3),
        package="tcn",
    ),
]
