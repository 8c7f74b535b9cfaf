"""What a layer holds, or is called with, that its configuration does not say."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import keras

from layerlens.models.inspect.arguments import plain_value

#: What Keras' own layers learn in `adapt`, beside a vocabulary.
_ADAPTED = ("mean", "variance", "bin_boundaries")
_PLAIN = (bool, int, float, str, tuple, list)


def state_of(layer: Any, configured: Mapping[str, Any]) -> dict[str, Any]:
    """Return adapted values, vocabularies, and plain attributes of classes that are not Keras' own.

    `configured` are the arguments that its configuration says already.
    """
    found: dict[str, Any] = {}
    if not type(layer).__module__.startswith("keras."):
        for name, value in vars(layer).items():
            if (
                not name.startswith("_")
                and name not in _of_every_layer()
                and name not in configured
            ):
                kept = _data(value)
                if kept is not None:
                    found[name] = kept
        return found
    if hasattr(layer, "adapt"):
        for name in _ADAPTED:
            value = getattr(layer, name, None)
            if value is not None:
                found[name] = _data(value)
        if hasattr(layer, "get_vocabulary"):
            found["vocabulary"] = _vocabulary(layer)
    return {name: value for name, value in found.items() if value is not None}


def call_arguments(node: Any) -> dict[str, Any]:
    """Return what a call in a graph was given beside its tensors, by the names of the arguments."""
    arguments = node.arguments
    given = dict(arguments.kwargs)
    if len(arguments.args) > 1:
        given = {**_by_name(node.operation, arguments.args), **given}
    return {
        name: plain_value(value)
        for name, value in given.items()
        if value is not None and not _holds_tensor(value)
    }


def _by_name(operation: Any, values: Any) -> dict[str, Any]:
    """Return the positional arguments behind the first, which is what the call is about."""
    try:
        names = list(inspect.signature(operation.call).parameters)
    except (TypeError, ValueError):
        return {}
    return dict(zip(names[1:], values[1:], strict=False))


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_tensor, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_tensor, value))
    return hasattr(type(value), "shape") or hasattr(value, "_keras_history")


def _data(value: Any) -> Any:
    """Return a value as plain data where it is data, without a call into the user's objects."""
    if isinstance(value, _PLAIN):
        told = plain_value(value)
        return told if _is_plain(value) else None
    module = type(value).__module__.partition(".")[0]
    if module not in ("numpy", "tensorflow"):
        return None
    told = plain_value(value)
    return None if told == type(value).__name__ else told


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, (bool, int, float, str)) for item in value)
    return True


def _vocabulary(layer: Any) -> Any:
    try:
        return plain_value([str(word) for word in layer.get_vocabulary()])
    except Exception:  # Keras raises where there is none yet
        return None


@cache
def _of_every_layer() -> frozenset[str]:
    """Return the attributes that Keras gives to every layer."""
    return frozenset({*vars(keras.layers.Layer()), "name", "built", "layers"})
