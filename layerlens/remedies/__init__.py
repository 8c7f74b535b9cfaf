"""What Keras raised enters; its reason in one sentence and a remedy in the user's words leave."""

from __future__ import annotations

from layerlens.remedies.calling import explain_call_error
from layerlens.remedies.refusing import explain_refusal
from layerlens.remedies.targets import explain_target, unknown_loss, unknown_optimizer
from layerlens.remedies.wording import clean_reason

__all__ = [
    "clean_reason",
    "explain_call_error",
    "explain_refusal",
    "explain_target",
    "unknown_loss",
    "unknown_optimizer",
]
