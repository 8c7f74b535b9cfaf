"""A callable of the user as it was at a git revision, built by layerlens in its own interpreter."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

_SERVER: Any = None


def about() -> dict[str, Any]:
    """Import layerlens and Keras."""
    global _SERVER
    package = os.path.abspath(__file__)  # noqa: PTH100 - as everywhere in this folder
    for _ in range(4):
        package = os.path.dirname(package)  # noqa: PTH120
    root = os.path.dirname(package)  # noqa: PTH120
    if root not in sys.path:
        sys.path.append(root)
    _SERVER = importlib.import_module("layerlens.models.callable_server")
    return dict(_SERVER.about())


def load(head: dict[str, Any]) -> Any:
    """Build what the callable of a message returns."""
    return _SERVER.load(head)
