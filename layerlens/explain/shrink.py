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
from layerlens.plain import stage
from layerlens.report.pairs import Counterexample
from layerlens.scenario.spec import InputSpec, Tolerance

#: Calls of models that one round of the search may take.
BUDGET = 60
#: The most trial inputs in one call, and the most scalars in all of them.
WIDTH = 96
SCALARS = 400_000
#: The most entries that are rounded one by one.
SINGLES = 24
#: Entries beyond this number are not rounded all at once.
TOGETHER = 256


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
    """Return a counterexample of one sample, few entries and round numbers.

    Its difference was measured: the models differ on it by more than rounding, and visibly in
    working precision if the witness does. A difference that needs several samples keeps few of
    them. For a model that differs from itself, `reference` is its value when traced with unknown
    lengths and `candidate` its value in the execution named. The witness is returned as it was
    seen if nothing smaller is found within the budget.
    """
    stage.enter("simplifying the input on which they differ")
    check = DifferenceCheck(
        reference, candidate, weights_reference, weights_candidate, witness, residue, tolerance
    )
    search = _Search(check, Entries(reference.built.inputs))
    found = search.run()
    seen = as_seen(witness, reference.built.inputs)
    if found is None:
        return seen
    inputs, difference = found
    observation = witness.observation
    simple = written(inputs, reference.built.inputs)
    return Counterexample(
        probe=observation.batch.name_of(witness.sample),
        execution=observation.execution,
        index=difference.index,
        reference=as_plain(difference.reference),
        candidate=as_plain(difference.candidate),
        input=simple,
        simplified=simple != seen.input,
    )


def as_seen(witness: Witness, specs: Sequence[InputSpec]) -> Counterexample:
    """Return the witness as a counterexample: its sample alone, not simplified."""
    observation, k = witness.observation, witness.output
    samples = len(observation.batch.inputs[0])
    output = observation.reference[k]
    per_sample = output.ndim > 0 and len(output) == samples
    inputs = observation.batch.inputs
    if per_sample:
        inputs = rows(inputs, [witness.sample])
    return Counterexample(
        probe=observation.batch.name_of(witness.sample if per_sample else 0),
        execution=observation.execution,
        index=(0, *witness.index[1:]) if per_sample else witness.index,
        reference=as_plain(output[witness.index]),
        candidate=as_plain(observation.candidate[k][witness.index]),
        input=written(inputs, specs),
    )


def written(inputs: Inputs, specs: Sequence[InputSpec]) -> Any:
    """Return one input as nested lists, several as a mapping of their names to nested lists."""
    if len(inputs) == 1:
        return as_written(inputs[0])
    return {spec.name: as_written(array) for spec, array in zip(specs, inputs, strict=True)}


@dataclass
class _Search:
    """Greedy delta debugging: guesses in batches, then one measurement of the result."""

    check: DifferenceCheck
    entries: Entries
    #: Whether samples do not influence each other, so that many trials can share one call.
    separable: bool = False
    strictness: float = 1.0
    #: The number of calls at which a round of the search ends.
    limit: int = 0
    #: The inputs accepted in this round, of which only the first is confirmed.
    trail: list[Inputs] = field(default_factory=list)

    def run(self) -> tuple[Inputs, FirstDifference] | None:
        """Return the simplest input found and its difference; None if the witness is refuted.

        A round whose guesses prove wrong is repeated with greater strictness.
        """
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

    # --- samples ------------------------------------------------------------------------------

    def _start(self) -> Inputs | None:
        """Return the witness's sample if it shows the difference alone, else a small batch."""
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
        """Remove samples while the difference stays; each trial is a call of its own."""
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
            split = np.array_split(np.asarray(chosen), min(pieces, len(chosen)))
            fewer = next(
                (
                    kept
                    for chunk in split
                    if (kept := [n for n in chosen if n not in chunk])
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
        likely = self.check.likely_differs(inputs, self.strictness)
        return (
            likely is not None
            and bool(likely.any())
            and self.check.first_difference(inputs) is not None
        )

    # --- entries --------------------------------------------------------------------------------

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
        """Blank entries: all but a chunk, then ever smaller chunks."""
        places = self.entries.nonblank(state)
        if not len(places):
            return state
        blank = self.entries.blanked(state, places)
        trials = [blank, *self._single_chunks(state, places)]
        first = self._first_likely(trials)
        if first is not None:
            state = self._accept(trials[first])
        pieces = 2
        while len(places := self.entries.nonblank(state)) > 1 and not self._spent():
            pieces = min(pieces, len(places), self._width(state))
            split = np.array_split(places, pieces)
            dropped = [
                split[n] for n in self._likely([self.entries.blanked(state, p) for p in split])
            ]
            if dropped:
                state = self._longest_prefix(
                    state, [(lambda s, p=p: self.entries.blanked(s, p)) for p in dropped]
                )
            elif pieces >= min(len(places), self._width(state)):
                break
            pieces *= 2 if self.separable else 1 if dropped else 2
        return state

    def _single_chunks(self, state: Inputs, places: Indices) -> Iterator[Inputs]:
        """Yield inputs that keep one chunk of entries only, the smallest chunks first."""
        levels = list(chunks(places, max(1, self._width(state) // 2)))
        for level in reversed(levels):
            if len(level) > 1:
                yield from (self.entries.keep_only(state, chunk) for chunk in level)

    def _round(self, state: Inputs) -> Inputs:
        """Make values rounder: all in the same way at once, then one by one."""
        places = self.entries.nonblank(state)
        options = [self.entries.simpler_values(state, int(place)) for place in places[:TOGETHER]]
        if not any(options):
            return state
        if len(places) <= TOGETHER:
            together = self._together(state, places, options)
            first = self._first_likely(together)
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
        for n in self._likely(trials):
            best.setdefault(*tries[n])
        return self._longest_prefix(
            state,
            [
                (lambda s, p=place, v=value: self.entries.with_values(s, np.asarray([p]), [v]))
                for place, value in best.items()
            ],
        )

    def _together(
        self, state: Inputs, places: Indices, options: Sequence[tuple[Any, ...]]
    ) -> list[Inputs]:
        """Return, for each n, the inputs with every entry at its n-th simplest value."""
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

    def _longest_prefix(self, state: Inputs, steps: Sequence[Any]) -> Inputs:
        """Apply the longest prefix of the steps that keeps the difference."""
        if not steps:
            return state
        taken = [state]
        for step in steps:
            taken.append(step(taken[-1]))
        trials = list(reversed(taken[1:]))
        first = self._first_likely(trials)
        return state if first is None else self._accept(trials[first])

    # --- guesses and measurements -----------------------------------------------------------------

    def _spent(self) -> bool:
        return self.check.calls >= self.limit

    def _width(self, state: Inputs) -> int:
        size = max(1, sum(array.size for array in state))
        return max(2, min(WIDTH, SCALARS // size))

    def _likely(self, trials: Sequence[Inputs]) -> list[int]:
        """Return the trials that likely differ; only the first if samples are not separable."""
        if not trials or self._spent():
            return []
        if not self.separable:
            first = self._first_likely(trials)
            return [] if first is None else [first]
        width = self._width(trials[0])
        found: list[int] = []
        for start in range(0, len(trials), width):
            if self._spent():
                break
            likely = self.check.likely_differs(
                stack(trials[start : start + width]), self.strictness
            )
            if likely is not None:
                found += [start + int(n) for n in np.flatnonzero(likely)]
        return found

    def _first_likely(self, trials: Sequence[Inputs]) -> int | None:
        if self.separable:
            return next(iter(self._likely(trials)), None)
        for n, trial in enumerate(trials):
            if self._spent():
                return None
            likely = self.check.likely_differs(trial, self.strictness)
            if likely is not None and likely.any():
                return n
        return None

    def _accept(self, state: Inputs) -> Inputs:
        self.trail.append(state)
        return state

    def _last_confirmed(self) -> tuple[Inputs, FirstDifference] | None:
        """Return the last input of the trail on which the models differ as measured."""
        for state in reversed(self.trail[1:]):
            difference = self.check.first_difference(state)
            if difference is not None:
                return state, difference
        return None
