"""The layers that two models share from the inputs on, and where they part."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cached_property
from itertools import takewhile, zip_longest
from typing import Any

import numpy as np

from layerlens.models.build.request import Built
from layerlens.models.execute.layer_walk import (
    LayerWalk,
    graph_of,
    nodes_of,
    with_inner_calls,
)
from layerlens.models.execute.variables import as_array
from layerlens.numerics.differences import distance
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.expressions import Numbering
from layerlens.proof.shared_prefix import call_key, last_shared, numbered_tensors, variable_names
from layerlens.report.pairs import FirstDivergence

#: So many places at which two models may differ are looked at; the values there are kept.
MOST_PLACES = 12
#: Rewritten layers differ by rounding, in working precision at most this share of their values.
ROUNDING = 1e-4


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

    def gap(self, ours: Mapping[int, Any], theirs: Mapping[int, Any]) -> tuple[float, float] | None:
        """Return how far the outputs of both are apart, and the greatest value of the reference.

        None where they cannot be compared. The values are those of `tensors`.
        """
        pairs = [
            (as_array(ours[a]), as_array(theirs[b]))
            for a, b in zip(self.tensors(0), self.tensors(1), strict=False)
        ]
        if not pairs or any(a.shape != b.shape or not a.size for a, b in pairs):
            return None
        gaps = [float(distance(a, b).max()) for a, b in pairs]
        return max(gaps), max(float(distance(a, np.zeros_like(a)).max()) for a, _ in pairs)

    def row(self, gap: float | None) -> FirstDivergence:
        """Return the row of a report."""
        one, other = (
            None if call is None else str(call.operation.name)
            for call in (self.reference, self.candidate)
        )
        return FirstDivergence(one, other, gap)


@dataclass(frozen=True)
class Places:
    """The first places at which two models may differ, in order.

    Each has the calls that differ there, and a pair of calls whose outputs tell whether what is
    computed up to there differs. A model may be rewritten in many places, of which one is wrong.
    """

    places: tuple[tuple[FirstApart, FirstApart], ...]

    def tensors(self, position: int) -> tuple[int, ...]:
        """Return the outputs that are needed of the reference (0) or the candidate (1), by id."""
        found = (n for place in self.places for call in place for n in call.tensors(position))
        return tuple(dict.fromkeys(found))

    def row(self, ours: Mapping[int, Any], theirs: Mapping[int, Any]) -> FirstDivergence:
        """Return the row of the first place behind which more than rounding differs.

        Of the first place of all, where there is none.
        """
        differing = (
            apart
            for apart, told_by in self.places
            if _is_more_than_rounding(told_by.gap(ours, theirs))
        )
        apart = next(differing, self.places[0][0])
        own = apart.gap(ours, theirs)
        return apart.row(None if own is None else own[0])

    def has_more_than_rounding(self, ours: Mapping[int, Any], theirs: Mapping[int, Any]) -> bool:
        """Return whether more than rounding differs behind one of the places.

        Outputs that cannot be compared show nothing.
        """
        gaps = (told_by.gap(ours, theirs) for _, told_by in self.places)
        return any(gap is not None and _is_more_than_rounding(gap) for gap in gaps)


@dataclass(frozen=True)
class SharedLayers:
    """Two Functional models, split where they part."""

    reference: Part
    candidate: Part
    apart: Places = field(init=False)

    def __post_init__(self) -> None:
        changed = {id(call) for position in (0, 1) for call in self.changed(position)}
        keys = zip(
            reversed(self.reference.own_keys), reversed(self.candidate.own_keys), strict=False
        )
        alike_at_end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1] is not None, keys))
        found = places_apart(
            self.reference.own_calls, self.candidate.own_calls, changed, alike_at_end
        )
        object.__setattr__(self, "apart", found)

    def changed(self, position: int) -> tuple[Any, ...]:
        """Return the calls of one model that compute what no call of the other one does.

        All others are the same functions, of other inputs.
        """
        own, other = (self.reference, self.candidate)[:: 1 if position == 0 else -1]
        known = set(other.own_keys) - {None}
        return tuple(
            call for call, key in zip(own.own_calls, own.own_keys, strict=True) if key not in known
        )

    @cached_property
    def behind_changes(self) -> frozenset[int]:
        """The ids of the reference's calls behind the first changed ones, inside models as well."""
        changed = set(map(id, self.changed(0)))
        behind = (call for call in self.reference.own_calls if id(call) not in changed)
        return frozenset(id(call) for outer in behind for call in with_inner_calls(outer))

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


def places_apart(
    ours: Sequence[Any],
    theirs: Sequence[Any],
    changed: Collection[int] = (),
    alike_at_end: int = 0,
) -> Places:
    """Return the first places where one model makes a call that the other does not make.

    Calls are lined up by the type of the layer and the shape of its output, so that a layer that is
    left out is not mistaken for the one that comes after it. Calls that are lined up and `changed`,
    by id, are such a place too. The first calls are one where there is no other. The last
    `alike_at_end` calls of both are the same functions, in the same order.
    """
    keys = [
        [_form(call) for call in calls[: len(calls) - alike_at_end]] for calls in (ours, theirs)
    ]
    matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    places: list[tuple[FirstApart, FirstApart]] = []
    stretches = matcher.get_opcodes()
    for stretch, following in zip_longest(stretches, stretches[1:]):
        kind, a, b, c, d = stretch
        if kind == "equal":
            for one, other in zip(ours[a:b], theirs[c:d], strict=True):
                if id(one) in changed or id(other) in changed or not places:
                    places.append((FirstApart(one, other),) * 2)
            # What a call leaves out may be in the calls behind it, as a separate activation.
            if following is not None and places and places[-1][0] == FirstApart(one, other):
                places[-1] = (places[-1][0], _told_by(ours, theirs, following) or places[-1][0])
        else:
            apart = FirstApart(
                None if kind == "insert" else ours[a], None if kind == "delete" else theirs[c]
            )
            places.append((apart, _told_by(ours, theirs, stretch) or apart))
        if len(places) >= MOST_PLACES:
            break
    if not places and ours and theirs:
        places.append((FirstApart(ours[0], theirs[0]),) * 2)
    return Places(tuple(places[:MOST_PLACES]) or ((FirstApart(None, None),) * 2,))


def _told_by(
    ours: Sequence[Any], theirs: Sequence[Any], stretch: tuple[str, int, int, int, int]
) -> FirstApart | None:
    """Return the calls whose outputs tell whether a stretch that differs makes a difference.

    What follows tells where calls are left out; of others, the last ones of the stretch.
    """
    kind, _, b, _, d = stretch
    at = (b - 1, d - 1) if kind == "replace" else (b, d)
    is_inside = at[0] < len(ours) and at[1] < len(theirs)
    return FirstApart(ours[at[0]], theirs[at[1]]) if is_inside else None


def _is_more_than_rounding(gap: tuple[float, float] | None) -> bool:
    """Return whether a gap tells a difference; one that is not known may be one."""
    return gap is None or not gap[0] <= ROUNDING * gap[1]


def _form(call: Any) -> tuple[str, tuple[Any, ...]]:
    shapes = tuple(tuple(tensor.shape) for tensor in call.outputs)
    return type(call.operation).__name__, shapes
