"""Measure how two different models depend on steps, if that is affordable.

A measurement that the user requests has no limit (`measure.py`). This one is made without a
request and is limited: it uses one kind of weights first, and the others only after a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from layerlens.dependence.measure import LENGTHS, MAX_LENGTH, WEIGHTS, Dependence, measure_whole
from layerlens.dependence.perturbed_inputs import MAX_STEPS, SAMPLE_KINDS
from layerlens.models.build.request import Built
from layerlens.models.execute.lengths import BEYOND
from layerlens.models.execute.receptive_field import receptive_field
from layerlens.models.inspect.shapes import flat_shapes

#: Multiplications that measuring one model with one kind of weights may take, about one second on
#: two cores.
_MAX_MULTIPLY_ADDS = 10**9


@dataclass
class DependenceCache:
    """The dependence of each model of one scenario, measured once."""

    seed: int
    training: bool
    _measured: dict[tuple[str, int], Dependence] = field(default_factory=dict)

    def differing(self, reference: Built, candidate: Built) -> tuple[Dependence, Dependence] | None:
        """Return the dependence of both models where they differ, else None.

        Also None where neither has steps, where one of the two could not be measured, and where
        measuring would take too long.
        """
        if not (_is_affordable(reference) and _is_affordable(candidate)):
            return None
        found = None
        for kinds in (WEIGHTS[:1], WEIGHTS):
            one, other = found = self._measure(reference, kinds), self._measure(candidate, kinds)
            if (
                one.mixing is None
                or other.mixing is None
                or _compared_maps(one) == _compared_maps(other)
            ):
                return None
        return found

    def _measure(self, model: Built, kinds: Sequence[str]) -> Dependence:
        key = model.spec.name, len(kinds)
        if key not in self._measured:
            self._measured[key] = measure_whole(
                model, seed=self.seed, training=self.training, kinds=kinds
            )
        return self._measured[key]


def _compared_maps(one: Dependence) -> tuple[Any, ...]:
    """Return what is compared: the kind, and every map without the name of its source layer."""
    maps = tuple((row.inputs, row.outputs, row.output, row.seen, row.beyond) for row in one.rows)
    return one.mixing, maps


def _is_affordable(built: Built) -> bool:
    """Return whether a measurement with one kind of weights is quick enough."""
    report = built.report
    span = receptive_field(built).span + BEYOND
    if span > MAX_LENGTH:
        return False
    length = max(LENGTHS[0], span)  # the length of a sample along an open axis
    shapes = flat_shapes([report.input_shape])
    spatial = [[n or length for n in shape[1:-1]] for shape in shapes]
    samples = sum(
        len(SAMPLE_KINDS) * (min(steps, MAX_STEPS) + 2) for axes in spatial for steps in axes
    )
    if not samples:
        return False
    each = report.multiply_adds
    if each is None:  # a length is open: assume that every weight is used at every step
        each = (report.params or 0) * max(map(prod, spatial))
    return samples * max(each, 1) <= _MAX_MULTIPLY_ADDS
