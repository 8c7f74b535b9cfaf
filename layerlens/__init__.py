"""layerlens: compare Keras layers: shapes, parameters, and whether they compute the same."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerlens.api import compare, record, summary
    from layerlens.errors import LayerlensError
    from layerlens.run.report import Report

    __version__: str

__all__ = ["LayerlensError", "Report", "compare", "record", "summary"]

#: Where each public name lives; nothing is imported before it is asked for.
_HOMES = {
    "LayerlensError": "layerlens.errors",
    "Report": "layerlens.run.report",
    "compare": "layerlens.api",
    "record": "layerlens.api",
    "summary": "layerlens.api",
}


if not TYPE_CHECKING:  # to a type checker there is nothing but what is named above

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from layerlens.versions import own_version

            return own_version()
        if name not in _HOMES:
            raise AttributeError(f"module 'layerlens' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)
