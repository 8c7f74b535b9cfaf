"""Differences at valid and at padded steps, separated by a mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.comparison.examination import Examination
from layerlens.models.build.session import in_fresh_session
from layerlens.models.build.symbolic import functional
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.side import Side
from layerlens.models.inspect.call_graph import calls_between, is_input_call
from layerlens.numerics.arrays import Array
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import allowed_gap
from layerlens.numerics.observation import Observation
from layerlens.report.pairs import MaskedDifference, StepsDifference
from layerlens.scenario.spec import Tolerance

Flags = NDArray[np.bool_]


def masked_difference(
    examination: Examination, tolerance: Tolerance | None
) -> MaskedDifference | None:
    """Return the observed differences at valid and at padded steps.

    The mask is that of the output, or else the last mask before it that has as many steps: first
    the reference's, then the candidate's. None where there is no mask, where the output has no
    steps, and where a slice of it is compared.
    """
    sides = (examination.reference, examination.candidate)
    if any(side.built.spec.select is not None for side in sides):
        return None
    found = next((mask for side in sides if (mask := _Mask.of(side)) is not None), None)
    if found is None:
        return None
    valid, padded = _Steps(), _Steps()
    for observation in examination.observations:
        weights = examination.weights_of(observation)
        values = weights.reference if found.side is sides[0] else weights.candidate
        found.side.hold(values, "working")
        flags = found.values(observation.batch.inputs)
        if flags is not None:
            valid.add(observation, flags, tolerance)
            padded.add(observation, ~flags, tolerance)
    if not (valid.compared or padded.compared):
        return None
    return MaskedDifference(valid.to_row(), padded.to_row(), found.side.name, found.layer)


@dataclass(frozen=True)
class _Mask:
    """A mask of one model, computed by a model with the same inputs and weights."""

    side: Side
    layer: str
    runner: KerasRunner

    @classmethod
    def of(cls, side: Side) -> _Mask | None:
        if side.working.keras is None:
            return None
        model = side.built.model
        if len(model.outputs) != 1 or len(model.outputs[0].shape) < 2:
            return None
        steps = model.outputs[0].shape[1]
        found = None
        for tensor, layer in _masked_tensors(model):
            if tensor.shape[1] == steps:
                found = tensor, layer
        if found is None:
            return None
        built = side.working.built
        mask_model = in_fresh_session(
            lambda: functional(tuple(model.inputs), (found[0]._keras_mask,), "mask"),
            side.working.seed,
        )
        return cls(side, found[1], KerasRunner(replace(built, model=mask_model), side.working.seed))

    def values(self, inputs: Sequence[Array]) -> Flags | None:
        outcome = self.runner.run(inputs, "eager")
        return None if outcome.error is not None else outcome.outputs[0].astype(bool)


def _masked_tensors(model: Any) -> Iterator[tuple[Any, str]]:
    """Yield the layer outputs that have a mask, with the layer's name, in the order of calls."""
    for node in calls_between(model.inputs, model.outputs):
        if not is_input_call(node):
            tensor = node.outputs[0]
            if getattr(tensor, "_keras_mask", None) is not None and len(tensor.shape) > 1:
                yield tensor, str(node.operation.name)


@dataclass
class _Steps:
    """The greatest differences and the counts over steps of one kind so far."""

    max_abs: float = 0.0
    float64_max_abs: float | None = 0.0
    mismatched: int = 0
    compared: int = 0

    def add(self, seen: Observation, flags: Flags, tolerance: Tolerance | None) -> None:
        shape = seen.reference[0].shape
        if shape[:2] != flags.shape or seen.candidate[0].shape != shape or not flags.any():
            return
        difference = distance(seen.reference[0], seen.candidate[0])
        mismatched = np.broadcast_to(difference > allowed_gap(seen, 0, tolerance), shape)
        self.max_abs = max(self.max_abs, float(difference[flags].max(initial=0.0)))
        self.mismatched += int(np.count_nonzero(mismatched[flags]))
        self.compared += int(difference[flags].size)
        if self.float64_max_abs is None or not seen.exact:
            self.float64_max_abs = None
            return
        exact = distance(seen.reference64[0], seen.candidate64[0])[flags]
        self.float64_max_abs = max(self.float64_max_abs, float(exact.max(initial=0.0)))

    def to_row(self) -> StepsDifference:
        if not self.compared:
            return StepsDifference(None, None, 0, 0)
        return StepsDifference(self.max_abs, self.float64_max_abs, self.mismatched, self.compared)
