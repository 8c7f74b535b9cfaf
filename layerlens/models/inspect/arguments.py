"""A layer's configuration as flat plain data, which can be compared with another layer's."""

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

#: Keys of a configuration that do not affect what a layer computes.
_IGNORED = frozenset({"name", "build_config", "build_input_shape", "input_layers", "output_layers"})
#: A longer list is reported as its length and a digest.
_MAX_LISTED = 32
#: A configuration with more mappings and lists is truncated.
_MAX_CONTAINERS = 20_000
_CUT_OFF = "..."
#: Packages whose types hold numbers and nothing else.
_ARRAY_PACKAGES = frozenset({"numpy", "tensorflow", "keras", "ml_dtypes"})
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)


def arguments_of(layer: Any) -> dict[str, Any]:
    """Return a layer's arguments by name, without those that are None.

    Arguments of a nested layer have dotted names: `layer.units`, or `layers[0].units` in a list.
    A layer whose `get_config` fails has no arguments.
    """
    return dict(_ConfigReader().flat(configuration_of(layer).values, ""))


def plain_value(value: Any) -> Any:
    """Return a value of a configuration as JSON data.

    No method of a user's object is called, since its `tolist`, `__len__` or `__eq__` can do
    anything. A value that is not data of Python, NumPy, TensorFlow or Keras becomes the name of
    its type.
    """
    return _ConfigReader().plain(value)


@dataclass
class _ConfigReader:
    """Converts one configuration, which can contain itself or one part many times."""

    _open: set[int] = field(default_factory=set)
    _seen: int = 0

    def flat(self, config: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        if not self._enter(config):
            return
        for key, value in config.items():
            name = self._key(key)
            if name in _IGNORED or value is None:
                continue
            if _is_layer(value):
                yield f"{prefix}{name}", self._text(value["class_name"])
                yield from self.flat(value["config"], f"{prefix}{name}.")
            elif isinstance(value, (list, tuple)) and any(map(_is_layer, value)):
                for position, item in enumerate(filter(_is_layer, value)):
                    # By position: default layer names depend on the order of creation.
                    element = f"{prefix}{name}[{position}]"
                    yield element, self._text(item["class_name"])
                    yield from self.flat(item["config"], f"{element}.")
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
        if module in _ARRAY_PACKAGES:
            return self._array(value)
        # A user's subclass can override `__str__`, so call the built-in methods.
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
                    return self._serialized_object(value)
                return {self._key(key): self.plain(item) for key, item in value.items()}
            items = [self.plain(item) for item in value]
            if isinstance(value, (set, frozenset)):
                items.sort(key=_as_json)
            if len(items) <= _MAX_LISTED:
                return items
            return f"{len(items):,} values, {_digest(_as_json(items).encode())}"
        finally:
            self._open.discard(id(value))

    def _enter(self, value: Any) -> bool:
        self._seen += 1
        if id(value) in self._open or self._seen > _MAX_CONTAINERS:
            return False
        self._open.add(id(value))
        return True

    def _serialized_object(self, value: Mapping[Any, Any]) -> str:
        """Return a serialized object as text, such as `GlorotUniform` or `L2(l2=0.01)`."""
        config = value.get("config")
        name = self._text(value["class_name"])
        if isinstance(config, str):  # a function
            return str.__str__(config)
        if not isinstance(config, dict) or not self._enter(config):
            return name
        arguments = {self._key(key): item for key, item in config.items() if item is not None}
        if set(arguments) == {"name"}:  # a dtype policy
            return self._text(arguments["name"])
        listed = ", ".join(f"{key}={self.plain(item)}" for key, item in arguments.items())
        self._open.discard(id(config))
        return f"{name}({listed})" if listed else name

    def _array(self, value: Any) -> Any:
        array = _as_array(value)
        if array is None:
            return type(value).__name__
        if array.size > _MAX_LISTED:
            return f"{array.size:,} values, {_digest(array.tobytes())}"
        return self.plain(array.tolist())

    def _key(self, key: Any) -> str:
        return key if type(key) is str else str(self.plain(key))

    def _text(self, value: Any) -> str:
        return str(self.plain(value))


def _is_layer(value: Any) -> bool:
    """Return whether a value is a serialized layer, not an initializer, policy or function."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("config"), dict)
        and "class_name" in value
        and "trainable" in value["config"]
    )


def _as_array(value: Any) -> Any:
    """Return an array, tensor or variable as a NumPy array; None if it has no values yet."""
    if not isinstance(value, (np.ndarray, np.generic)):
        try:
            value = value.numpy()
        except Exception:  # a symbolic tensor, a variable without memory, an object of Keras
            return None
    array = np.asarray(value)
    if array.dtype.kind not in "biufcSU":
        array = array.astype("float32") if array.dtype.kind == "V" else array.astype(str)
    return array


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _digest(data: bytes) -> str:
    return f"#{hashlib.sha256(data).hexdigest()[:8]}"
