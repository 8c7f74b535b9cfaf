"""Shrink an input that shows a difference to a small counterexample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerlens.explain.difference_check import DifferenceCheck, FirstDifference
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Inputs, as_plain
from layerlens.numerics.flat_input import Entries, Indices, as_written, chunks, rows, stack
from layerlens.numerics.judge import Witness
from layerlens.report.pairs import Counterexample
from layerlens.scenario.spec import InputSpec, Tolerance

#: Calls of either model that the search for a simpler input may take.
BUDGET = 60
#: Candidates tried in one call, and scalars that they may hold together.
WIDTH = 96
SCALARS = 400_000
#: How many entries are looked at one by one.
SINGLES = 24


def shrink(
    reference: Side,
    candidate: Side,
    weights_reference: Values,
    weights_candidate: Values,
    witness: Witness,
    *,
    residue: bool,
    tolerance: Tolerance | None = None,
) -> Counterexample:
    """Return a counterexample of one sample, few entries and round numbers, still a difference.

    What is returned was measured: the two part on it beyond rounding, and visibly so in working
    precision if the witness did. A difference that needs several samples keeps the fewest. For a
    witness of one model differing from itself, `reference` is its value when traced with unknown
    lengths and `candidate` the one in the execution named. Where nothing smaller is found, or the
    budget runs out, the witness stands as it was seen.
    """
    check = DifferenceCheck(
        reference, candidate, weights_reference, weights_candidate, witness, residue, tolerance
    )
    search = _Search(check, Entries(reference.built.inputs))
    found = search.run()
    if found is None:
        return as_seen(witness, reference.built.inputs)
    inputs, difference = found
    observation = witness.observation
    return Counterexample(
        probe=observation.batch.name_of(witness.sample),
        execution=observation.execution,
        index=difference.index,
        reference=as_plain(difference.reference),
        candidate=as_plain(difference.candidate),
        input=written(inputs, reference.built.inputs),
    )


def as_seen(witness: Witness, specs: Sequence[InputSpec]) -> Counterexample:
    """Return the witness as a counterexample, its own sample alone and nothing made simpler."""
    observation, k = witness.observation, witness.output
    whole = len(observation.batch.inputs[0])
    output = observation.reference[k]
    split = output.ndim > 0 and len(output) == whole
    inputs = observation.batch.inputs
    if split:
        inputs = rows(inputs, [witness.sample])
    return Counterexample(
        probe=observation.batch.name_of(witness.sample if split else 0),
        execution=observation.execution,
        index=(0, *witness.index[1:]) if split else witness.index,
        reference=as_plain(output[witness.index]),
        candidate=as_plain(observation.candidate[k][witness.index]),
        input=written(inputs, specs),
    )


def written(inputs: Inputs, specs: Sequence[InputSpec]) -> Any:
    """Return inputs as nested lists; with several, by their names."""
    if len(inputs) == 1:
        return as_written(inputs[0])
    return {spec.name: as_written(array) for spec, array in zip(specs, inputs, strict=True)}


@dataclass
class _Search:
    """Greedy delta debugging: guesses in batches, then one measurement of what they led to."""

    check: DifferenceCheck
    entries: Entries
    #: True where samples stand alone, so that many candidates can share one call.
    separable: bool = False
    strictness: float = 1.0
    limit: int = 0
    trail: list[Inputs] = field(default_factory=list)

    def run(self) -> tuple[Inputs, FirstDifference] | None:
        start = self._start()
        if start is None:
            return None
        self.trail = [start]
        best = self.check.first_difference(start)
        if best is None:
            return None
        shortest = start
        spent = self.check.calls
        for stricter in (1.0, 64.0, 4096.0):
            self.strictness = stricter
            self.trail = [shortest]
            self._simplify(shortest, spent + BUDGET)
            found = self._last_confirmed()
            if found is not None:
                shortest, best = found
            if shortest is self.trail[-1] or self.check.calls >= spent + BUDGET:
                break
        return shortest, best

    # --- which samples ------------------------------------------------------------------------

    def _start(self) -> Inputs | None:
        """Return the witness's sample alone if it is enough, else the fewest that are."""
        witness = self.check.witness
        batch = witness.observation.batch.inputs
        output = witness.observation.reference[witness.output]
        if output.ndim == 0 or len(output) != len(batch[0]):
            return batch
        alone = rows(batch, [witness.sample])
        if self.check.first_difference(alone) is not None:
            self.separable = not (
                self.check.reference.training
                or self.check.witness.inconsistent
                or getattr(self.check.reference.built, "batch_size", None)
            )
            return alone
        return self._fewest_samples(batch, witness.sample)

    def _fewest_samples(self, batch: Inputs, sample: int) -> Inputs | None:
        """Halve the batch as long as the difference stays; each try is a call of its own."""
        chosen = list(range(len(batch[0])))
        if self.check.first_difference(batch) is None:
            return None
        limit = self.check.calls + BUDGET // 2
        neighbours = [sorted({sample, other}) for other in (sample - 1, sample + 1, 0, -1)]
        for pair in neighbours:
            fits = [n % len(chosen) for n in pair]
            if len(set(fits)) == 2 and self._holds(rows(batch, fits)):
                return rows(batch, fits)
        pieces = 2
        while len(chosen) > 1 and self.check.calls < limit:
            parts = np.array_split(np.asarray(chosen), min(pieces, len(chosen)))
            fewer = next(
                (
                    kept
                    for part in parts
                    if (kept := [n for n in chosen if n not in part])
                    and self.check.calls < limit
                    and self._holds(rows(batch, kept))
                ),
                None,
            )
            if fewer is not None:
                chosen = fewer
            elif pieces >= len(chosen):
                break
            else:
                pieces *= 2
        return rows(batch, chosen)

    def _holds(self, inputs: Inputs) -> bool:
        passed = self.check.likely_differs(inputs, self.strictness)
        return (
            passed is not None
            and bool(passed.any())
            and self.check.first_difference(inputs) is not None
        )

    # --- which entries, and what they are -------------------------------------------------------

    def _simplify(self, inputs: Inputs, limit: int) -> None:
        self.limit = limit
        state = self._few_entries(inputs)
        for _ in range(3):
            rounded = self._round(state)
            fewer = self._few_entries(rounded)
            if fewer is state:
                return
            state = fewer

    def _few_entries(self, state: Inputs) -> Inputs:
        """Put entries to rest: all but a chunk, then chunk by chunk, down to single entries."""
        places = self.entries.nonblank(state)
        if not len(places):
            return state
        resting = self.entries.blanked(state, places)
        ladder = [resting, *self._alone(state, places)]
        first = self._first_passing(ladder)
        if first is not None:
            state = self._accept(ladder[first])
        pieces = 2
        while len(places := self.entries.nonblank(state)) > 1 and not self._spent():
            pieces = min(pieces, len(places), self._width(state))
            parts = np.array_split(places, pieces)
            dropped = [
                parts[n] for n in self._passing([self.entries.blanked(state, p) for p in parts])
            ]
            if dropped:
                state = self._most_together(
                    state, [(lambda s, p=p: self.entries.blanked(s, p)) for p in dropped]
                )
            elif pieces >= min(len(places), self._width(state)):
                break
            pieces *= 2 if self.separable else 1 if dropped else 2
        return state

    def _alone(self, state: Inputs, places: Indices) -> Iterator[Inputs]:
        """Yield inputs of which one chunk alone is left, the smallest first."""
        levels = list(chunks(places, max(1, self._width(state) // 2)))
        for level in reversed(levels):
            if len(level) > 1:
                yield from (self.entries.keep_only(state, part) for part in level)

    def _round(self, state: Inputs) -> Inputs:
        """Make values rounder: all in the same way at once, then each for itself."""
        places = self.entries.nonblank(state)
        options = [self.entries.simpler_values(state, int(place)) for place in places[:256]]
        if not any(options):
            return state
        if len(places) <= 256:
            together = self._together(state, places, options)
            first = self._first_passing(together)
            if first is not None:
                state = self._accept(together[first])
        places = self.entries.nonblank(state)[:SINGLES]
        tries = [
            (int(place), value)
            for place in places
            for value in self.entries.simpler_values(state, int(place))
        ]
        trials = [
            self.entries.with_values(state, np.asarray([place]), [value]) for place, value in tries
        ]
        best: dict[int, Any] = {}
        for n in self._passing(trials):
            best.setdefault(*tries[n])
        return self._most_together(
            state,
            [
                (lambda s, p=place, v=value: self.entries.with_values(s, np.asarray([p]), [v]))
                for place, value in best.items()
            ],
        )

    def _together(
        self, state: Inputs, places: Indices, options: Sequence[tuple[Any, ...]]
    ) -> list[Inputs]:
        """Return the inputs with every entry at its n-th simplest value, for each n."""
        longest = max(map(len, options))
        values = self.entries.values(state, places)
        return [
            self.entries.with_values(
                state,
                places,
                [
                    choice[min(n, len(choice) - 1)] if choice else value
                    for choice, value in zip(options, values, strict=True)
                ],
            )
            for n in range(longest)
        ]

    def _most_together(self, state: Inputs, steps: Sequence[Any]) -> Inputs:
        """Take as many of the steps, in order, as keep the difference when taken together."""
        if not steps:
            return state
        taken = [state]
        for step in steps:
            taken.append(step(taken[-1]))
        trials = list(reversed(taken[1:]))
        first = self._first_passing(trials)
        return state if first is None else self._accept(trials[first])

    # --- guesses and measurements -----------------------------------------------------------------

    def _spent(self) -> bool:
        return self.check.calls >= self.limit

    def _width(self, state: Inputs) -> int:
        size = max(1, sum(array.size for array in state))
        return max(2, min(WIDTH, SCALARS // size))

    def _passing(self, trials: Sequence[Inputs]) -> list[int]:
        """Return which trials seem to keep the difference; alone, only the first that does."""
        if not trials or self._spent():
            return []
        if not self.separable:
            first = self._first_passing(trials)
            return [] if first is None else [first]
        width = self._width(trials[0])
        found: list[int] = []
        for start in range(0, len(trials), width):
            if self._spent():
                break
            passed = self.check.likely_differs(
                stack(trials[start : start + width]), self.strictness
            )
            if passed is not None:
                found += [start + int(n) for n in np.flatnonzero(passed)]
        return found

    def _first_passing(self, trials: Sequence[Inputs]) -> int | None:
        if self.separable:
            return next(iter(self._passing(trials)), None)
        for n, trial in enumerate(trials):
            if self._spent():
                return None
            passed = self.check.likely_differs(trial, self.strictness)
            if passed is not None and passed.any():
                return n
        return None

    def _accept(self, state: Inputs) -> Inputs:
        self.trail.append(state)
        return state

    def _last_confirmed(self) -> tuple[Inputs, FirstDifference] | None:
        """Measure where the guesses led; go back along the trail as far as they were wrong."""
        for state in reversed(self.trail[1:]):
            difference = self.check.first_difference(state)
            if difference is not None:
                return state, difference
        return None
