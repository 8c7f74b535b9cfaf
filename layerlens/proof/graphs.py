"""Prove that the graphs of two models are one function, in exact arithmetic modulo primes.

Both models are traced as `predict` traces them, with unknown batch and lengths. Inputs and paired
weights become random residues, and every function that is not rational an unknown one. Equal
outputs mean equal expressions, but for a chance that the certificate states; unequal ones mean
nothing. Testing over finite fields is how Mirage compares tensor programs (arXiv 2405.05751).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from math import ceil, log
from typing import Any

import numpy as np

from layerlens.models.build.request import Built
from layerlens.models.execute.side import Side
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.cases import Batch, Cases
from layerlens.proof.evaluation import Evaluation, shape_at
from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.dependence import dependence, stays_with_its_sample
from layerlens.proof.field.residues import Field, VanishedError
from layerlens.proof.field.value import CannotProveError, Value
from layerlens.proof.refusals import refuse_what_no_graph_tells
from layerlens.proof.shared_prefix import has_same_weights, variable_names
from layerlens.proof.sizes import (
    ERROR_BOUND,
    TooShortError,
    beyond_all_layers,
    lengths_text,
    trace,
    variable_sizes,
    with_lengths,
)
from layerlens.proof.user_code import (
    SAME_AT_EVERY_CALL,
    counts_in_code,
    runs_user_code,
    trace_guarded,
)
from layerlens.report.pairs import CertificateRow

#: The primes of the first attempt, and the most of any.
FEWEST_PRIMES, MOST_PRIMES = 4, 12
#: Other seeds are tried where a denominator vanishes by chance.
MOST_SEEDS = 3
#: Batch sizes where no axis is variable.
FIXED_SIZES: tuple[tuple[int, int], ...] = ((3, 0), (2, 0))
#: More batch sizes in training mode, where samples share statistics: a sample that is its own mean,
#: and many.
TRAINING_BATCHES = (1, 10)
#: The same for code of the user's, and the known batch sizes that it is traced for.
USER_BATCHES, USER_KNOWN_BATCHES = (1, 7), (1, 2, 3)
#: Static batch sizes beyond this are not tried; where one would matter nothing is proved.
LARGEST_BATCH = 64


@dataclass(frozen=True, slots=True)
class Unproved:
    """Why no proof was found; says nothing about whether the models differ."""

    reason: str


def prove_graphs(
    reference: Side, candidate: Side, transfer: Transfer, *, seed: int
) -> CertificateRow | Unproved:
    """Return a certificate that both compute one function in their mode, or why there is none."""
    built = reference.working.built, candidate.working.built
    try:
        _refuse_pair(*built, transfer)
        names = variable_names(*built, transfer)
        return GraphProof(reference, candidate, names, seed).certificate()
    except CannotProveError as error:
        return Unproved(str(error))
    except VanishedError:
        return Unproved("denominators vanish by chance under every seed that was tried")


class _UnequalError(CannotProveError):
    """Two expressions that differ, unless more is known of the inputs held against numbers."""

    def __init__(self, reason: str, tested: set[tuple[int, Fraction]]) -> None:
        super().__init__(reason)
        self.tested = tested


def _refuse_pair(one: Built, other: Built, transfer: Transfer) -> None:
    if [(i.shape, i.dtype) for i in one.inputs] != [(i.shape, i.dtype) for i in other.inputs]:
        raise CannotProveError("the inputs differ")
    for built in (one, other):
        refuse_what_no_graph_tells(built)
    if not has_same_weights(other, transfer):
        raise CannotProveError("the weights are not carried over")


@dataclass
class GraphProof:
    """One proof, over all sizes."""

    reference: Side
    candidate: Side
    #: The names of all weights by the id of their variable; weights of one name are equal.
    names: Mapping[int, Hashable]
    seed: int
    #: The names of weights that have other values in the candidate.
    anew: frozenset[Hashable] = frozenset()
    #: Whether a softmax is that of the distances to its first element: `Algebra.by_distances`.
    by_distances: bool = False
    _degree: float = 0.0
    _primes: int = 0
    _bound: float = 0.0
    _assumptions: dict[str, None] = field(default_factory=dict)
    #: The known batch sizes at which both are proved equal, by length.
    _proved_at: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    #: The traces of models with code of the user's: by side, and by shapes where these are known.
    _guarded: dict[Hashable, Any] = field(default_factory=dict)

    def certificate(self) -> CertificateRow:
        """Return the certificate.

        Raises:
            CannotProveError: there is none.
            VanishedError: chance was against it.
        """
        sizes = self._prove_at_sizes()
        if self._runs_user_code:
            self._assumptions[SAME_AT_EVERY_CALL] = None
        text = "the whole graphs"
        if self._is_training:
            text += f", in batches of {lengths_text([(0, batch) for batch, _ in sizes])}"
        if self._has_variable_axes:
            text += f", at lengths {lengths_text(sizes)}"
        return CertificateRow(
            text,
            ceil(self._degree),
            self._primes,
            self._bound,
            "graph",
            tuple(self._assumptions),
        )

    @property
    def _sides(self) -> tuple[Side, Side]:
        return self.reference, self.candidate

    @property
    def _built(self) -> tuple[Built, Built]:
        return self.reference.working.built, self.candidate.working.built

    @property
    def _is_training(self) -> bool:
        return any(side.training for side in self._sides)

    @cached_property
    def _runs_user_code(self) -> bool:
        return any(map(runs_user_code, self._built))

    @property
    def _has_variable_axes(self) -> bool:
        return any(None in spec.shape for built in self._built for spec in built.inputs)

    # --- sizes ------------------------------------------------------------------------------------

    def _prove_at_sizes(self) -> Sequence[tuple[int, int]]:
        """Prove at every size of a row and return the row."""
        rows = list(self._rows())
        for row in rows:
            try:
                for batch, length in row:
                    self._prove_at(batch, length)
            except TooShortError:
                if row is rows[-1]:
                    raise
                continue
            return row
        raise CannotProveError("no size can be tried")

    def _rows(self) -> Iterator[tuple[tuple[int, int], ...]]:
        batch = next((built.batch_size for built in self._built if built.batch_size), None)
        more = TRAINING_BATCHES if self._is_training else ()
        if self._runs_user_code:
            more = (*more, *USER_BATCHES)
        for row in self._rows_of_lengths():
            if batch is None:
                yield tuple(dict.fromkeys((*row, *((size, row[0][1]) for size in more))))
            else:
                yield tuple(dict.fromkeys((batch, length) for _, length in row))

    def _rows_of_lengths(self) -> Iterator[tuple[tuple[int, int], ...]]:
        if not self._has_variable_axes:
            yield FIXED_SIZES
            return
        beyond = beyond_all_layers(*self._built)
        if beyond is None:
            raise CannotProveError("no length is tried beyond all that the layers look across")
        yield from variable_sizes(beyond)

    def _prove_at(self, batch: int, length: int) -> None:
        """Prove at one size, as traced for any batch and as traced for batches of known size."""
        doubtful = self._prove_traced(batch, length, static=False)
        if self._is_training:  # as `model(x, training=True)` is called
            doubtful |= {batch}
        doubtful |= self._user_sizes()
        known = {built.batch_size for built in self._built} - {None}
        for size in sorted(doubtful - self._proved_at[length] if not known else ()):
            if size > LARGEST_BATCH:
                raise CannotProveError(
                    f"a batch of {size} samples may be added up otherwise, as a bias"
                )
            self._prove_traced(size, length, static=True)
            self._proved_at[length].add(size)

    def _user_sizes(self) -> set[int]:
        """Return known batch sizes at which code of the user's may compute something else."""
        if not self._runs_user_code:
            return set()
        counts = set[int]().union(*map(counts_in_code, self._built))
        return {*USER_KNOWN_BATCHES, *(n for n in counts if 0 < n <= LARGEST_BATCH)}

    def _prove_traced(self, batch: int, length: int, *, static: bool) -> set[int]:
        """Prove two traces equal; return the batch sizes that may be traced otherwise."""
        arrays = [
            np.zeros(shape_at(spec, batch, length), spec.dtype) for spec in self._built[0].inputs
        ]
        traced = [self._traced(side, arrays, static=static) for side in self._sides]
        try:
            return self._prove_batches(traced, [Batch(batch, length)])
        except _UnequalError as error:
            if not error.tested:
                raise
            shapes = [with_lengths(spec.shape, length) for spec in self._built[0].inputs]
            cases = Cases.of(error.tested, self._built[0].inputs, shapes)
        fixed = static or any(built.batch_size for built in self._built)
        tables = cases.batches(batch, fixed=fixed)
        if not fixed:
            # Most that differ differ here already.
            self._prove_batches(traced, [Batch(len(cases.few()), length, cases, cases.few())])
        batches = [Batch(len(rows), length, cases, rows) for rows in tables]
        self._check_samples(traced, batches[0])
        return self._prove_batches(traced, batches)

    def _check_samples(self, traced: Sequence[Any], batch: Batch) -> None:
        """Raise unless both models treat each sample of a batch alone."""
        if batch.size == 1:
            return
        algebra = dependence(batch.size)
        evaluation = Evaluation.of(algebra, self._built, self.names)
        inputs = evaluation.inputs(self._built[0].inputs, Batch(batch.size, batch.length))
        for built, function in zip(self._built, traced, strict=True):
            for output in evaluation.outputs(built, function, inputs):
                lanes = algebra.residues(output)
                if output.shape[:1] != (batch.size,) or not stays_with_its_sample(lanes):
                    raise CannotProveError("masks have cases, and samples are not treated alone")

    def _prove_batches(self, traced: Sequence[Any], batches: Sequence[Batch]) -> set[int]:
        """Prove both equal on some batches; return the batch sizes that may be traced otherwise."""
        primes, seed = max(FEWEST_PRIMES, self._primes), self.seed
        for _ in range(MOST_SEEDS + 1):
            try:
                algebra, doubtful = self._agree(traced, batches, Field.drawn(seed, primes))
            except VanishedError:
                seed += 1
                continue
            if algebra.error_bound <= ERROR_BOUND:
                self._take(algebra)
                return doubtful
            primes = _enough_primes(algebra)
        raise VanishedError

    def _traced(self, side: Side, arrays: Sequence[Any], *, static: bool) -> Any:
        runner = side.working.keras
        if runner is None:
            raise CannotProveError("there is no TensorFlow graph")
        mode: dict[str, bool] = {"training": side.training, "known_shapes": static}
        if not runs_user_code(side.built):
            return trace(partial(runner.concrete, arrays, **mode))
        key = id(side), tuple(array.shape for array in arrays) if static else None
        if key not in self._guarded:
            side.forget()
            self._guarded[key] = trace_guarded(runner, arrays, **mode)
        return self._guarded[key]

    def _take(self, algebra: Algebra) -> None:
        self._degree = max(self._degree, algebra.worst.of_a_difference())
        self._primes = max(self._primes, len(algebra.field.primes))
        self._bound = max(self._bound, algebra.error_bound)
        self._assumptions |= dict.fromkeys(sorted(algebra.assumptions))

    # --- one run of both --------------------------------------------------------------------------

    def _agree(
        self, traced: Sequence[Any], batches: Sequence[Batch], drawn: Field
    ) -> tuple[Algebra, set[int]]:
        """Run both traces; raise unless their outputs are the same expressions."""
        algebra = Algebra(drawn, by_distances=self.by_distances)
        evaluation = Evaluation.of(algebra, self._built, self.names)
        for batch in batches:
            inputs = evaluation.inputs(self._built[0].inputs, batch)
            outputs, conditions = [], []
            for built, function, anew in zip(self._built, traced, ((), self.anew), strict=True):
                algebra.conditions = set()
                outputs.append(evaluation.outputs(built, function, inputs, anew=anew))
                conditions.append(algebra.conditions)
            _compare(algebra, *outputs)
            _compare_conditions(algebra, *conditions)
        return algebra, evaluation.interpreter.doubtful_sizes


def _enough_primes(algebra: Algebra) -> int:
    """Return how many primes meet the bound.

    Raises:
        CannotProveError: more than there may be.
    """
    chance = algebra.worst.chance()
    if chance < 0.5:
        wanted = -log(ERROR_BOUND) + 2 * log(algebra.evaluations)
        primes = ceil(wanted / -log(chance)) + 1
        if primes <= MOST_PRIMES:
            return primes
    raise CannotProveError("the expressions are too complex for a low chance of error")


def _compare(algebra: Algebra, ours: Sequence[Value], theirs: Sequence[Value]) -> None:
    """Raise unless the outputs of two models are the same expressions."""
    if len(ours) != len(theirs):
        raise CannotProveError("they have different numbers of outputs")
    for one, other in zip(ours, theirs, strict=True):
        if one.shape != other.shape or one.kind != other.kind:
            raise CannotProveError("their outputs differ in shape or dtype")
        if not one.size:
            raise TooShortError("an output is empty")
        if not algebra.compare(one, other):
            raise _UnequalError("their expressions differ", algebra.tested)


def _compare_conditions(
    algebra: Algebra, ours: set[tuple[str, int, int]], theirs: set[tuple[str, int, int]]
) -> None:
    """Raise unless two models are defined under the same conditions."""
    if ours != theirs:
        kinds = sorted({what for what, *_ in ours ^ theirs})
        reason = f"one is defined where the other may not be: something {' and '.join(kinds)}"
        raise _UnequalError(reason, algebra.tested)
    if ours:
        algebra.assumptions.add("Both are compared where they are defined, which is the same.")
