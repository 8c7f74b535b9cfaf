"""Rows about training one model."""

from __future__ import annotations

from dataclasses import dataclass

from layerlens.report.layers import ModelError


@dataclass(frozen=True, slots=True)
class FitRow:
    """What training one model gave: the loss of each epoch, or why Keras refused."""

    model: str
    losses: tuple[float, ...]
    #: Greatest absolute difference to the reference, of the losses and of the final weights.
    loss_max_abs: float | None
    weights_max_abs: float | None
    alike: bool | None
    error: ModelError | None = None
