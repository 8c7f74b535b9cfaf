"""Rows about training one model."""

from __future__ import annotations

from dataclasses import dataclass

from layerlens.report.layers import ModelError


@dataclass(frozen=True, slots=True)
class FitRow:
    """The training of one model: the loss of each epoch, or why Keras refused."""

    model: str
    losses: tuple[float, ...]
    #: The greatest absolute difference from the reference, of losses and of final weights.
    loss_max_abs: float | None
    weights_max_abs: float | None
    #: Whether it trains like the reference; None for the reference and after an error.
    alike: bool | None
    error: ModelError | None = None
