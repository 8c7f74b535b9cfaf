"""What a layer says of its own configuration, and why it says nothing where it cannot."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Configuration:
    """The arguments that `get_config` returns by name; none where it fails.

    `error` says why it fails. It is None for a layer without a `get_config` of its own, which
    Keras itself refuses to describe.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


def configuration_of(layer: Any) -> Configuration:
    """Ask a layer for its configuration; a `get_config` of the user's may raise anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that code cannot be saved is no matter here
            config = layer.get_config()
    except NotImplementedError:
        return Configuration()
    except AttributeError as error:
        if not hasattr(layer, "get_config"):  # an operation of `keras.ops` that has none
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
    except Exception:  # the message is the user's too
        text = ""
    return f"`get_config` raises {type(error).__name__}" + (f": {text}" if text else "")
