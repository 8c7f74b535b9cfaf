"""Perturb weights of a model and see whether its outputs change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from layerlens.comparison.effort import FEW_WEIGHTS, MAX_NUDGES
from layerlens.comparison.slopes import Direction, least_change
from layerlens.models.execute.input_domains import has_foreign_layers
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Array, Float, in_blocks
from layerlens.numerics.differences import distance
from layerlens.numerics.probes import generator


@dataclass
class Nudges:
    """A model on one set of weights and one batch, of which some weights are perturbed."""

    side: Side
    values: Values
    inputs: Sequence[Array]
    seed: int
    #: The runs that are left.
    left: int = field(default=MAX_NUDGES)

    def shown(self, positions: Collection[int]) -> set[int]:
        """Return the weights that change an output when each is perturbed alone.

        A weight that is missing changes none, or was not examined: `left` is then 0.
        """
        seen: set[int] = set()
        if len(positions) > FEW_WEIGHTS:
            seen = self._shown_by_slopes(positions)
        rest = [position for position in positions if position not in seen]
        if len(rest) <= self.left:
            return seen | {position for position in rest if self.changes([position])}
        return seen | set(self._shown_by_halves(rest))

    def _shown_by_halves(
        self, positions: Sequence[int], *, is_known: bool = False
    ) -> Iterator[int]:
        """Perturb weights together; where an output changes, perturb each half, down to one.

        Of several that are known to change one, only the halves are perturbed.
        """
        known = is_known and len(positions) > 1
        if not known and (self.left <= 0 or not self.changes(positions)):
            return
        if len(positions) == 1:
            yield positions[0]
            return
        half = len(positions) // 2
        found = list(self._shown_by_halves(positions[:half]))
        yield from found
        # Where the first half changes nothing, the second does.
        yield from self._shown_by_halves(positions[half:], is_known=not found and self.left > 0)

    def changes(self, positions: Sequence[int], index: Any = ()) -> bool:
        """Return whether an output changes with these weights, or their elements at an index."""
        self.left -= 1
        changed = list(self.values)
        for position in positions:
            changed[position] = self.values[position].astype(np.float64)
            changed[position][index] += self._changes_of(position)[index]
        return outcomes_differ(self._base, self._run(tuple(changed)))

    def _changes_of(self, position: int) -> Float:
        """Return how the values of a weight are perturbed."""
        found = np.empty(self.values[position].shape)
        for block, change in zip(in_blocks(found), self._changes_in_blocks(position), strict=True):
            block[:] = change
        return found

    def _changes_in_blocks(self, position: int) -> Iterator[Float]:
        """Yield the same for some values at a time, in row-major order."""
        rng = generator(self.seed, "nudge", position)
        for block in in_blocks(self.values[position]):
            sizes = block.astype(np.float64)
            yield sizes * (0.25 * rng.random(sizes.shape)) + 0.01 * rng.random(sizes.shape)

    @cached_property
    def _base(self) -> Outcome:
        return self._run(self.values)

    def _run(self, values: Values) -> Outcome:
        return self.side.run(values, self.inputs, "float64", "traced_dynamic")

    def _shown_by_slopes(self, positions: Collection[int]) -> set[int]:
        """Return the weights whose gradient says that their perturbation moves an output.

        A gradient of layers that Keras does not define may say anything.
        """
        return {position for position in positions if self.clearly_changes(position)}

    def clearly_changes(self, position: int, index: Any = ()) -> bool:
        """Return whether a gradient says that a weight, or some of its elements, move an output.

        One gradient of all weights is computed, once. That it does not say so means nothing.
        """
        if self._slopes is None:
            return False
        direction, slopes = self._slopes
        slope = slopes[position]
        if slope is None:
            return False
        if index == ():
            return direction.clearly_moves(in_blocks(slope), self._changes_in_blocks(position))
        return direction.clearly_moves([slope[index]], [self._changes_of(position)[index]])

    @cached_property
    def _slopes(self) -> tuple[Direction, Sequence[Array | None]] | None:
        """The gradient of all weights along a direction; None where it cannot be relied on."""
        runner = self.side.float64.keras
        if runner is None or has_foreign_layers(self.side.built):
            return None
        batch = next(iter(runner.batches(self.inputs)))
        whole = self.side.run_whole(self.values, batch, "float64", "traced_dynamic")
        direction = Direction.of(self.side, whole)
        if direction is None:
            return None
        self.side.hold(self.values, "float64")
        training = self.side.training
        found = runner.gradients(batch, direction.arrays, training=training, seed=0, frozen=True)
        if training:
            self.side.forget()  # the call has changed statistics
        return None if found is None else (direction, found[1])


def outcomes_differ(one: Outcome, other: Outcome) -> bool:
    """Return whether two runs of a model differ by more than rounding."""
    if one.error or other.error or one.shapes != other.shapes:
        return True
    return any(
        arrays_differ(left, right) for left, right in zip(one.outputs, other.outputs, strict=True)
    )


def arrays_differ(left: Array, right: Array) -> bool:
    if left.shape != right.shape or left.dtype.kind != right.dtype.kind:
        return True
    difference = distance(left, right)
    if left.dtype.kind != "f":
        return bool(difference.any())
    return bool((difference > least_change(left)).any())
