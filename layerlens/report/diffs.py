"""Rows about two models side by side: aligned layers, and the difference in params."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layerlens.vocabulary import Aspect, Change


@dataclass(frozen=True, slots=True)
class ArgumentChange:
    """An argument in which two aligned layers differ; None where a layer does not have it."""

    name: str
    reference: Any
    candidate: Any


@dataclass(frozen=True, slots=True)
class LayerChange:
    """One row of two models side by side.

    `reference_row` and `candidate_row` are positions in the models' `layers`, from 0 on.
    """

    change: Change
    reference: str | None
    candidate: str | None
    reference_row: int | None
    candidate_row: int | None
    differs: tuple[Aspect, ...] = ()
    arguments: tuple[ArgumentChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ParamsGap:
    """One cause of a difference in params: candidate minus reference.

    `text` is like "+48: second bias of `gru` (reset_after)". The gaps of two models add up to the
    difference of their counts.
    """

    params: int
    text: str
    reference: str | None = None
    candidate: str | None = None


@dataclass(frozen=True, slots=True)
class ModelsDiff:
    """Two models aligned layer by layer, and the causes of the difference in params."""

    reference: str
    candidate: str
    layers: tuple[LayerChange, ...]
    params: tuple[ParamsGap, ...] = ()
