"""Decide whether two models differ on one input, by the noise floor of that input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.models.execute.outcome import Outcome
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
from layerlens.numerics.weight_transfer import Transfer
from layerlens.scenario.spec import Tolerance
from layerlens.vocabulary import Execution

#: Factor on the limits of a guess, so that the measurement after it rarely refutes it.
MARGIN = 4.0
BASELINE: Execution = "traced_dynamic"


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """The first index, in row-major order, at which two outputs differ, and both values."""

    index: tuple[int, ...]
    reference: Any
    candidate: Any


@dataclass
class DifferenceCheck:
    """The models of a witness, to be compared on inputs other than the witness's own.

    `first_difference` measures in float64 and in working precision, with a noise floor for that
    input. `likely_differs` guesses, with two calls for a whole batch. For a model that differs
    from itself, both sides are that model: the reference called with unknown lengths, the
    candidate called as the witness was.
    """

    reference: Side
    candidate: Side
    weights_reference: Values
    weights_candidate: Values
    witness: Witness
    residue: bool
    tolerance: Tolerance | None = None
    #: How the candidate's weights are made from the reference's; None where that is not known.
    transfer: Transfer | None = None
    calls: int = 0
    #: The noise floor of the witness, in units roundoff of its scale; at least 1.
    _amplification: float = field(init=False)
    #: Whether the witness shows in working precision, and whether its gap is finite; a smaller
    #: input has to do the same.
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
        at_witness = (
            float(np.broadcast_to(scale, doubles[0].shape)[at]) if doubles[0].ndim else scale
        )
        self._amplification = max(1.0, floor / (ROUNDOFF32 * float(at_witness) + 1e-300))

    def forget_weights(self) -> None:
        """Assign the witness's weights again in the next run, after other code has changed them."""
        self.reference.forget()
        self.candidate.forget()

    @property
    def execution(self) -> Execution:
        return self.witness.observation.execution

    # --- a guess ----------------------------------------------------------------------------

    def likely_differs(self, inputs: Inputs, strictness: float) -> NDArray[np.bool_] | None:
        """Guess for each sample whether the models differ, shape (samples,).

        A greater `strictness` raises the limit. None if either model refuses the inputs.
        """
        outputs = self._quick_outputs(inputs)
        if outputs is None:
            return None
        one, other = outputs
        gap = distance(one, other)
        if self.tolerance is not None:
            differs = ~within(one, other, self.tolerance.rtol, self.tolerance.atol)
        else:
            limit = REAL * ROUNDOFF64
            if self._visible or self.residue:
                limit = WORKING_ROUNDING * ROUNDOFF32
            floor = limit * MARGIN * strictness * self._amplification * _scale(outputs, inputs)
            differs = gap > np.maximum(floor, np.finfo(np.float32).tiny)
        if self._finite:
            differs = differs & np.isfinite(gap)
        if differs.ndim == 0 or len(differs) != len(inputs[0]):
            return np.broadcast_to(differs.any(), len(inputs[0]))
        return np.asarray(differs.reshape(len(differs), -1).any(axis=1))

    def _quick_outputs(self, inputs: Inputs) -> tuple[Array, Array] | None:
        if self.witness.inconsistent:
            return self._outputs(self._pair(inputs, ("working", BASELINE), self._as_witnessed))
        precision: Precision = "float64" if self.tolerance is None else "working"
        return self._outputs(self._pair(inputs, (precision, BASELINE), (precision, BASELINE)))

    @property
    def _as_witnessed(self) -> tuple[Precision, Execution]:
        return ("working", self.execution)

    def _pair(
        self, inputs: Inputs, one: tuple[Precision, Execution], other: tuple[Precision, Execution]
    ) -> tuple[Outcome, Outcome] | None:
        """Run both models; None if either refuses or the output shapes differ."""
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

    def first_difference(self, inputs: Inputs) -> FirstDifference | None:
        """Return the first element that differs by more than rounding, or None.

        None too if either model refuses the inputs or the output shapes differ.
        """
        doubles = self._pair(inputs, ("float64", BASELINE), ("float64", BASELINE))
        first: Execution = BASELINE if self.witness.inconsistent else self.execution
        shown = self._outputs(self._pair(inputs, ("working", first), self._as_witnessed))
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
            zeros = np.zeros(exact[0].shape)
            return NoiseFloor(zeros, zeros)
        usual: tuple[Array, Array] | None = shown
        if self._random:
            # A random stream differs between the precisions, so their gap is not rounding alone.
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
    """Return the scale of rounding: each sample's greatest absolute output or input, at least 1."""
    scale = np.maximum(input_scale(inputs, outputs[0]), 1.0)
    for output in outputs:
        if output.dtype.kind not in "fiu":
            continue
        size = np.abs(np.where(np.isfinite(output), output, 0).astype(np.float64))
        if size.ndim > 1:
            size = size.max(axis=tuple(range(1, size.ndim)), keepdims=True, initial=0.0)
        scale = np.maximum(scale, size if size.ndim == scale.ndim else size.max(initial=0.0))
    return np.asarray(scale)
