"""A layer's configuration, or the reason why its `get_config` fails."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Configuration:
    """The arguments that `get_config` returns, by name; empty where it fails.

    `error` is the reason. It is None for a layer without a `get_config` of its own, for which
    Keras raises NotImplementedError.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def configuration_of(layer: Any) -> Configuration:
    """Return a layer's configuration; no exception of a user's `get_config` gets through."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about code that cannot be saved
            config = layer.get_config()
    except NotImplementedError:
        return Configuration()
    except AttributeError as error:
        if not hasattr(layer, "get_config"):  # an operation of `keras.ops`
            return Configuration()
        return Configuration(error=_raises(error))
    except Exception as error:
        return Configuration(error=_raises(error))
    if not isinstance(config, dict):
        return Configuration(error=f"`get_config` returns {type(config).__name__}, not a dict")
    return Configuration(config)


def _raises(error: Exception) -> str:
    try:
        text = " ".join(str(error).split())[:200]
    except Exception:  # a user's `__str__` can fail too
        text = ""
    return f"`get_config` raises {type(error).__name__}" + (f": {text}" if text else "")
