"""A pair that does not agree enters, the fewest changes that make it agree leave: found by trying.

The candidate is made anew with some of what lines up differently taken over from the reference, and
run beside it. What is left when nothing more can be taken back is what makes the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerlens.building import Built, Refused
from layerlens.comparing import distance
from layerlens.domains import BASE_LENGTHS, fixed_domains, has_variable_axis
from layerlens.probes import draw_probes, join
from layerlens.report import LayerChange, ModelsDiff
from layerlens.scenario import LayerSpec, ModelSpec, TransferMethod
from layerlens.sides import Side
from layerlens.transfer import pair_weights
from layerlens.variables import weight_rows
from layerlens.weighing import weight_sets

#: Differences that are tried one by one; of more, whole layers are taken over.
_MOST_EDITS = 8
_MOST_LAYERS = 12
#: How closely float64 outputs have to agree, relative to their greatest value.
_CLOSE = 1e-9
#: Arguments that do not reach the outputs that are compared.
_BESIDE = ("_initializer", "_regularizer", "_constraint", "name", "trainable", "seed")

#: Builds a described model in float64.
Build = Callable[[ModelSpec], Built | Refused]


@dataclass(frozen=True, slots=True)
class Mending:
    """What was tried on a candidate, in words: what has to change, and what need not."""

    changes: tuple[str, ...]
    idle: tuple[str, ...]
    #: How many outputs agreed with the changes made.
    compared: int


@dataclass(frozen=True, slots=True)
class _Edit:
    """One difference that can be taken over from the reference."""

    row: int
    text: str
    #: The way to an argument through layers that others hold; empty for the whole layer.
    path: tuple[str, ...] = ()
    #: Whether one of the two layers is a wrapper, and the argument is of the layer in it.
    is_within: bool = False


def mend(
    reference: Built | Refused,
    candidate: ModelSpec,
    diff: ModelsDiff,
    build: Build,
    *,
    transfer: TransferMethod,
    seed: int,
) -> Mending | None:
    """Return the fewest of the lined-up differences that make the candidate agree.

    None where the models are not described layer by layer, where nothing differs that can be taken
    over, or where even all of it does not make them agree (they may take other inputs, slices or
    dtypes, or be random).
    """
    if not isinstance(reference, Built):
        return None
    plan = _Plan.of(reference.spec, candidate, diff)
    edits = plan.edits() if plan is not None else []
    if plan is None or not edits:
        return None
    trying = _Trying(reference, plan, build, transfer, seed)
    compared = trying.agreeing(edits)
    if compared is None:
        return None
    needed = list(edits)
    for edit in edits:
        fewer = [one for one in needed if one is not edit]
        found = trying.agreeing(fewer) if fewer else None
        if found is not None:
            needed, compared = fewer, found
    idle = tuple(edit.text for edit in edits if edit not in needed)
    return Mending(tuple(edit.text for edit in needed), idle, compared)


@dataclass(frozen=True)
class _Plan:
    """The candidate as it was described, and what the reference has in each row's place."""

    candidate: ModelSpec
    rows: Sequence[LayerChange]
    ours: Sequence[LayerSpec | None]
    theirs: Sequence[LayerSpec | None]

    @classmethod
    def of(cls, reference: ModelSpec, candidate: ModelSpec, diff: ModelsDiff) -> _Plan | None:
        if reference.form != candidate.form or candidate.form not in ("layers", "graph"):
            return None
        mine, other = _specs(reference), _specs(candidate)
        rows = diff.layers
        only = any(row.change in ("only_reference", "only_candidate") for row in rows)
        if candidate.form == "graph" and only:
            return None  # where a layer goes in a graph is not told by its row
        ours = [_spec_at(mine, row.reference_row, row.reference) for row in rows]
        theirs = [_spec_at(other, row.candidate_row, row.candidate) for row in rows]
        return cls(candidate, rows, ours, theirs)

    def edits(self) -> list[_Edit]:
        found = [edit for row in range(len(self.rows)) for edit in self._edits_of(row, fine=True)]
        if len(found) > _MOST_EDITS:
            found = [e for row in range(len(self.rows)) for e in self._edits_of(row, fine=False)]
        return found if len(found) <= _MOST_LAYERS else []

    def _edits_of(self, place: int, *, fine: bool) -> Iterator[_Edit]:
        row, ours, theirs = self.rows[place], self.ours[place], self.theirs[place]
        if ours is None and theirs is None:
            return
        if ours is None:
            yield _Edit(place, f"leave out `{row.candidate}` ({_type(theirs)})")
        elif theirs is None:
            yield _Edit(place, f"add `{row.reference}` ({ours.type})")
        elif ours.type != theirs.type:
            text = f"take {ours.type} in place of {theirs.type} for `{row.candidate}`"
            yield _Edit(place, text)
            inner, other = _within(ours, theirs.type), _within(theirs, ours.type)
            if fine and inner.type == other.type:
                for path, told in _apart(inner, other, ()):
                    yield _Edit(place, f"{told} at `{row.candidate}`", path, is_within=True)
        else:
            apart = list(_apart(ours, theirs, ()))
            if fine:
                for path, text in apart:
                    yield _Edit(place, f"{text} at `{row.candidate}`", path)
            elif apart:
                yield _Edit(place, f"make `{row.candidate}` as `{row.reference}` is")

    def with_edits(self, edits: Sequence[_Edit]) -> ModelSpec:
        made: list[LayerSpec | None] = list(self.theirs)
        # A layer that is taken over whole has the arguments that were taken over before.
        for edit in sorted(edits, key=lambda one: not one.path):
            ours, own = self.ours[edit.row], made[edit.row]
            if edit.path and ours is not None and own is not None:
                made[edit.row] = _edited(own, ours, edit)
            else:
                made[edit.row] = ours
        if self.candidate.form == "layers":
            return replace(self.candidate, layers=tuple(one for one in made if one is not None))
        by_name = {
            row.candidate: layer for row, layer in zip(self.rows, made, strict=True) if layer
        }
        nodes = tuple(
            replace(node, layer=by_name.get(node.name, node.layer)) if node.layer else node
            for node in self.candidate.nodes
        )
        return replace(self.candidate, nodes=nodes)


def _specs(model: ModelSpec) -> Sequence[LayerSpec] | Mapping[str, LayerSpec]:
    if model.form == "layers":
        return model.layers
    return {node.name: node.layer for node in model.nodes if node.layer is not None}


def _spec_at(
    specs: Sequence[LayerSpec] | Mapping[str, LayerSpec], place: int | None, name: str | None
) -> LayerSpec | None:
    if isinstance(specs, Mapping):
        return specs.get(name or "")
    return None if place is None or place >= len(specs) else specs[place]


def _type(layer: LayerSpec | None) -> str:
    return layer.type if layer is not None else ""


def _apart(
    ours: LayerSpec, theirs: LayerSpec, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the arguments that two layers were written with and that differ, those inside too."""
    for name in {**ours.arguments, **theirs.arguments}:
        mine, other = ours.arguments.get(name), theirs.arguments.get(name)
        if name.endswith(_BESIDE) or (
            name in ours.arguments and name in theirs.arguments and _alike(mine, other)
        ):
            continue
        inner = (*path, name)
        if isinstance(mine, LayerSpec) and isinstance(other, LayerSpec) and mine.type == other.type:
            yield from _apart(mine, other, inner)
        elif name in ours.arguments:
            yield inner, f"set `{'.'.join(inner)}: {_written(mine)}`"
        else:
            yield inner, f"leave out `{'.'.join(inner)}`"


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, LayerSpec) and isinstance(other, LayerSpec):
        return one.type == other.type and not list(_apart(one, other, ()))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


def _written(value: Any) -> str:
    match value:
        case LayerSpec():
            return value.type
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(map(_written, value))}]"
    return str(value)


def _within(layer: LayerSpec, kind: str) -> LayerSpec:
    """Return the layer of a kind that a wrapper holds, or the layer itself."""
    inner = layer.arguments.get("layer")
    return inner if isinstance(inner, LayerSpec) and inner.type == kind else layer


def _edited(own: LayerSpec, ours: LayerSpec, edit: _Edit) -> LayerSpec:
    if not edit.is_within:
        return _with_argument(own, ours, edit.path)
    inner = _with_argument(_within(own, ours.type), _within(ours, own.type), edit.path)
    if inner.type == own.type:
        return inner
    return replace(own, arguments={**own.arguments, "layer": inner})


def _with_argument(own: LayerSpec, ours: LayerSpec, path: tuple[str, ...]) -> LayerSpec:
    name = path[0]
    arguments = dict(own.arguments)
    if len(path) > 1:
        arguments[name] = _with_argument(own.arguments[name], ours.arguments[name], path[1:])
    elif name in ours.arguments:
        arguments[name] = ours.arguments[name]
    else:
        del arguments[name]
    return replace(own, arguments=arguments)


@dataclass(frozen=True)
class _Trying:
    reference: Built
    plan: _Plan
    build: Build
    transfer: TransferMethod
    seed: int

    def agreeing(self, edits: Sequence[_Edit]) -> int | None:
        """Return how many outputs agree once the edits are made; None where they do not all."""
        built = self.build(self.plan.with_edits(edits))
        return None if isinstance(built, Refused) else self._compared(built)

    def _compared(self, built: Built) -> int | None:
        ours = weight_rows(self.reference), weight_rows(built)
        transfer = pair_weights(*ours, self.transfer)
        if not transfer.complete or not transfer.method:
            return None
        one = Side.of("reference", self.reference, self.reference, training=False, seed=self.seed)
        other = Side.of("candidate", built, built, training=False, seed=self.seed)
        length = BASE_LENGTHS[-1] if has_variable_axis(self.reference) else BASE_LENGTHS[0]
        domains = fixed_domains((self.reference, built), length)
        inputs = join(draw_probes(domains, self.seed)).inputs
        compared = 0
        for weights in weight_sets(one, other, transfer, self.seed)[:2]:
            results = (
                one.run(weights.reference, inputs, "float64", "eager"),
                other.run(weights.candidate, inputs, "float64", "eager"),
            )
            if any(result.error for result in results) or results[0].shapes != results[1].shapes:
                return None
            for mine, theirs in zip(results[0].outputs, results[1].outputs, strict=True):
                gap = distance(mine, theirs)
                if gap.size and float(gap.max()) > _CLOSE * _scale(mine):
                    return None
                compared += gap.size
        return compared


def _scale(array: Any) -> float:
    if array.dtype.kind not in "fiu":
        return 1.0
    finite = np.abs(array[np.isfinite(array)].astype(np.float64))
    return max(float(finite.max(initial=0.0)), 1e-30)
