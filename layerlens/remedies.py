"""What Keras raised enters; its reason in one sentence and a remedy in the user's words leave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from layerlens.report import LayerRow, ModelError

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CALLING = re.compile(r"^Exception encountered when calling (?P<what>.+?)\.?\n+", re.DOTALL)
_ARGUMENTS = re.compile(r"\n+Arguments received by .*", re.DOTALL)


def explain_refusal(
    error: BaseException,
    *,
    layer_name: str | None,
    layer_type: str | None,
    arguments: Mapping[str, Any],
    input_shapes: Sequence[Any],
    before: Sequence[LayerRow],
) -> ModelError:
    """Return why Keras refused a layer and what would mend it."""
    return ModelError(layer=layer_name, message=clean_reason(error), hint=None)


def explain_call_error(error: BaseException, *, execution: str) -> ModelError:
    """Return why a built model fails when it is called."""
    return ModelError(layer=None, message=f"{clean_reason(error)} (called {execution})")


def clean_reason(error: BaseException) -> str:
    """Return what an exception says, without traceback, argument dump or terminal codes."""
    text = _ANSI.sub("", str(error))
    text = _ARGUMENTS.sub("", text)
    text = _CALLING.sub("", text)
    return " ".join(text.split()) or type(error).__name__
