"""Certify that two models compute one function: as they are, in what differs, or as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from layerlens.models.build.request import Built
from layerlens.models.execute.lengths import goes_by_steps
from layerlens.models.execute.side import Side
from layerlens.models.inspect.nested_layers import flat_layers, layers_told_to_train
from layerlens.numerics.weight_transfer import Transfer
from layerlens.plain import stage
from layerlens.proof.cuts import AROUND, Cut, Goal, calls_behind, cut_between
from layerlens.proof.expressions import Numbering, express, is_graph
from layerlens.proof.graphs import (
    ENDS_DIFFER,
    THEY_DIFFER,
    Unproved,
    differ_once,
    prove_graphs,
    prove_part,
)
from layerlens.proof.parts import CutModels, WholeModels, params
from layerlens.proof.refusals import is_half_precise
from layerlens.proof.shared_prefix import has_same_weights, variable_names
from layerlens.proof.steps import prove_in_steps
from layerlens.report.pairs import CertificateRow

#: Whole models of no more weights, and values between their layers, are proved quickly.
CHEAP = 50_000
IDENTICAL = CertificateRow("none: both are the same computation", 0, 0, 0.0, "identical")


def certify(
    reference: Side,
    candidate: Side,
    transfer: Transfer,
    *,
    seed: int,
    has_tolerance: bool = False,
) -> CertificateRow | Unproved:
    """Return a certificate that both models compute one function, or why there is none.

    That there is none does not mean that they differ. The values of the weights are not read, and
    no model but those in working precision is used. Where the scenario `has_tolerance`, which may
    be less than rounding, only the same computation is within it for sure.
    """
    return Prover(reference, candidate, transfer).certificate(seed, has_tolerance=has_tolerance)


@dataclass
class Prover:
    """Proves one pair, under any number of seeds; what does not depend on the seed is kept."""

    reference: Side
    candidate: Side
    transfer: Transfer
    #: The differing parts that were tried.
    _parts: list[CutModels] = field(default_factory=list)

    def certificate(self, seed: int, *, has_tolerance: bool = False) -> CertificateRow | Unproved:
        """Return the certificate, or why there is none."""
        stage.enter("looking for a proof that both compute the same function")
        if any(any(layers_told_to_train(side.built.model)) for side in self._sides):
            return Unproved("a layer is called with `training=True`, which `predict` overrules")
        if self._pairs is not None and all(a.number == b.number for a, b in self._pairs):
            return IDENTICAL
        if has_tolerance:
            return Unproved("the outputs are compared with the scenario's tolerance")
        return self._attempted(seed)

    def _attempted(self, seed: int) -> CertificateRow | Unproved:
        """Return the certificate, or the most telling reason why there is none.

        What differs is tried first where it is a small part of models that are costly to prove; of
        others the whole is traced anyway when it is run. Whole models whose expressions differ
        cannot be proved in parts either. Where they are refused, being too large or holding what is
        not understood, many small proofs are tried, and more is taken in around what differs.
        """
        narrow = None if self._pairs is None else cut_between(self._pairs)
        is_first = narrow is not None and self._is_small(narrow) and self._are_costly()
        found = self._within(narrow, seed) if narrow is not None and is_first else None
        if isinstance(found, CertificateRow):
            return found
        whole = prove_graphs(*self._sides, self.transfer, seed=seed)
        if self._pairs is None or whole == Unproved(THEY_DIFFER) or not isinstance(whole, Unproved):
            return whole
        if narrow is not None and found is None:
            found = self._within(narrow, seed)
            if isinstance(found, CertificateRow):
                return found
        if found != Unproved(THEY_DIFFER):
            steps = prove_in_steps(self._built, self.transfer, seed=seed)
            if steps is not None:
                return steps
        wide = cut_between(self._pairs, around=AROUND)
        last = None if wide is None or wide == narrow else self._within(wide, seed)
        if isinstance(last, CertificateRow):
            return last
        # How a part ends does not matter where the whole models cannot be proved either.
        return whole if found is None or found == Unproved(ENDS_DIFFER) else found

    @property
    def _sides(self) -> tuple[Side, Side]:
        return self.reference, self.candidate

    @property
    def _built(self) -> tuple[Built, Built]:
        return self.reference.built, self.candidate.built

    @cached_property
    def _pairs(self) -> list[Goal] | None:
        """The outputs of both models; None where they cannot be lined up."""
        return _numbered(self._sides, self.transfer)

    def _within(self, cut: Cut, seed: int) -> CertificateRow | Unproved:
        part = next((one for one in self._parts if one.cut == cut), None)
        if part is None:
            part = CutModels(cut, self._built)
            self._parts.append(part)
        # A large part that differs shows this at a small share of the cost of a proof.
        if self._are_costly() and differ_once(part, self.transfer, seed=seed):
            return Unproved(THEY_DIFFER)
        return prove_part(part, self.transfer, seed=seed)

    def _is_small(self, cut: Cut) -> bool:
        assert self._pairs is not None
        return 2 * cut.calls <= calls_behind([one for one, _ in self._pairs])

    def _are_costly(self) -> bool:
        """Return whether proving the whole models takes longer than tracing a part of them."""
        whole = WholeModels(self._sides)
        return any(
            params(whole, side) + whole.activations(side) > CHEAP
            or any(map(goes_by_steps, whole.layers(side)))
            for side in (0, 1)
        )


def _numbered(sides: tuple[Side, Side], transfer: Transfer) -> list[Goal] | None:
    """Return the outputs of both models as numbered expressions; None where these say nothing."""
    one, other = (side.built for side in sides)
    if any(side.training for side in sides) or not has_same_weights(other, transfer):
        return None
    if [(i.shape, i.dtype) for i in one.inputs] != [(i.shape, i.dtype) for i in other.inputs]:
        return None
    if not all(map(_may_be_numbered, (one, other))):
        return None
    numbering = Numbering()
    names = variable_names(one, other, transfer)
    outputs = [express(built.model, numbering, names, built.spec.select) for built in (one, other)]
    if len(outputs[0]) != len(outputs[1]):
        return None
    return list(zip(*outputs, strict=True))


def _may_be_numbered(built: Built) -> bool:
    return is_graph(built.model) and not any(map(is_half_precise, flat_layers(built.model)))
