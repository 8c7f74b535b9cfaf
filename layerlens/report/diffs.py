"""Two models side by side: their layers lined up, and the difference of their counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from layerlens.vocabulary import Aspect, Change


@dataclass(frozen=True, slots=True)
class ArgumentChange:
    """An argument of two lined-up layers in which they differ; None is the lack of it."""

    name: str
    reference: Any
    candidate: Any


@dataclass(frozen=True, slots=True)
class LayerChange:
    """One row of two models side by side.

    `reference_row` and `candidate_row` are the places in the models' `layers`, from 0 on.
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
    """By how many params the candidate's count differs from the reference's, and where from.

    `text` reads "+48: second bias of `gru` (reset_after)". The gaps of two models add up to the
    difference of their counts.
    """

    params: int
    text: str
    reference: str | None = None
    candidate: str | None = None


@dataclass(frozen=True, slots=True)
class ModelsDiff:
    """Two models lined up layer by layer, and the difference of their counts attributed."""

    reference: str
    candidate: str
    layers: tuple[LayerChange, ...]
    params: tuple[ParamsGap, ...] = ()
