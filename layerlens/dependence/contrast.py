"""Measure how two different models depend on steps, if that is affordable.

What is asked for is measured whatever it takes (`dependence.py`); this is told unasked, and so has
a bound: a first look under one kind of weights, and the rest only where it showed something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from layerlens.dependence.measure import LENGTHS, LONGEST, WEIGHTS, Dependence, measure_whole
from layerlens.dependence.perturbed_inputs import MANNERS, MOST_STEPS
from layerlens.models.build.request import Built
from layerlens.models.execute.lengths import BEYOND
from layerlens.models.execute.receptive_field import receptive_field
from layerlens.models.inspect.shapes import flat_shapes

#: Products that a first look may take of one model, about a second's on two cores.
_MOST_MULTIPLY_ADDS = 10**9


@dataclass
class DependenceCache:
    """How the models of one scenario see steps, measured once each."""

    seed: int
    training: bool
    _measured: dict[tuple[str, int], Dependence] = field(default_factory=dict)

    def differing(self, reference: Built, candidate: Built) -> tuple[Dependence, Dependence] | None:
        """Return how either model sees steps; None where both see alike, or it takes too long.

        Also None where neither has steps, and where one of the two could not be measured.
        """
        if not (_is_bounded(reference) and _is_bounded(candidate)):
            return None
        found = None
        for kinds in (WEIGHTS[:1], WEIGHTS):
            one, other = found = self._of(reference, kinds), self._of(candidate, kinds)
            if one.mixing is None or other.mixing is None or _sight(one) == _sight(other):
                return None
        return found

    def _of(self, model: Built, kinds: Sequence[str]) -> Dependence:
        key = model.spec.name, len(kinds)
        if key not in self._measured:
            self._measured[key] = measure_whole(
                model, seed=self.seed, training=self.training, kinds=kinds
            )
        return self._measured[key]


def _sight(one: Dependence) -> tuple[Any, ...]:
    """Return what is compared: the kind, and every map without the name of what it comes from."""
    maps = tuple((row.inputs, row.outputs, row.output, row.seen, row.beyond) for row in one.rows)
    return one.mixing, maps


def _is_bounded(built: Built) -> bool:
    """Tell whether a first look takes no longer than one would wait for it unasked."""
    report = built.report
    span = receptive_field(built).span + BEYOND
    if span > LONGEST:
        return False
    length = max(LENGTHS[0], span)  # what a sample is replaced into along an open axis
    shapes = flat_shapes([report.input_shape])
    spatial = [[n or length for n in shape[1:-1]] for shape in shapes]
    samples = sum(len(MANNERS) * (min(steps, MOST_STEPS) + 2) for axes in spatial for steps in axes)
    if not samples:
        return False
    each = report.multiply_adds
    if each is None:  # a length is open: as if every weight were used at every step
        each = (report.params or 0) * max(map(prod, spatial))
    return samples * max(each, 1) <= _MOST_MULTIPLY_ADDS
