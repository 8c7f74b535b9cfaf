"""Prove that the graphs of two models are one function, in exact arithmetic modulo primes.

Both models are traced as `predict` traces them, with unknown batch and lengths. Inputs and paired
weights become random residues, and every function that is not rational an unknown one. Equal
outputs mean equal expressions, but for a chance that the certificate states; unequal ones mean
nothing. Testing over finite fields is how Mirage compares tensor programs (arXiv 2405.05751).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from math import ceil, log, prod
from typing import Any

import numpy as np

from layerlens.models.build.request import Built
from layerlens.models.execute.side import Side
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.cases import MOST_CASES, Batch, Cases, steps_of
from layerlens.proof.evaluation import Evaluation
from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.definedness import same
from layerlens.proof.field.dependence import (
    dependence,
    groups_of,
    stays_with_its_sample,
    step_by_step,
)
from layerlens.proof.field.residues import Field, Residues, VanishedError
from layerlens.proof.field.samples import SampleCheck
from layerlens.proof.field.value import CannotProveError, Value
from layerlens.proof.parts import Part, WholeModels
from layerlens.proof.refusals import refuse_what_no_graph_tells
from layerlens.proof.shared_prefix import has_same_weights, variable_names
from layerlens.proof.sizes import (
    ERROR_BOUND,
    Reach,
    Size,
    TooShortError,
    apart,
    known_shape,
    lengths_text,
    number_of_samples,
    variable_sizes,
)
from layerlens.proof.user_code import (
    SAME_AT_EVERY_CALL,
    counts_in_code,
)
from layerlens.report.pairs import CertificateRow

#: The primes of the first attempt, and the most of any.
FEWEST_PRIMES, MOST_PRIMES = 4, 12
#: Other seeds are tried where a denominator vanishes by chance.
MOST_SEEDS = 3
#: Batch sizes where no axis is variable. In inference the second one is a size that divides no
#: other, at which both are also searched for what depends on the number of samples.
FIXED_SIZES = (Size(2), Size(3))
#: More batch sizes in training mode, where samples share statistics: a sample that is its own mean,
#: and many.
TRAINING_BATCHES = (1, 10)
#: The same for user code, and the known batch sizes that it is traced for.
USER_BATCHES, USER_KNOWN_BATCHES = (1,), (1, 2, 3)
#: The longest of the lengths that are always tried first, and the most steps beyond it and beyond
#: all that layers look across at which another one is drawn.
LONGEST_FEW, MOST_FURTHER = 8, 8
#: Static batch sizes beyond this are not tried; where one would matter nothing is proved.
LARGEST_BATCH = 64
#: The reason where both were run and nothing else stands in the way.
THEY_DIFFER = "their expressions differ"
#: The reason where a layer after the parts that differ could compute something else in one model.
ENDS_DIFFER = "the parts that differ return other dtypes or static shapes"
_UNEQUAL = "Inputs of different lengths are compared if both models take them."


@dataclass(frozen=True, slots=True)
class Unproved:
    """Why no proof was found; says nothing about whether the models differ."""

    reason: str


def prove_graphs(
    reference: Side, candidate: Side, transfer: Transfer, *, seed: int
) -> CertificateRow | Unproved:
    """Return a certificate that both compute one function in their mode, or why there is none."""
    return prove_part(WholeModels((reference, candidate)), transfer, seed=seed)


def prove_part(
    part: Part, transfer: Transfer, *, seed: int, error_bound: float = ERROR_BOUND
) -> CertificateRow | Unproved:
    """Return a certificate that a part of both computes one function, or why there is none."""
    try:
        proof = _admitted(part, transfer, seed, error_bound)
        try:
            return proof.certificate()
        except _UnequalError:
            if not proof.leaves_out_laws:
                raise
            return proof.with_all_laws().certificate()
    except CannotProveError as error:
        return Unproved(str(error))
    except VanishedError:
        return Unproved("denominators are zero by chance under every seed that was tried")


def seem_equal(part: Part, transfer: Transfer, *, seed: int) -> bool:
    """Return whether a part of both agrees on one sample modulo one prime.

    This costs a small share of a proof, and most parts that differ do not agree. False where a
    proof is refused.
    """
    try:
        proof = _admitted(part, transfer, seed)
        if proof.agrees_once():
            return True
        return proof.leaves_out_laws and proof.with_all_laws().agrees_once()
    except CannotProveError:
        return False
    except VanishedError:
        return True  # chance was against it; a proof tries more seeds


def differ_once(part: Part, transfer: Transfer, *, seed: int) -> bool:
    """Return whether a part of both differs on one sample modulo one prime.

    False where a proof is refused.
    """
    try:
        proof = _admitted(part, transfer, seed)
        if proof.agrees_once():
            return False
        return not (proof.leaves_out_laws and proof.with_all_laws().agrees_once())
    except (CannotProveError, VanishedError):
        return False


class _UnequalError(CannotProveError):
    """Two expressions that differ, unless more is known of the inputs held against numbers."""

    def __init__(self, reason: str, tested: set[tuple[int, Fraction]]) -> None:
        super().__init__(reason)
        self.tested = tested


def _admitted(
    part: Part, transfer: Transfer, seed: int, error_bound: float = ERROR_BOUND
) -> GraphProof:
    """Return the proof of a part.

    Raises:
        CannotProveError: a graph does not tell all, or the part is too large.
    """
    _refuse_pair(*part.built, transfer)
    for side in (0, 1):
        refuse_what_no_graph_tells(part, side)
    names = variable_names(*part.built, transfer)
    return GraphProof(part, names, seed, error_bound=error_bound)


def _refuse_pair(one: Built, other: Built, transfer: Transfer) -> None:
    if [(i.shape, i.dtype) for i in one.inputs] != [(i.shape, i.dtype) for i in other.inputs]:
        raise CannotProveError("the inputs differ")
    if not has_same_weights(other, transfer):
        raise CannotProveError("the weights are not carried over")


@dataclass
class GraphProof:
    """One proof, over all sizes."""

    #: What is proved of both models.
    part: Part
    #: The names of all weights by the id of their variable; weights of one name are equal.
    names: Mapping[int, Hashable]
    seed: int
    #: The names of weights that have other values in the candidate.
    anew: frozenset[Hashable] = frozenset()
    #: Whether a softmax is that of the distances to its first element: `Algebra.by_distances`.
    by_distances: bool = False
    #: Whether factors pass what they can: `Algebra.by_factors`.
    by_factors: bool = False
    #: The most that the chance of a wrong certificate may be.
    error_bound: float = ERROR_BOUND
    #: Whether the two laws above would have been asked about anything.
    leaves_out_laws: bool = field(default=False, init=False)
    _degree: float = field(default=0.0, init=False)
    _primes: int = field(default=0, init=False)
    _bound: float = field(default=0.0, init=False)
    _assumptions: dict[str, None] = field(default_factory=dict, init=False)
    #: The known batch sizes at which both are proved equal, by length.
    _proved_at: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set), init=False)

    def certificate(self) -> CertificateRow:
        """Return the certificate.

        Raises:
            CannotProveError: there is none.
            VanishedError: chance was against it.
        """
        sizes = self._prove_at_sizes()
        if not self._may_check_samples():
            self._refuse_counting_samples(sizes[0])
        self._assumptions |= dict.fromkeys(self.part.assumptions)
        if self._runs_user_code:
            self._assumptions[SAME_AT_EVERY_CALL] = None
        text = str(self.part)
        if self.part.is_training:
            text += f", in batches of {lengths_text(size.batch for size in sizes)}"
        if self.part.variable_starts:
            text += f", at lengths {lengths_text(size.length for size in sizes)}"
        return CertificateRow(
            text,
            ceil(self._degree),
            self._primes,
            self._bound,
            "graph",
            tuple(self._assumptions),
        )

    def with_all_laws(self) -> GraphProof:
        """Return the same proof, in which laws that cost more are tried too."""
        return replace(self, by_distances=True, by_factors=True)

    def agrees_once(self) -> bool:
        """Return whether both agree on one sample modulo one prime, as far as that tells.

        Raises:
            CannotProveError: they cannot be interpreted.
            VanishedError: chance was against it.
        """
        first = next(self._rows())[0]
        size = (
            first if any(built.batch_size for built in self.part.built) else first._replace(batch=1)
        )
        traced = [self.part.traced(side, size) for side in (0, 1)]
        batch = Batch(size.batch, self.part.starts(size))
        try:
            self._agree(traced, [batch], Field.drawn(self.seed, 1), checks=False)
        except _UnequalError as error:
            return bool(error.tested)  # a proof tells cases of inputs apart
        return True

    @property
    def _runs_user_code(self) -> bool:
        return any(map(self.part.runs_user_code, (0, 1)))

    # --- sizes ------------------------------------------------------------------------------------

    def _prove_at_sizes(self) -> Sequence[Size]:
        """Prove at every size of a row and return the row."""
        rows = list(self._rows())
        for row in rows:
            try:
                for size in row:
                    self._prove_at(size)
            except TooShortError:
                if row is rows[-1]:
                    raise
                continue
            if self.part.variable_starts > 1:
                self._prove_apart(row)
            return row
        raise CannotProveError("no size can be tried")

    def _rows(self) -> Iterator[tuple[Size, ...]]:
        batch = next((built.batch_size for built in self.part.built if built.batch_size), None)
        more = TRAINING_BATCHES if self.part.is_training else ()
        if self._runs_user_code:
            more = (*more, *USER_BATCHES)
        for row in self._rows_of_lengths():
            if batch is None:
                others = (Size(other, row[0].length) for other in more)
                yield tuple(dict.fromkeys((*row, *others)))
            else:
                yield tuple(dict.fromkeys(Size(batch, size.length) for size in row))

    def _rows_of_lengths(self) -> Iterator[tuple[Size, ...]]:
        if not self.part.variable_starts:
            first, second = FIXED_SIZES
            if self._may_check_samples():
                second = Size(number_of_samples(self.part.shapes))
            yield first, second
            return
        reach = Reach.of(self.part.fields)
        longest = max(reach.beyond, LONGEST_FEW) + further_steps(self.seed)
        yield from variable_sizes(longest, reach.further)

    def _prove_apart(self, row: Sequence[Size]) -> None:
        """Prove where several inputs have different lengths, if both models take that."""
        for size in apart(row):
            if self.part.takes(size):
                self._assumptions[_UNEQUAL] = None
                self._prove_traced(size, static=False)

    def _refuse_counting_samples(self, size: Size) -> None:
        """Raise where a model may do something else for another number of samples."""
        if any(built.batch_size for built in self.part.built):
            return
        samples = number_of_samples(self.part.shapes)
        size = size._replace(batch=samples)
        batch = Batch(samples, self.part.starts(size))
        for side in (0, 1):
            function = self.part.traced(side, size, lengths=bool(self.part.variable_starts))
            for seed in range(self.seed, self.seed + MOST_SEEDS):
                algebra = Algebra(Field.drawn(seed, 1), limits=self.part.limits)
                evaluation = Evaluation.of(algebra, self.part.built, self.names)
                inputs = evaluation.inputs(batch)
                check = SampleCheck(samples)
                with suppress(VanishedError):
                    evaluation.outputs(self.part.built[side], function, inputs, samples=check)
                    break
            else:
                raise VanishedError

    def _user_sizes(self) -> set[int]:
        """Return known batch sizes at which user code may compute something else."""
        if not self._runs_user_code:
            return set()
        counts = set[int]().union(*map(counts_in_code, self.part.built))
        counted = (n for n in counts if 0 < n <= LARGEST_BATCH)
        # One that is the size of no axis, at which it shows whether the code asks for it.
        return {*USER_KNOWN_BATCHES, number_of_samples(self.part.shapes), *counted}

    def _prove_at(self, size: Size) -> None:
        """Prove at one size, as traced for any batch and as traced for batches of known size."""
        doubtful = self._prove_traced(size, static=False)
        if self.part.is_training:  # as `model(x, training=True)` is called
            doubtful |= {size.batch}
        doubtful |= self._user_sizes()
        known = {built.batch_size for built in self.part.built} - {None}
        for batch in sorted(doubtful - self._proved_at[size.length] if not known else ()):
            if batch > LARGEST_BATCH:
                raise CannotProveError(
                    f"a batch of {batch} samples may be added differently, as a bias"
                )
            self._prove_traced(size._replace(batch=batch), static=True)
            self._proved_at[size.length].add(batch)

    def _prove_traced(self, size: Size, *, static: bool) -> set[int]:
        """Prove two traces equal; return the batch sizes that may be traced otherwise."""
        starts = self.part.starts(size)
        traced = [self.part.traced(side, size, static=static) for side in (0, 1)]
        if not self.part.ends_alike(traced):
            raise CannotProveError(ENDS_DIFFER)
        try:
            checks = not static and self._checks_samples(size)
            return self._prove_batches(traced, [Batch(size.batch, starts)], checks=checks)
        except _UnequalError as error:
            if not error.tested:
                raise
            cases = Cases.of(error.tested, starts)
        fixed = static or any(built.batch_size for built in self.part.built)
        tables = cases.batches(size.batch, fixed=fixed)
        if not fixed:
            # Most that differ differ here already.
            self._prove_batches(traced, [Batch(len(cases.few()), starts, cases, cases.few())])
        batches = [Batch(len(rows), starts, cases, rows) for rows in tables]
        self._check_samples(traced, batches[0])
        if cases.are_repeated:
            self._check_steps(traced, batches[0], cases)
        return self._prove_batches(traced, batches)

    def _check_samples(self, traced: Sequence[Any], batch: Batch) -> None:
        """Raise unless both models treat each sample of a batch alone."""
        if batch.size == 1:
            return
        algebra = dependence(lanes=len(groups_of(batch.size)))
        for lanes in chain.from_iterable(self._lanes_of_both(traced, batch, algebra)):
            if lanes.shape[1:2] != (batch.size,) or not stays_with_its_sample(lanes):
                raise CannotProveError("masks have cases, and samples are not independent")

    def _check_steps(self, traced: Sequence[Any], batch: Batch, cases: Cases) -> None:
        """Raise unless the cases are all that any element of an output can tell apart."""
        sizes = [prod(steps_of(spec)) for spec in batch.starts]
        steps = step_by_step(batch.size, [known_shape(spec) for spec in batch.starts], sizes)
        algebra = dependence(lanes=sum(sizes))
        for one, other in zip(*self._lanes_of_both(traced, batch, algebra, steps), strict=True):
            if one.shape != other.shape or not cases.cover(np.maximum(one, other), sizes):
                raise CannotProveError(f"masks have more than {MOST_CASES} cases")

    def _lanes_of_both(
        self,
        traced: Sequence[Any],
        batch: Batch,
        algebra: Algebra,
        inputs: Sequence[Residues] = (),
    ) -> list[list[Residues]]:
        """Return what each output of each model depends on: on the samples, or as `inputs` say."""
        evaluation = Evaluation.of(algebra, self.part.built, self.names)
        given = evaluation.inputs(Batch(batch.size, batch.starts), inputs)
        return [
            [algebra.residues(output) for output in evaluation.outputs(built, function, given)]
            for built, function in zip(self.part.built, traced, strict=True)
        ]

    def _may_check_samples(self) -> bool:
        """Return whether a proof at one size may show what depends on the number of samples."""
        part = self.part
        is_fixed = any(built.batch_size for built in part.built)
        return not (part.variable_starts or part.is_training or is_fixed)

    def _checks_samples(self, size: Size) -> bool:
        return self._may_check_samples() and size.batch == number_of_samples(self.part.shapes)

    def _prove_batches(
        self, traced: Sequence[Any], batches: Sequence[Batch], *, checks: bool = False
    ) -> set[int]:
        """Prove both equal on some batches; return the batch sizes that may be traced otherwise.

        Where it `checks`, what depends on the number of samples is refused.
        """
        primes, seed = max(FEWEST_PRIMES, self._primes), self.seed
        for _ in range(MOST_SEEDS + 1):
            try:
                drawn = Field.drawn(seed, primes)
                algebra, doubtful = self._agree(traced, batches, drawn, checks=checks)
            except VanishedError:
                seed += 1
                continue
            if algebra.error_bound <= self.error_bound:
                self._take(algebra)
                return doubtful
            primes = _enough_primes(algebra, self.error_bound)
        raise VanishedError

    def _take(self, algebra: Algebra) -> None:
        self._degree = max(self._degree, algebra.worst.of_a_difference())
        self._primes = max(self._primes, algebra.field.prime_count)
        self._bound = max(self._bound, algebra.error_bound)
        self._assumptions |= dict.fromkeys(sorted(algebra.assumptions))

    # --- one run of both --------------------------------------------------------------------------

    def _agree(
        self, traced: Sequence[Any], batches: Sequence[Batch], drawn: Field, *, checks: bool
    ) -> tuple[Algebra, set[int]]:
        """Run both traces; raise unless their outputs are the same expressions."""
        algebra = Algebra(
            drawn,
            limits=self.part.limits,
            by_distances=self.by_distances,
            by_factors=self.by_factors,
        )
        evaluation = Evaluation.of(algebra, self.part.built, self.names)
        for batch in batches:
            inputs = evaluation.inputs(batch)
            outputs = [
                evaluation.outputs(
                    built,
                    function,
                    inputs,
                    anew=anew,
                    samples=SampleCheck(batch.size) if checks else None,
                )
                for built, function, anew in zip(
                    self.part.built, traced, ((), self.anew), strict=True
                )
            ]
            self.leaves_out_laws |= algebra.leaves_out_laws
            _compare(algebra, *outputs)
        return algebra, evaluation.interpreter.doubtful_sizes


def further_steps(seed: int) -> int:
    """Return how far beyond all others one more length is.

    It is drawn, so that nothing can be equal at the lengths of all proofs alone.
    """
    return int(np.random.default_rng([seed, 0x1E46]).integers(1, MOST_FURTHER + 1))


def _enough_primes(algebra: Algebra, error_bound: float) -> int:
    """Return how many primes meet the bound.

    Raises:
        CannotProveError: more than there may be.
    """
    chance = algebra.worst.chance()
    if chance < 0.5:
        wanted = -log(error_bound) + 2 * log(algebra.evaluations)
        primes = max(ceil(wanted / -log(chance)), algebra.field.prime_count) + 1
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
            raise _UnequalError(THEY_DIFFER, algebra.tested)
        if not same(one.needs, other.needs):
            raise _UnequalError("one is defined where the other may not be", algebra.tested)
        if one.needs is not None:
            algebra.assumptions.add("Both are defined for the same inputs, and compared there.")
