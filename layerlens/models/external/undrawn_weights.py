"""Describe a saved model so that Keras draws no weights which the file's values replace at once."""

from __future__ import annotations

from typing import Any


def without_drawing(config: Any) -> Any:
    """Return the description of a saved model whose weights start as zeros.

    To draw a large weight takes several times its memory. Layers that Keras does not define keep
    their initializers, which they may use for anything.
    """
    if isinstance(config, list):
        return [without_drawing(item) for item in config]
    if not isinstance(config, dict) or _is_foreign(config):
        return config
    return {
        key: {**item, "class_name": "Zeros", "config": {}}
        if key.endswith("_initializer") and _is_initializer(item)
        else without_drawing(item)
        for key, item in config.items()
    }


def _is_foreign(config: dict[str, Any]) -> bool:
    module = config.get("module")
    if "class_name" not in config or module is None:
        return False
    return not f"{module}.".startswith("keras.")


def _is_initializer(item: Any) -> bool:
    return isinstance(item, dict) and item.get("module") == "keras.initializers"
