"""Explain Keras' errors with a reason in one sentence and a remedy."""

from __future__ import annotations

from layerlens.models.keras_errors.explain_build import explain_build_error
from layerlens.models.keras_errors.explain_call import explain_call_error
from layerlens.models.keras_errors.explain_target import (
    explain_target,
    unknown_loss,
    unknown_optimizer,
)
from layerlens.models.keras_errors.text import clean_reason

__all__ = [
    "clean_reason",
    "explain_build_error",
    "explain_call_error",
    "explain_target",
    "unknown_loss",
    "unknown_optimizer",
]
