"""Prove two models equal one pair of tensors after another.

Layers that hold the same weights in both models are likely to return the same. From the inputs on,
each such pair is proved to be one function of tensors that are known to be equal, and is then known
to be equal itself. So a large model with many changes takes many small proofs.

Before any of them, all parts are tried on one sample, so that a pair that differs costs little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from layerlens.models.build.request import Built
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.cuts import Goal, cut_between
from layerlens.proof.expressions import Numbering, Value, express
from layerlens.proof.graphs import Unproved, prove_part, seem_equal
from layerlens.proof.parts import CutModels
from layerlens.proof.shared_prefix import variable_names
from layerlens.proof.sizes import ERROR_BOUND
from layerlens.report.pairs import CertificateRow

#: At most so many parts are proved; the sum of their bounds is at most that of one proof.
MOST_PARTS = 64
#: After so many pairs that do not seem equal, the rest is not tried.
MOST_FAILED = 3
#: Of many parts, so many are named.
MOST_NAMED = 3


def prove_in_steps(
    models: tuple[Built, Built], transfer: Transfer, *, seed: int
) -> CertificateRow | None:
    """Return a certificate that both compute one function; None where a step is not proved."""
    rows = []
    for part in _Steps(models, transfer, seed).parts():
        bound = ERROR_BOUND / MOST_PARTS
        row = prove_part(part, transfer, seed=seed, error_bound=bound)
        if isinstance(row, Unproved):
            return None
        rows.append(row)
    return _joined(rows) if rows else None


@dataclass
class _Steps:
    """The parts that make both models equal if each is, from the inputs on.

    A part that differs shows at once on one sample, before any other is proved.
    """

    models: tuple[Built, Built]
    transfer: Transfer
    seed: int
    _parts: list[CutModels] = field(default_factory=list)
    #: The tensors of the reference, by the weights that they were computed with last.
    _anchors: dict[Hashable, Value] = field(default_factory=dict)
    #: The numbers of the pairs at the ends of the parts.
    _equal: set[tuple[int, int]] = field(default_factory=set)
    _failed: int = 0
    #: The multiply-adds of the parts that were tried.
    _tried: int = 0

    def parts(self) -> list[CutModels]:
        """Return the parts; none where a part differs, or may not be proved."""
        left = [pair for pair in self._outputs() if pair[0].number != pair[1].number]
        if left and (not self._parts or not self._seem_equal(left)):
            return []
        return self._parts

    def _outputs(self) -> list[Goal]:
        """Return the outputs of both models, with equal numbers where they seem equal."""
        numbering = Numbering()
        names = variable_names(*self.models, self.transfer)
        outputs = [
            express(built.model, numbering, names, built.spec.select, seen=_Anchored(names, seen))
            for built, seen in zip(self.models, (self._kept, self._merged), strict=True)
        ]
        return list(zip(*outputs, strict=True))

    def _seem_equal(self, pairs: Sequence[Goal]) -> bool:
        """Return whether pairs seem equal, and if so, add the part that they end."""
        cut = cut_between(pairs)
        if cut is None:
            return False
        goals = {(one.number, other.number) for one, other in cut.goals}
        if goals <= self._equal:
            return True  # several layers take what is known to be equal
        if len(self._parts) == MOST_PARTS or self._failed == MOST_FAILED:
            return False
        part = CutModels(cut, self.models)
        self._tried += part.multiply_adds
        if self._tried > part.limits.multiply_adds:
            return False
        if not seem_equal(part, self.transfer, seed=self.seed):
            self._failed += 1
            return False
        self._parts.append(part)
        self._equal |= goals
        return True

    def _kept(self, anchor: Hashable, value: Value) -> Value:
        self._anchors[anchor] = value
        return value

    def _merged(self, anchor: Hashable, value: Value) -> Value:
        one = self._anchors.get(anchor)
        if one is None or one.number == value.number or not _are_alike(one, value):
            return value
        return replace(value, number=one.number) if self._seem_equal([(one, value)]) else value


@dataclass
class _Anchored:
    """Finds the anchor of each tensor of one model: its weights, and the call of its layer."""

    names: Mapping[int, Hashable]
    seen: Callable[[Hashable, Value], Value]
    _calls: Counter[Hashable] = field(default_factory=Counter)

    def __call__(self, value: Value) -> Value:
        anchor = self._anchor(value)
        if anchor is None:
            return value
        self._calls[anchor] += 1
        return self.seen((anchor, self._calls[anchor]), value)

    def _anchor(self, value: Value) -> Hashable:
        step = value.step
        if step is None or step.kind == "select":
            return None
        if step.kind == "activation":
            below = self._anchor(step.inputs[0])
            return None if below is None else (step.signature, below)
        weights = tuple(self.names[id(weight)] for weight in getattr(step.layer, "weights", ()))
        return (weights, value.index) if weights else None


def _are_alike(one: Value, other: Value) -> bool:
    return (one.shape, one.dtype, one.mask) == (other.shape, other.dtype, other.mask)


def _joined(rows: Sequence[CertificateRow]) -> CertificateRow:
    """Return the certificate of all parts: wrong with at most the sum of their chances."""
    if len(rows) == 1:
        return rows[0]
    named = [row.segment for row in rows[:MOST_NAMED]]
    if len(rows) > MOST_NAMED:
        named.append(f"and {len(rows) - MOST_NAMED} more")
    return CertificateRow(
        f"{len(rows)} parts: {'; '.join(named)}",
        max(row.degree for row in rows),
        max(row.draws for row in rows),
        sum(row.error_bound for row in rows),
        "graph",
        tuple(dict.fromkeys(text for row in rows for text in row.assumptions)),
    )
