"""Rows about two models in one mode: the verdict and its evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from layerlens.report.maps import HeatMap
from layerlens.vocabulary import AlsoDiffers, Execution, Mode, Strength, Verdict


@dataclass(frozen=True, slots=True)
class Rounding:
    """Why a difference is, or is not, rounding.

    `expected` is the greatest working-precision difference that rounding explains on the probes;
    `float64_max_abs` is the greatest difference when both models run in float64.
    """

    expected: float | None
    float64_max_abs: float | None


@dataclass(frozen=True, slots=True)
class ProbeRow:
    name: str
    execution: Execution
    max_abs: float | None
    max_rel: float | None
    #: The greatest working-precision difference that rounding explains on this probe.
    noise: float | None = None
    #: The greatest difference when both run in float64; None where a model has no such form.
    float64_max_abs: float | None = None


@dataclass(frozen=True, slots=True)
class Counterexample:
    """An input on which the two really differ: `index` is where in the output they first part."""

    probe: str
    execution: Execution
    index: tuple[int, ...]
    reference: Any
    candidate: Any
    #: Nested lists, batch axis first; a mapping of input name → lists where there are several.
    input: Any


@dataclass(frozen=True, slots=True)
class FirstDivergence:
    reference_layer: str
    candidate_layer: str
    max_abs: float | None


@dataclass(frozen=True, slots=True)
class TransferRow:
    """How weights were carried over: (reference path, candidate path) pairs, and what is left."""

    method: str
    pairs: tuple[tuple[str, str], ...]
    unmatched: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InputsRow:
    """Which inputs of the two models were fed the same: (reference's, candidate's) names."""

    method: Literal["by_name", "by_position"]
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """An exact proof: the segment that differs, its degree, the draws, the chance of error."""

    segment: str
    degree: int
    draws: int
    error_bound: float


@dataclass(frozen=True, slots=True)
class StepsDifference:
    """How far two outputs are apart at some of their steps, over all probes and weights."""

    max_abs: float | None
    #: In float64, where rounding is next to nothing.
    float64_max_abs: float | None
    mismatched: int
    compared: int


@dataclass(frozen=True, slots=True)
class MaskedDifference:
    """The differences at valid and at padded steps, and whose mask tells them apart."""

    valid: StepsDifference
    padded: StepsDifference
    #: The model and layer whose mask it is.
    model: str
    layer: str


@dataclass(frozen=True, slots=True)
class PairReport:
    reference: str
    candidate: str
    mode: Mode
    verdict: Verdict
    strength: Strength | None
    explanation: str
    max_abs: float | None = None
    max_rel: float | None = None
    max_ulp: float | None = None
    mismatched: int | None = None
    compared: int | None = None
    rounding: Rounding | None = None
    probes: tuple[ProbeRow, ...] = ()
    counterexample: Counterexample | None = None
    first_divergence: FirstDivergence | None = None
    only_at_initialization: bool = False
    transfer: TransferRow | None = None
    certificate: CertificateRow | None = None
    also_differs: tuple[AlsoDiffers, ...] = ()
    unseen: tuple[str, ...] = ()
    #: None where no mask reaches the outputs' steps, or no outputs were compared.
    masked: MaskedDifference | None = None
    #: What is the same, what differs, why, and what would make the two agree: sentences from what
    #: was measured.
    why: tuple[str, ...] = ()
    #: Where in the output the two differ; None where they agree exactly or were not compared.
    differences: HeatMap | None = None
    #: None where the models have one input each, or no pair of inputs was made.
    inputs: InputsRow | None = None


#: Receives a pair's report and the stand-alone script that shows its verdict.
ScriptListener = Callable[[PairReport, str], None]
