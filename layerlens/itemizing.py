"""A layer enters, its configuration leaves as flat plain data: what two layers can differ in."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: What says nothing about what a layer does.
_ASIDE = frozenset({"name", "build_config", "build_input_shape", "input_layers", "output_layers"})
#: A list of more values is told by their number and a digest.
_MOST_VALUES = 32


def arguments_of(layer: Any) -> dict[str, Any]:
    """Return a layer's arguments by name; those of layers that it holds as `layer.units`.

    Of several layers, the first one's are `layers[0].units`. What is None is left out. A layer that
    cannot tell its configuration has none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that code cannot be saved is no matter here
            config = layer.get_config()
    except Exception:  # a layer of one's own may raise anything here, or not have the method
        return {}
    return dict(_flat(config, ""))


def _flat(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if name in _ASIDE or value is None:
            continue
        if _is_layer(value):
            yield f"{prefix}{name}", str(value["class_name"])
            yield from _flat(value["config"], f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)) and any(map(_is_layer, value)):
            for position, item in enumerate(filter(_is_layer, value)):
                # Names are numbered as layers were made, which says nothing about what they do.
                within = f"{prefix}{name}[{position}]"
                yield within, str(item["class_name"])
                yield from _flat(item["config"], f"{within}.")
        else:
            yield f"{prefix}{name}", _plain(value)


def _is_layer(value: Any) -> bool:
    """Tell a layer that was made into data from an initialiser, a policy or a function."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("config"), Mapping)
        and "class_name" in value
        and "trainable" in value["config"]
    )


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        if "class_name" in value:
            return _called(value)
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
        return _plain(value) if isinstance(value, (list, bool, int, float, str)) else str(value)
    if isinstance(value, Sequence):
        items = [_plain(item) for item in value]
        return items if len(items) <= _MOST_VALUES else _digest(items)
    return type(value).__name__


def _called(value: Mapping[str, Any]) -> str:
    """Return `GlorotUniform` or `L2(l2=0.01)` of what was made into data."""
    config = value.get("config")
    if isinstance(config, str):  # a function
        return config
    told = {key: item for key, item in (config or {}).items() if item is not None}
    if set(told) == {"name"}:  # a dtype policy
        return str(told["name"])
    inner = ", ".join(f"{key}={_plain(item)}" for key, item in told.items())
    return f"{value['class_name']}({inner})" if inner else str(value["class_name"])


def _digest(items: list[Any]) -> str:
    text = json.dumps(items, default=str, ensure_ascii=False)
    return f"{len(items):,} values, #{hashlib.sha256(text.encode()).hexdigest()[:8]}"
