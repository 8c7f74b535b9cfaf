"""The input of a chain of Keras 1 or 2 that was saved without the shape of its input.

Keras 2 built such a chain when it was first called, and wrote no shape. The scenario's input stands
in, or the one that the kernel of the first layer with weights takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from layerlens.models.external.older.record import valid_name
from layerlens.models.external.older.weights import Age, Stored
from layerlens.scenario.spec import Shape

#: Layers whose output has the rank and the features of their input.
_KEEP_FEATURES = frozenset(
    {
        *("Activation", "BatchNormalization", "Dropout", "ELU", "GaussianDropout", "GaussianNoise"),
        *("LeakyReLU", "Masking", "ReLU"),
        *(f"SpatialDropout{n}D" for n in (1, 2, 3)),
        *(f"{kind}{n}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for n in (1, 2, 3)),
        *(f"{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)),
    }
)
#: Layers by the number of axes between samples and features, and the axis of their kernel that has
#: the features.
_BY_KERNEL = {
    "Dense": (0, 0),
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU"), (1, 0)),
    **{f"Conv{n}D": (n, -2) for n in (1, 2, 3)},
    **{f"SeparableConv{n}D": (n, -2) for n in (1, 2)},
    "DepthwiseConv2D": (2, -2),
    "Conv2DTranspose": (2, -1),
}
_WRAPPED = "Bidirectional"


@dataclass(frozen=True)
class KernelInput:
    """The input of a chain by the weights of one of its layers."""

    shape: Shape
    dtype: str
    layer: str

    @property
    def note(self) -> str:
        """Return the remark for the model's report."""
        shape = ", ".join(str(length) for length in (None, *self.shape))
        return (
            f"the file does not say what input the model takes: ({shape}) was taken, "
            f"by the weights of `{self.layer}`"
        )


def lacks_input(config: Mapping[str, Any]) -> bool:
    """Return whether a model in the form of Keras 3 is a chain without the shape of its input."""
    if config.get("class_name") != "Sequential":
        return False
    layers = _layers(config)
    if not layers:
        return False
    first = layers[0]
    if first.get("class_name") == "Sequential":
        return lacks_input(first)
    return first.get("class_name") not in ("InputLayer", "Functional")


def with_input(config: Mapping[str, Any], shape: Shape, dtype: str) -> dict[str, Any]:
    """Return a chain with an InputLayer."""
    first = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, *shape], "dtype": dtype, "name": "chain_input"},
        "registered_name": None,
    }
    inner = {**config["config"], "layers": [first, *_layers(config)]}
    return {**config, "config": inner}


def input_of_weights(
    config: Mapping[str, Any], groups: Mapping[str, list[Stored]], age: Age
) -> KernelInput | None:
    """Return the input that the first layer with a kernel takes; None where that is not known."""
    for layer in _layers(config):
        kind, inner = str(layer.get("class_name")), layer.get("config", {})
        if kind in _KEEP_FEATURES:
            continue
        name = str(inner.get("name"))
        stored = groups.get(valid_name(name))
        if name in age.composed or not stored:
            return None
        if kind == "Embedding":
            return KernelInput((None,), "int32", name)
        if kind == _WRAPPED:
            kind = str(inner.get("layer", {}).get("class_name"))
        return _by_kernel(kind, inner, stored[0].values.shape, name, age)
    return None


def _by_kernel(
    kind: str, inner: Mapping[str, Any], kernel: tuple[int, ...], name: str, age: Age
) -> KernelInput | None:
    if kind not in _BY_KERNEL:
        return None
    between, axis = _BY_KERNEL[kind]
    is_convolution = axis != 0
    if len(kernel) != (between + 2 if is_convolution else 2):
        return None
    if is_convolution and age.is_first:
        return None  # its kernels have several layouts
    spatial = (None,) * between
    features = kernel[axis]
    first = is_convolution and inner.get("data_format") == "channels_first"
    return KernelInput((features, *spatial) if first else (*spatial, features), "float32", name)


def _layers(config: Mapping[str, Any]) -> list[Any]:
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    return layers if isinstance(layers, list) else []
