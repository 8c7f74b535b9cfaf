"""State and call arguments of a layer that are not part of its configuration."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any

import keras

from layerlens.models.inspect.arguments import plain_value
from layerlens.models.inspect.nested_layers import is_keras_class, trains_by_default

#: Attributes that `adapt` sets on Keras' layers; the vocabulary is read by a method.
_ADAPTED_STATE = ("mean", "variance", "bin_boundaries")
_PLAIN = (bool, int, float, str, tuple, list)


def state_of(layer: Any, configured: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `adapt` learnt, or the plain attributes of a class that Keras does not define.

    `configured` holds the layer's arguments by name; attributes of these names are left out.
    """
    found: dict[str, Any] = {}
    if not is_keras_class(layer):
        for name, value in vars(layer).items():
            if (
                not name.startswith("_")
                and name not in _common_attributes()
                and name not in configured
            ):
                kept = _data(value)
                if kept is not None:
                    found[name] = kept
        return found
    if hasattr(layer, "adapt"):
        for name in _ADAPTED_STATE:
            value = getattr(layer, name, None)
            if value is not None:
                found[name] = _data(value)
        if hasattr(layer, "get_vocabulary"):
            found["vocabulary"] = _vocabulary(layer)
    return {name: value for name, value in found.items() if value is not None}


def call_arguments(node: Any) -> dict[str, Any]:
    """Return the arguments of a call node that are not tensors, by name.

    `training=False` is left out: Keras records it for calls without it, too. It is kept for a layer
    that trains by default.
    """
    arguments = node.arguments
    named = dict(arguments.kwargs)
    if len(arguments.args) > 1:
        named = {**_by_name(node.operation, arguments.args), **named}
    return {
        name: plain_value(value)
        for name, value in named.items()
        if value is not None
        and not _holds_tensor(value)
        and (name != "training" or value is not False or trains_by_default(node.operation))
    }


def _by_name(operation: Any, values: Any) -> dict[str, Any]:
    """Return the positional arguments after the first, by the names in the signature of `call`."""
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
    """Return a value as plain data, or None if it is not data; calls no method of a user's."""
    if isinstance(value, _PLAIN):
        return plain_value(value) if _is_plain(value) else None
    module = type(value).__module__.partition(".")[0]
    if module not in ("numpy", "tensorflow"):
        return None
    plain = plain_value(value)
    return None if plain == type(value).__name__ else plain


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, (bool, int, float, str)) for item in value)
    return True


def _vocabulary(layer: Any) -> Any:
    try:
        return plain_value([str(word) for word in layer.get_vocabulary()])
    except Exception:  # Keras raises before `adapt`
        return None


@cache
def _common_attributes() -> frozenset[str]:
    """Return the names of the attributes that every Keras layer has."""
    return frozenset({*vars(keras.layers.Layer()), "name", "built", "layers"})
