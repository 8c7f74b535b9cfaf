"""The verdict on a pair, with its cause and evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from layerlens.comparison.examination import Examination
from layerlens.comparison.output_shapes import Misannounced, OutputShapes
from layerlens.comparison.pair import Pair
from layerlens.numerics.judge import Judgement
from layerlens.numerics.observation import Evidence
from layerlens.numerics.weight_differences import WeightComparison
from layerlens.numerics.weight_transfer import Transfer
from layerlens.report.pairs import FirstDivergence, InputsRow, MaskedDifference, SavedWeights
from layerlens.vocabulary import Verdict

#: The cause of a verdict: a model that was refused; shapes, weights or inputs that do not match; a
#: call that was refused; a call that returned other shapes than were expected; or the outputs.
Cause = Literal["refused", "shapes", "weights", "inputs", "call", "called_shape", "outputs"]


@dataclass(frozen=True, slots=True)
class OwnWeights:
    """How the models' own weights differ, and the verdict with the reference's carried over."""

    comparison: WeightComparison
    #: None where it was not looked for.
    carried: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on a pair with its evidence; `explain.pair_report` puts it in words."""

    pair: Pair
    verdict: Verdict
    cause: Cause
    transfer: Transfer | None = None
    #: Which inputs get the same values, where there are several.
    fed: InputsRow | None = None
    #: The output shapes that the verdict is about, if the shapes decided it.
    shapes: OutputShapes | None = None
    #: The models whose outputs have other shapes than Keras announces.
    misannounced: tuple[Misannounced, ...] = ()
    #: Why no input is valid for both models.
    inputs_apart: str | None = None
    #: Why a model does not compute what it did when it was saved, where the verdict would be equal.
    unrestored: str | None = None
    #: What was run, and the results; None where nothing had to be run.
    examination: Examination | None = None
    evidence: Evidence | None = None
    judgement: Judgement | None = None
    #: Where a difference begins, if it was found by calling layers one by one, or by the results
    #: inside another runtime.
    divergence: FirstDivergence | None = None
    #: The differences at valid and at padded steps, where a mask separates these.
    masked: MaskedDifference | None = None
    #: None where the saved weights were not to be compared, or a model did not build.
    saved_weights: SavedWeights | None = None
    #: Whether the models differ with the weights paired by position, and not in the order of calls.
    differs_by_position: bool = False
    #: How the models' own weights differ, where these were compared.
    own_weights: OwnWeights | None = None
    #: Whether weights that are stored with one model were replaced by those of a recording.
    overruled: bool = False
