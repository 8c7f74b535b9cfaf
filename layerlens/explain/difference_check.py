"""Check whether two models really differ on one input, with its own noise floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.models.execute.keras_runner import Outcome
from layerlens.models.execute.side import Precision, Side, Values
from layerlens.numerics.arrays import Array, Inputs, greatest_index
from layerlens.numerics.differences import distance, within
from layerlens.numerics.judge import REAL, WORKING_ROUNDING, Witness, real_elements
from layerlens.numerics.noise_floor import (
    ROUNDOFF32,
    ROUNDOFF64,
    NoiseFloor,
    input_scale,
    noise_floor,
    with_inner_rounding,
)
from layerlens.scenario.spec import Tolerance
from layerlens.vocabulary import Execution

#: A guess has to clear the limits by this much, so that the measurement after it rarely refutes it.
MARGIN = 4.0
BASELINE: Execution = "traced_dynamic"


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """Where two outputs part first in row-major order, and what each has there."""

    index: tuple[int, ...]
    reference: Any
    candidate: Any


@dataclass
class DifferenceCheck:
    """Both models of a witness, ready to be run on other inputs than the one it was seen on.

    `part` measures: float64, working precision and a noise floor for that very input. `gap` only
    guesses, at two calls for a whole batch. Where one model differs from itself, both roles are
    played by that model: otherwise, and in the witness's execution.
    """

    reference: Side
    candidate: Side
    weights_reference: Values
    weights_candidate: Values
    witness: Witness
    residue: bool
    tolerance: Tolerance | None = None
    calls: int = 0
    #: How many units roundoff of its scale the witness's noise floor came to.
    _amplification: float = field(init=False)
    _visible: bool = field(init=False)
    _finite: bool = field(init=False)

    def __post_init__(self) -> None:
        witness = self.witness
        seen, k, at = witness.observation, witness.output, witness.index
        if witness.inconsistent == "reference":
            self.candidate, self.weights_candidate = self.reference, self.weights_reference
        elif witness.inconsistent == "candidate":
            self.reference, self.weights_reference = self.candidate, self.weights_candidate
        doubles = (seen.reference64[k], seen.candidate64[k])
        working = distance(seen.reference[k], seen.candidate[k])[at]
        floor = float(np.broadcast_to(seen.noise[k].working, doubles[0].shape)[at])
        self._visible = bool(witness.inconsistent or working > WORKING_ROUNDING * floor)
        self._finite = bool(np.isfinite(distance(*doubles)[at]))
        scale = _scale(doubles, seen.batch.inputs)
        own = float(np.broadcast_to(scale, doubles[0].shape)[at]) if doubles[0].ndim else scale
        self._amplification = max(1.0, floor / (ROUNDOFF32 * float(own) + 1e-300))

    @property
    def execution(self) -> Execution:
        return self.witness.observation.execution

    # --- a guess ----------------------------------------------------------------------------

    def passes(self, inputs: Inputs, slack: float) -> NDArray[np.bool_] | None:
        """Guess per sample whether the two part; None where they cannot be run on this."""
        outputs = self._guessed(inputs)
        if outputs is None:
            return None
        one, other = outputs
        gap = distance(one, other)
        if self.tolerance is not None:
            parted = ~within(one, other, self.tolerance.rtol, self.tolerance.atol)
        else:
            limit = REAL * ROUNDOFF64
            if self._visible or self.residue:
                limit = WORKING_ROUNDING * ROUNDOFF32
            floor = limit * MARGIN * slack * self._amplification * _scale(outputs, inputs)
            parted = gap > np.maximum(floor, np.finfo(np.float32).tiny)
        if self._finite:
            parted = parted & np.isfinite(gap)
        if parted.ndim == 0 or len(parted) != len(inputs[0]):
            return np.broadcast_to(parted.any(), len(inputs[0]))
        return np.asarray(parted.reshape(len(parted), -1).any(axis=1))

    def _guessed(self, inputs: Inputs) -> tuple[Array, Array] | None:
        if self.witness.inconsistent:
            return self._outputs(self._pair(inputs, ("working", BASELINE), self._own))
        precision: Precision = "float64" if self.tolerance is None else "working"
        return self._outputs(self._pair(inputs, (precision, BASELINE), (precision, BASELINE)))

    @property
    def _own(self) -> tuple[Precision, Execution]:
        return ("working", self.execution)

    def _pair(
        self, inputs: Inputs, one: tuple[Precision, Execution], other: tuple[Precision, Execution]
    ) -> tuple[Outcome, Outcome] | None:
        """Run both; None where either refuses or their shapes do not agree."""
        ours = self._run(self.reference, self.weights_reference, inputs, *one)
        if ours.error is not None:
            return None
        theirs = self._run(self.candidate, self.weights_candidate, inputs, *other)
        if theirs.error is not None or ours.shapes != theirs.shapes:
            return None
        return ours, theirs

    def _run(
        self,
        side: Side,
        values: Values,
        inputs: Inputs,
        precision: Precision,
        execution: Execution,
    ) -> Outcome:
        self.calls += 1
        return side.run(values, inputs, precision, execution)

    def _outputs(self, pair: tuple[Outcome, Outcome] | None) -> tuple[Array, Array] | None:
        k = self.witness.output
        return (pair[0].outputs[k], pair[1].outputs[k]) if pair else None

    # --- a measurement ------------------------------------------------------------------------

    def part(self, inputs: Inputs) -> FirstDifference | None:
        """Return where the two part on this input beyond any rounding, or None."""
        doubles = self._pair(inputs, ("float64", BASELINE), ("float64", BASELINE))
        first: Execution = BASELINE if self.witness.inconsistent else self.execution
        shown = self._outputs(self._pair(inputs, ("working", first), self._own))
        if doubles is None or shown is None:
            return None
        if shown[0].shape != doubles[0].shapes[self.witness.output]:
            return None
        if self.tolerance is not None:
            real = ~within(*shown, self.tolerance.rtol, self.tolerance.atol)
        else:
            real = self._real(inputs, doubles, shown)
        if self._finite:
            real = real & np.isfinite(distance(*shown))
        if not real.any():
            return None
        at = greatest_index(real)
        return FirstDifference(at, shown[0][at], shown[1][at])

    def _real(
        self, inputs: Inputs, doubles: tuple[Outcome, Outcome], shown: tuple[Array, Array]
    ) -> NDArray[np.bool_]:
        k = self.witness.output
        exact = (doubles[0].outputs[k], doubles[1].outputs[k])
        noise = self._noise(inputs, doubles, exact, shown)
        visible = distance(*shown) > WORKING_ROUNDING * noise.working
        if self.witness.inconsistent:
            return visible & (distance(exact[1], shown[1]) > WORKING_ROUNDING * noise.working)
        real = real_elements(*exact, noise, residue=self.residue)
        return real & visible if self._visible else real

    def _noise(
        self,
        inputs: Inputs,
        doubles: tuple[Outcome, Outcome],
        exact: tuple[Array, Array],
        shown: tuple[Array, Array],
    ) -> NoiseFloor:
        if exact[0].dtype.kind in "OSU":
            nothing = np.zeros(exact[0].shape)
            return NoiseFloor(nothing, nothing)
        usual: tuple[Array, Array] | None = shown
        if self._random:
            # A random stream differs between the precisions, so it cannot tell of rounding.
            usual = exact
        elif self.witness.inconsistent:
            usual = (shown[0], shown[0])
        elif self.execution != BASELINE:
            usual = self._outputs(self._pair(inputs, ("working", BASELINE), ("working", BASELINE)))
        k = self.witness.output
        self.calls += 4
        with np.errstate(over="ignore", invalid="ignore"):
            noise = noise_floor(
                exact,
                usual if usual is not None and usual[0].shape == exact[0].shape else exact,
                (
                    self.reference.sensitivity(self.weights_reference, inputs, doubles[0], 0)[k],
                    self.candidate.sensitivity(self.weights_candidate, inputs, doubles[1], 0)[k],
                ),
                input_scale(inputs, exact[0]),
            )
        if not np.any(self.witness.observation.noise[k].inner):
            return noise
        moved = [
            side.inner_rounding(values, inputs, outcome.outputs)
            for side, values, outcome in (
                (self.reference, self.weights_reference, doubles[0]),
                (self.candidate, self.weights_candidate, doubles[1]),
            )
        ]
        unit = ROUNDOFF64 if self.reference.is_exact else self.reference.unit
        return with_inner_rounding(noise, [one[k] for one in moved if one is not None], unit)

    @property
    def _random(self) -> bool:
        return self.reference.training and (
            self.reference.working.is_random or self.candidate.working.is_random
        )


def _scale(outputs: tuple[Array, Array], inputs: Sequence[Array]) -> NDArray[np.float64]:
    """Return what rounding is relative to: a sample's greatest output or input, or 1."""
    scale = np.maximum(input_scale(inputs, outputs[0]), 1.0)
    for output in outputs:
        if output.dtype.kind not in "fiu":
            continue
        size = np.abs(np.where(np.isfinite(output), output, 0).astype(np.float64))
        if size.ndim > 1:
            size = size.max(axis=tuple(range(1, size.ndim)), keepdims=True, initial=0.0)
        scale = np.maximum(scale, size if size.ndim == scale.ndim else size.max(initial=0.0))
    return np.asarray(scale)
