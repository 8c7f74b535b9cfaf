"""Compare the plain attributes of a copied layer or model with those of the original."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from types import FunctionType, MethodType, ModuleType
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional

from layerlens.models.build.precision import is_floating
from layerlens.models.inspect.nested_layers import TRUSTED, is_keras_class, with_nested

#: Where a layer keeps whether it passes masks on; anybody may set that.
_MASKING = "_supports_masking"
_PLAIN = (bool, int, float, complex, bytes, type(None))


def has_same_attributes(original: Any, copy: Any) -> bool:
    """Return whether a copy has every layer of the original, with the same plain attributes.

    A configuration may leave out an argument, or an attribute that was set later, which a few
    outputs do not show.
    """
    copies: dict[str, list[dict[str, str]]] = {}
    for layer in _layers(copy):
        copies.setdefault(type(layer).__name__, []).append(dict(_attributes(layer)))
    for layer in _layers(original):
        own = dict(_attributes(layer)).items()
        same = copies.get(type(layer).__name__, [])
        match = next((index for index, other in enumerate(same) if own <= other.items()), None)
        if match is None:
            return False
        del same[match]
    return True


def carry_attributes(original: Any, copy: Any) -> None:
    """Set the plain attributes of the user's own layers that a copy has lost.

    What else was made from them differs still, and so do outputs. A copy that is changed so is
    checked like any other.
    """
    copies: dict[type, list[Any]] = {}
    for layer in _layers(copy):
        copies.setdefault(type(layer), []).append(layer)
    for layer in _layers(original):
        same = copies.get(type(layer), [])
        if not same or is_keras_class(layer):
            continue
        other = same.pop(0)
        given = dict(_attributes(other))
        for name, text in _attributes(layer):
            if given.get(name) != text:
                # The user's own class may refuse to be copied or changed in any way.
                with contextlib.suppress(Exception):
                    setattr(other, name, deepcopy(getattr(layer, name)))


def _layers(model: Any) -> Iterator[Any]:
    for layer in with_nested(model):
        if not isinstance(layer, (Functional, keras.Sequential, keras.layers.InputLayer)):
            yield layer


def _attributes(layer: Any) -> Iterator[tuple[str, str]]:
    is_own = not is_keras_class(layer)
    for name, value in vars(layer).items():
        is_private = name.startswith("_") and name != _MASKING
        if name in _common_attributes() or (is_private and not is_own):
            continue
        text = _as_text(value) if is_own or not _is_users_own(value) else None
        if text is not None:
            yield name, text


def _as_text(value: Any, depth: int = 4) -> str | None:
    """Return plain data as text that two precisions share; None for anything else."""
    if isinstance(value, str):
        return None if is_floating(value) else repr(value)
    if isinstance(value, _PLAIN):
        return repr(value)
    if hasattr(value, "assign"):  # a variable
        return None
    if keras.ops.is_tensor(value) and hasattr(value, "numpy"):
        value = value.numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.hasobject:
            return None
        if np.issubdtype(value.dtype, np.floating):
            value = value.astype("float32")
        return repr((value.shape, value.tolist()))
    if not depth:
        return None
    if isinstance(value, Mapping):
        items = [(repr(key), _as_text(item, depth - 1)) for key, item in value.items()]
        return repr(sorted((key, text) for key, text in items if text is not None))
    if isinstance(value, (list, tuple)):
        return repr([_as_text(item, depth - 1) for item in value])
    if _is_users_own(value):
        return f"{type(value).__qualname__}{_as_text(vars(value), depth - 1)}"
    return None


def _is_users_own(value: Any) -> bool:
    """Return whether a value is an object of a class that the user defines."""
    not_objects = (type, ModuleType, FunctionType, MethodType, keras.layers.Layer)
    defined = type(value).__module__
    return (
        hasattr(value, "__dict__")
        and not isinstance(value, not_objects)
        and not defined.startswith(TRUSTED)
    )


@cache
def _common_attributes() -> frozenset[str]:
    """Return the names of the attributes that every layer or model has, but for its mask's."""
    layer = keras.layers.Identity(name="any")
    model = _Empty(name="any")
    model.compile()
    for one in (layer, model):
        one(np.zeros((1, 1), "float32"))
    left_by_fit = {"_eval_epoch_iterator"}
    return frozenset({*vars(layer), *vars(model), *left_by_fit}) - {_MASKING}


class _Empty(keras.Model):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        return inputs
