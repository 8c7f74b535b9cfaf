"""A layer's configuration as flat plain data: what two layers can differ in."""

from __future__ import annotations

import enum
import hashlib
import json
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerlens.models.inspect.configuration import configuration_of

#: What says nothing about what a layer does.
_ASIDE = frozenset({"name", "build_config", "build_input_shape", "input_layers", "output_layers"})
#: A list of more values is told by their number and a digest.
_MOST_VALUES = 32
#: A configuration of more mappings and lists is cut off.
_MOST_CONTAINERS = 20_000
_CUT_OFF = "..."
#: Where the types are defined whose instances are known to hold numbers and nothing else.
_NUMERIC = frozenset({"numpy", "tensorflow", "keras", "ml_dtypes"})
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)


def arguments_of(layer: Any) -> dict[str, Any]:
    """Return a layer's arguments by name; those of layers that it holds as `layer.units`.

    Of several layers, the first one's are `layers[0].units`. What is None is left out. A layer that
    cannot tell its configuration has none.
    """
    return dict(_Reader().flat(configuration_of(layer).values, ""))


def plain_value(value: Any) -> Any:
    """Return a value of a configuration as data that JSON has.

    Nothing of the value's own is called: an object of the user's may have a `tolist`, a `__len__`
    or an `__eq__` that does anything. What is not Python's, NumPy's or Keras' data is told by the
    name of its type.
    """
    return _Reader().plain(value)


@dataclass
class _Reader:
    """Reads one configuration, which may contain itself or the same part many times."""

    _open: set[int] = field(default_factory=set)
    _seen: int = 0

    def flat(self, config: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        if not self._enter(config):
            return
        for key, value in config.items():
            name = self._key(key)
            if name in _ASIDE or value is None:
                continue
            if _is_layer(value):
                yield f"{prefix}{name}", self._text(value["class_name"])
                yield from self.flat(value["config"], f"{prefix}{name}.")
            elif isinstance(value, (list, tuple)) and any(map(_is_layer, value)):
                for position, item in enumerate(filter(_is_layer, value)):
                    # Names are numbered as layers were made, which says nothing about what they do.
                    within = f"{prefix}{name}[{position}]"
                    yield within, self._text(item["class_name"])
                    yield from self.flat(item["config"], f"{within}.")
            else:
                yield f"{prefix}{name}", self.plain(value)
        self._open.discard(id(config))

    def plain(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return f"{type(value).__name__}.{value._name_}"
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            return self._container(value)
        module = type(value).__module__.partition(".")[0]
        if module in _NUMERIC:
            return self._numbers(value)
        # A subclass may have any `__str__`: these are Python's own.
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return int.__int__(value)
        if isinstance(value, float):
            number = float.__float__(value)
            return number if math.isfinite(number) else float.__repr__(number)
        if isinstance(value, (bytes, bytearray)):
            return f"{len(value):,} bytes, {_digest(bytes(value))}"
        return value.__qualname__ if isinstance(value, _FUNCTIONS) else type(value).__name__

    def _container(self, value: Any) -> Any:
        if not self._enter(value):
            return _CUT_OFF
        try:
            if isinstance(value, dict):
                if "class_name" in value:
                    return self._called(value)
                return {self._key(key): self.plain(item) for key, item in value.items()}
            items = [self.plain(item) for item in value]
            if isinstance(value, (set, frozenset)):
                items.sort(key=_written)
            if len(items) <= _MOST_VALUES:
                return items
            return f"{len(items):,} values, {_digest(_written(items).encode())}"
        finally:
            self._open.discard(id(value))

    def _enter(self, value: Any) -> bool:
        self._seen += 1
        if id(value) in self._open or self._seen > _MOST_CONTAINERS:
            return False
        self._open.add(id(value))
        return True

    def _called(self, value: Mapping[Any, Any]) -> str:
        """Return `GlorotUniform` or `L2(l2=0.01)` of what was made into data."""
        config = value.get("config")
        name = self._text(value["class_name"])
        if isinstance(config, str):  # a function
            return str.__str__(config)
        if not isinstance(config, dict) or not self._enter(config):
            return name
        told = {self._key(key): item for key, item in config.items() if item is not None}
        if set(told) == {"name"}:  # a dtype policy
            return self._text(told["name"])
        inner = ", ".join(f"{key}={self.plain(item)}" for key, item in told.items())
        self._open.discard(id(config))
        return f"{name}({inner})" if inner else name

    def _numbers(self, value: Any) -> Any:
        array = _as_array(value)
        if array is None:
            return type(value).__name__
        if array.size > _MOST_VALUES:
            return f"{array.size:,} values, {_digest(array.tobytes())}"
        return self.plain(array.tolist())

    def _key(self, key: Any) -> str:
        return key if type(key) is str else str(self.plain(key))

    def _text(self, value: Any) -> str:
        return str(self.plain(value))


def _is_layer(value: Any) -> bool:
    """Tell a layer that was made into data from an initialiser, a policy or a function."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("config"), dict)
        and "class_name" in value
        and "trainable" in value["config"]
    )


def _as_array(value: Any) -> Any:
    """Return the numbers of an array, a tensor or a variable; None of what has no values yet."""
    if not isinstance(value, (np.ndarray, np.generic)):
        try:
            value = value.numpy()
        except Exception:  # a symbolic tensor, a variable without memory, an object of Keras
            return None
    array = np.asarray(value)
    if array.dtype.kind not in "biufcSU":
        array = array.astype("float32") if array.dtype.kind == "V" else array.astype(str)
    return array


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _digest(data: bytes) -> str:
    return f"#{hashlib.sha256(data).hexdigest()[:8]}"
