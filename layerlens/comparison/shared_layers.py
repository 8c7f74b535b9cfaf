"""The layers that two models share from the inputs on, and the first that they do not."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from layerlens.models.build.request import Built
from layerlens.models.execute.layer_walk import LayerWalk, graph_of, nodes_of
from layerlens.models.execute.variables import as_array
from layerlens.numerics.differences import distance
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.expressions import Numbering
from layerlens.proof.shared_prefix import call_key, last_shared, numbered_tensors, variable_names
from layerlens.report.pairs import FirstDivergence


@dataclass(frozen=True)
class Part:
    """One model of a pair, and where it stops computing what the other does. Tensors by id."""

    built: Built
    walk: LayerWalk
    #: The last tensors that both models compute alike, the inputs among them, in this model and in
    #: the reference; the outputs are computed from these.
    starts: tuple[int, ...]
    reference_starts: tuple[int, ...]
    #: The calls that the other model does not make, in order.
    own_calls: tuple[Any, ...]
    outputs: tuple[int, ...]
    #: What each of these calls computes from its inputs; None where it is unknown.
    own_keys: tuple[Hashable, ...]


@dataclass(frozen=True)
class FirstApart:
    """The first calls that differ; None where one model makes a call that the other leaves out."""

    reference: Any | None
    candidate: Any | None

    def tensors(self, position: int) -> tuple[int, ...]:
        """Return the outputs of the reference's call (0) or of the candidate's (1), by id."""
        call = (self.reference, self.candidate)[position]
        return () if call is None else tuple(map(id, call.outputs))

    def row(self, ours: Mapping[int, Any], theirs: Mapping[int, Any]) -> FirstDivergence:
        """Return the row of a report, from the values of `tensors`."""
        one, other = (
            None if call is None else str(call.operation.name)
            for call in (self.reference, self.candidate)
        )
        pairs = [
            (as_array(ours[a]), as_array(theirs[b]))
            for a, b in zip(self.tensors(0), self.tensors(1), strict=False)
        ]
        is_comparable = bool(pairs) and all(a.shape == b.shape and a.size for a, b in pairs)
        gaps = [float(distance(a, b).max()) for a, b in pairs] if is_comparable else []
        return FirstDivergence(one, other, max(gaps, default=None))


@dataclass(frozen=True)
class SharedLayers:
    """Two Functional models, split where they part."""

    reference: Part
    candidate: Part
    first_apart: FirstApart = field(init=False)

    def __post_init__(self) -> None:
        found = first_apart(self.reference.own_calls, self.candidate.own_calls)
        object.__setattr__(self, "first_apart", found)

    def changed(self, position: int) -> tuple[Any, ...]:
        """Return the calls of one model that compute what no call of the other one does.

        All others are the same functions, of other inputs.
        """
        own, other = (self.reference, self.candidate)[:: 1 if position == 0 else -1]
        known = set(other.own_keys) - {None}
        return tuple(
            call for call, key in zip(own.own_calls, own.own_keys, strict=True) if key not in known
        )

    @classmethod
    def of(cls, reference: Built, candidate: Built, transfer: Transfer) -> SharedLayers:
        names = variable_names(reference, candidate, transfer)
        numbering = Numbering()
        keyed = [numbered_tensors(one.model, names, numbering) for one in (reference, candidate)]
        numbers = [
            {tensor: key for tensor, (_, key) in one.items() if key is not None} for one in keyed
        ]
        shared = set(numbers[0].values()) & set(numbers[1].values())
        in_reference = {key: tensor for tensor, key in numbers[0].items()}
        parts = []
        for built, own in zip((reference, candidate), numbers, strict=True):
            alike = {tensor for tensor, key in own.items() if key in shared}
            graph = graph_of(built.model)
            starts = tuple(map(id, last_shared(built.model, alike)))
            own_calls = tuple(
                call
                for call in nodes_of(graph)
                if not all(id(tensor) in alike for tensor in call.outputs)
            )
            parts.append(
                Part(
                    built,
                    LayerWalk(graph),
                    starts,
                    tuple(in_reference[own[tensor]] for tensor in starts),
                    own_calls,
                    tuple(map(id, graph.outputs)),
                    tuple(call_key(call, names) for call in own_calls),
                )
            )
        return cls(*parts)


def first_apart(ours: Sequence[Any], theirs: Sequence[Any]) -> FirstApart:
    """Return the first calls of either model that the other does not make.

    Calls are lined up by the type of the layer and the shape of its output, so that a layer that is
    left out is not mistaken for the one that comes after it.
    """
    keys = [[_form(call) for call in calls] for calls in (ours, theirs)]
    matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    kind, a, _, c, _ = next(iter(matcher.get_opcodes()), ("equal", 0, 0, 0, 0))
    one = ours[a] if a < len(ours) and kind != "insert" else None
    other = theirs[c] if c < len(theirs) and kind != "delete" else None
    return FirstApart(one, other)


def _form(call: Any) -> tuple[str, tuple[Any, ...]]:
    shapes = tuple(tuple(tensor.shape) for tensor in call.outputs)
    return type(call.operation).__name__, shapes
