"""Build the models of the traps with Keras alone, and call them: nothing of layerlens is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tests.traps import written_out

#: Arguments that hold layers.
_HOLDERS = ("backward_layer", "cell", "layer")

Arrays = Sequence[NDArray[Any]]


@contextmanager
def float64() -> Iterator[None]:
    """Context manager in which Keras builds and computes in float64."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def built(described: Any, inputs: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return the Keras model that an entry describes: a formula, a list of layers or a graph."""
    given = [{**spec, "name": name, "dtype": _dtype(spec)} for name, spec in inputs.items()]
    if isinstance(described, str):
        return written_out.model(described, given)
    tensors = {
        one["name"]: keras.Input(
            tuple(one["shape"]),
            dtype=one["dtype"],
            name=one["name"],
            batch_size=one.get("batch_size"),
        )
        for one in given
    }
    started = list(tensors.values())
    if isinstance(described, list):
        described = {"layers": described}
    if "layers" in described:
        found = started[0]
        for part in described["layers"]:
            found = _layer(part)(found, **_call_arguments(part, {}))
        outputs = found
    else:
        outputs = _graph(described, tensors)
    return keras.Model(started if len(started) > 1 else started[0], outputs)


def _graph(described: Mapping[str, Any], tensors: dict[str, Any]) -> Any:
    for name, part in described["graph"].items():
        layer = _layer({key: value for key, value in part.items() if key != "from"})
        sources = [_tensor(source, tensors) for source in part["from"]]
        is_listed = len(sources) > 1 and _takes_list(layer)
        arguments = _call_arguments(part, tensors)
        tensors[name] = layer(sources, **arguments) if is_listed else layer(*sources, **arguments)
    listed = [_tensor(one, tensors) for one in described["outputs"]]
    return listed if len(listed) > 1 else listed[0]


def _takes_list(layer: Any) -> bool:
    return not isinstance(layer, (keras.layers.MultiHeadAttention, keras.layers.RNN))


def _tensor(name: str, tensors: Mapping[str, Any]) -> Any:
    node, _, position = name.partition(":")
    return tensors[node][int(position)] if position else tensors[node]


def _dtype(spec: Mapping[str, Any]) -> str:
    dtype = str(spec.get("dtype", "float32"))
    return keras.config.floatx() if dtype == "float32" else dtype


def _call_arguments(part: Any, tensors: Mapping[str, Any]) -> dict[str, Any]:
    given = part.get("call", {}) if isinstance(part, Mapping) else {}
    return {
        name: tensors[value.partition(":")[2]] if isinstance(value, str) else value
        for name, value in given.items()
    }


def _layer(part: Any) -> Any:
    """Return the layer that a part of a description names."""
    if isinstance(part, str):
        return getattr(keras.layers, part)()
    ((name, given),) = ((key, value) for key, value in part.items() if key not in ("call", "from"))
    cls = getattr(keras.layers, name)
    if not isinstance(given, Mapping):
        return cls(given)
    arguments = dict(given)
    for holder in _HOLDERS:
        if isinstance(held := arguments.get(holder), list):
            arguments[holder] = [_layer(one) for one in held]
        elif holder in arguments:
            arguments[holder] = _layer(held)
    if name == "StackedRNNCells":
        arguments["cells"] = [_layer(one) for one in arguments["cells"]]
    return cls(**arguments)


def give_weights(one: Any, other: Any, rng: np.random.Generator) -> None:
    """Draw the weights of one model and carry them over to another, by position or by shape."""
    drawn = []
    for variable in one.weights:
        values = rng.standard_normal(tuple(variable.shape))
        if "variance" in variable.path:
            values = np.abs(values) + 0.1
        drawn.append(values if "seed" not in variable.path else variable.numpy())
    one.set_weights(drawn)
    # Strict: a pair of which one has more weights than the other is no entry.
    carried = [
        value.reshape(tuple(variable.shape))
        for variable, value in zip(other.weights, drawn, strict=True)
    ]
    other.set_weights(carried)


def outputs_of(model: Any, inputs: Arrays, *, training: bool = False) -> list[NDArray[Any]]:
    """Return what a model returns when it is called."""
    given = [tf.constant(one) for one in inputs]
    # Told nothing, layers in inference keep what they are told themselves.
    mode = {"training": True} if training else {}
    found = model(given if len(given) > 1 else given[0], **mode)
    return [np.asarray(one) for one in tf.nest.flatten(found)]


def distance(ours: Arrays, theirs: Arrays) -> float:
    """Return the greatest relative distance of two lists of outputs; infinite between kinds."""
    greatest = 0.0
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape, f"{one.shape} is not {other.shape}"
        if one.dtype.kind not in "fiub":
            return 0.0 if (one == other).all() else np.inf
        first, second = one.astype(np.float64), other.astype(np.float64)
        finite = np.isfinite(first)
        if (finite != np.isfinite(second)).any():
            return np.inf
        if not np.array_equal(first[~finite], second[~finite], equal_nan=True):
            return np.inf
        first, second = first[finite], second[finite]
        if first.size:
            scale = max(float(np.abs(first).max()), float(np.abs(second).max()), 1e-300)
            greatest = max(greatest, float(np.abs(first - second).max()) / scale)
    return greatest
