"""Rows about a pair of models in one mode: the verdict and its evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from layerlens.report.maps import HeatMap
from layerlens.vocabulary import (
    AlsoDiffers,
    CertificateMethod,
    Effort,
    Execution,
    Mode,
    Plan,
    Strength,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Rounding:
    """The evidence on whether a difference is rounding.

    `expected` is the greatest working-precision difference that rounding explains on the probes;
    `float64_max_abs` is the greatest difference when both models run in float64.
    """

    expected: float | None
    float64_max_abs: float | None


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """The differences on one probe in one execution."""

    name: str
    execution: Execution
    max_abs: float | None
    max_rel: float | None
    #: The greatest working-precision difference that rounding explains on this probe.
    noise: float | None = None
    #: The greatest difference when both run in float64; None if a model cannot run in float64.
    float64_max_abs: float | None = None


@dataclass(frozen=True, slots=True)
class Counterexample:
    """An input on which the two really differ; `index` is the first output value that differs."""

    probe: str
    execution: Execution
    index: tuple[int, ...]
    reference: Any
    candidate: Any
    #: Nested lists, batch axis first; a mapping of input name → lists where there are several.
    input: Any
    #: Whether the input is a simplified form of the probe's, so that the probe's figures are not
    #: those of this input.
    simplified: bool = False


@dataclass(frozen=True, slots=True)
class FirstDivergence:
    """The first pair of aligned layers whose outputs differ.

    A layer is None where the other model has one more at this place.
    """

    reference_layer: str | None
    candidate_layer: str | None
    max_abs: float | None


@dataclass(frozen=True, slots=True)
class TransferRow:
    """How weights were transferred: (reference path, candidate path) pairs; paths without one."""

    method: str
    pairs: tuple[tuple[str, str], ...]
    unmatched: tuple[str, ...]
    #: What is done to the weight of each pair, as a scenario writes it, such as `join: 1`; None:
    #: nothing. Empty where nothing is done to any.
    changes: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class InputsRow:
    """The inputs that receive the same values: (reference's name, candidate's name) pairs."""

    method: Literal["by_name", "by_position", "by_shape"]
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """An exact proof that two models compute one function, and the chance that it is wrong.

    `segment` says what was proved: the layers that differ, or the whole graphs; `degree` is that of
    the most complex expression, `draws` the number of primes.
    """

    segment: str
    degree: int
    draws: int
    error_bound: float
    #: Reports of earlier versions have proofs of `polynomial` segments.
    method: CertificateMethod = "polynomial"
    #: What the proof takes for granted, each as a sentence.
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepsDifference:
    """The difference of two outputs at some of their steps, over all probes and weights."""

    max_abs: float | None
    #: The greatest difference in float64, where rounding is negligible.
    float64_max_abs: float | None
    mismatched: int
    compared: int


@dataclass(frozen=True, slots=True)
class EffortRow:
    """What was spent on a pair whose outputs were compared."""

    level: Effort
    plan: Plan
    #: The calls of both models whose outputs were compared.
    runs: int
    #: The samples of all batches of these runs.
    samples: int


@dataclass(frozen=True, slots=True)
class MaskedDifference:
    """The differences at valid and at padded steps, and the layer whose mask separates them."""

    valid: StepsDifference
    padded: StepsDifference
    #: The model and the layer that made the mask.
    model: str
    layer: str


@dataclass(frozen=True, slots=True)
class WeightDifference:
    """The difference of one saved weight from the one it is paired with."""

    #: The paths of the weight in the two models.
    reference: str
    candidate: str
    max_abs: float
    max_rel: float
    mismatched: int
    compared: int


@dataclass(frozen=True, slots=True)
class SavedWeights:
    """A comparison of two models with the weights that they were saved with."""

    #: Whether every weight of both models has a partner.
    paired: bool
    #: The pairs of weights that were compared; none where not all have a partner.
    compared: int
    differing: tuple[WeightDifference, ...] = ()
    #: The verdict on the outputs where each model keeps its own weights, and the greatest
    #: difference; None where all weights are equal, or outputs could not be compared.
    verdict: Verdict | None = None
    max_abs: float | None = None


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """A condition under which two models that differ are equivalent, as was tried."""

    #: As a scenario writes it: under `when:`, or the `outputs:` of the candidate.
    condition: Mapping[str, Any]
    text: str
    #: The outputs that were compared under it, and the strength of the verdict.
    compared: int
    strength: Strength | None = None


@dataclass(frozen=True, slots=True)
class PairReport:
    """A pair's verdict in one mode, and its evidence."""

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
    #: Weights that probes cannot show, since no output can depend on them, as is proved.
    without_influence: tuple[str, ...] = ()
    #: What kept a pair that passes from being proved equal; None for a certified one.
    unproved: str | None = None
    #: None where no outputs were compared.
    effort: EffortRow | None = None
    #: None where no mask reaches the outputs' steps, or no outputs were compared.
    masked: MaskedDifference | None = None
    #: The differences of the models, in a few words each: `max_value: 6 → none` in `re_lu`.
    causes: tuple[str, ...] = ()
    #: Sentences: what is the same, what differs, why, and what would make the two agree.
    why: tuple[str, ...] = ()
    #: Where in the output the two differ; None if they agree exactly or were not compared.
    differences: HeatMap | None = None
    #: None if the models have one input each, or their inputs were not paired.
    inputs: InputsRow | None = None
    #: None where saved weights were not to be compared, or a model did not build.
    saved_weights: SavedWeights | None = None
    #: A condition under which models that differ agree; None where none was found or tried.
    agrees_when: AgreementRow | None = None


#: Receives a pair's report and the stand-alone script that reproduces its verdict.
ScriptListener = Callable[[PairReport, str], None]
