"""What was recorded of a model, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """What was recorded, and where it was written."""

    path: str
    bytes: int
    samples: int
    #: The kinds of weights, the model's own first.
    weights: tuple[str, ...]
    #: Weights and layers of the model on which no recorded output depends.
    unseen: tuple[str, ...]
    #: Whether less was recorded so that the file keeps within its limit.
    is_reduced: bool
    #: Whether the file was there before, with the same content.
    is_unchanged: bool
