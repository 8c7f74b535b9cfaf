"""Compare the weight values of two models, weight by weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan

import numpy as np

from layerlens.numerics.arrays import Array
from layerlens.numerics.differences import Difference, difference_between
from layerlens.numerics.weight_transfer import Transfer


@dataclass(frozen=True, slots=True)
class WeightDifference:
    """Two paired weights whose values differ, by their paths, and the figures of the difference.

    Several weights of the reference that are joined to one are named with commas between.
    """

    reference: str
    candidate: str
    difference: Difference


@dataclass(frozen=True, slots=True)
class WeightComparison:
    """The paired weights whose values differ, in the candidate's order."""

    #: The number of weights that were compared.
    compared: int
    differing: tuple[WeightDifference, ...]
    #: The weights of either model that have no partner, by path.
    unmatched: tuple[str, ...] = ()

    @property
    def are_equal(self) -> bool:
        """Whether every weight has a partner with exactly the same values."""
        return not self.differing and not self.unmatched

    @property
    def greatest(self) -> WeightDifference | None:
        """The weight that differs most; None where none does."""
        return max(self.differing, key=_size, default=None)


def compare_weights(
    transfer: Transfer, reference: Sequence[Array], candidate: Sequence[Array]
) -> WeightComparison:
    """Compare the candidate's own weights with those that would be carried over to it.

    No difference is too small to count: stored weights that were copied are equal in every bit.

    Args:
        transfer: the pairs to compare; weights without a partner are listed, and not compared.
        reference: the reference's values, in the order of `transfer.reference`.
        candidate: the candidate's own values, in the order of `transfer.candidate`.
    """
    carried = transfer.carry(reference, candidate)
    rows = []
    for pairing in transfer.pairings:
        place = pairing.candidate
        if np.array_equal(carried[place], candidate[place]):
            continue  # most are, and measuring a difference takes several arrays of this size
        difference = difference_between(carried[place], candidate[place], 0.0)
        if difference.mismatched:
            ours = ", ".join(row.path for row in transfer.sources(pairing))
            row = WeightDifference(ours, transfer.candidate[place].path, difference)
            rows.append((place, row))
    differing = tuple(row for _, row in sorted(rows, key=lambda item: item[0]))
    return WeightComparison(len(transfer.pairings), differing, transfer.unmatched)


def _size(row: WeightDifference) -> float:
    return inf if isnan(row.difference.max_abs) else row.difference.max_abs
