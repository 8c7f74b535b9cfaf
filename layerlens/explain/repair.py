"""Find the fewest changes that make a candidate agree with the reference, by trying them.

The candidate is made anew with some of what lines up differently taken over from the reference, and
judged as the pair itself was. Nothing is said of a change that this judgement did not bear out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from layerlens.report.diffs import LayerChange, ModelsDiff
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.scenario.faults import Faults
from layerlens.scenario.notation import argument_text, layer_text
from layerlens.scenario.reading.layers import read_layer
from layerlens.scenario.spec import LayerSpec, ModelSpec
from layerlens.scenario.yaml.parse import parse_yaml

#: Differences that are tried one by one; of more, whole layers are taken over.
_MOST_EDITS = 8
_MOST_LAYERS = 12
#: No further trial begins after so many seconds of the processor's time.
_BUDGET = 30.0
#: A layer whose description is longer than this is named, not written out.
_LONGEST = 240
#: Arguments that do not reach the outputs that are compared.
_BESIDE = ("_initializer", "_regularizer", "_constraint", "name", "trainable", "seed")

#: Judges a changed candidate against the reference as the pair was judged; None where it cannot be
#: built or run.
Judge = Callable[[ModelSpec], PairReport | None]


@dataclass(frozen=True, slots=True)
class Repair:
    """Changes to a candidate that were judged, in words."""

    #: What to change: with all of it, the two are equivalent.
    changes: tuple[str, ...]
    #: What lines up differently and may stay as it is.
    idle: tuple[str, ...]
    #: What is among the changes although it was not settled whether it has to be.
    unsettled: tuple[str, ...]
    #: The report of the pair with the changes made.
    report: PairReport


@dataclass(frozen=True, slots=True)
class _Edit:
    """One difference that can be taken over from the reference."""

    row: int
    text: str
    #: The way to an argument through layers that others hold; empty for the whole layer.
    path: tuple[str, ...] = ()
    #: Whether one of the two layers is a wrapper, and the argument is of the layer in it.
    is_within: bool = False


def find_repair(
    reference: ModelSpec,
    candidate: ModelSpec,
    candidate_report: ModelReport,
    diff: ModelsDiff,
    judge: Judge,
) -> Repair | None:
    """Return the fewest of the lined-up differences that make the candidate agree.

    None where the models are not described layer by layer, where nothing differs that can be taken
    over, or where even all of it does not make them agree (they may take other inputs, slices or
    dtypes, or be random).
    """
    plan = _Plan.of(reference, candidate, candidate_report, diff)
    edits = tuple(plan.edits()) if plan is not None else ()
    if plan is None or not edits:
        return None
    trials = _Trials(plan, judge)
    report = trials.report(edits)
    if not _agrees(report):
        return None
    needed = _fewest(edits, trials)
    report = trials.report(needed)
    assert report is not None
    whole = {edit.row for edit in needed if not edit.path}
    return Repair(
        changes=tuple(edit.text for edit in needed),
        # What belongs to a layer that is taken over whole comes with it.
        idle=tuple(e.text for e in edits if e not in needed and e.row not in whole),
        unsettled=tuple(edit.text for edit in needed if not trials.differs_without(needed, edit)),
        report=report,
    )


def _agrees(report: PairReport | None) -> bool:
    return report is not None and report.verdict == "equivalent"


def _fewest(edits: tuple[_Edit, ...], trials: _Trials) -> tuple[_Edit, ...]:
    """Leave out one edit after the other for as long as the models agree without it."""
    needed = edits
    while True:
        for edit in needed:
            fewer = tuple(one for one in needed if one is not edit)
            if fewer and _agrees(trials.report(fewer)):
                needed = fewer
                break
        else:
            return needed


@dataclass
class _Trials:
    """Candidates with some of the edits made, each judged once and within a budget."""

    plan: _Plan
    judge: Judge
    _known: dict[tuple[_Edit, ...], PairReport | None] = field(default_factory=dict)
    _started: float = field(default_factory=time.process_time)

    def report(self, edits: tuple[_Edit, ...]) -> PairReport | None:
        """Return the pair's report with these edits; None where it was not judged."""
        if edits not in self._known:
            if time.process_time() - self._started > _BUDGET:
                return None
            changed = self.plan.with_edits(edits)
            self._known[edits] = self.judge(changed) if changed is not None else None
        return self._known[edits]

    def differs_without(self, edits: tuple[_Edit, ...], edit: _Edit) -> bool:
        """Tell whether leaving this edit out was judged to make a difference."""
        fewer = tuple(one for one in edits if one is not edit)
        if not fewer:  # that is the pair itself
            return True
        report = self.report(fewer)
        return report is not None and report.verdict not in ("equivalent", "inconclusive")


@dataclass(frozen=True)
class _Plan:
    """The candidate as it was described, and what the reference has in each row's place."""

    candidate: ModelSpec
    reference: str
    rows: Sequence[LayerChange]
    ours: Sequence[LayerSpec | None]
    theirs: Sequence[LayerSpec | None]
    #: The keys of the candidate's `weights:` that are of each row's layer.
    given: Sequence[tuple[str, ...]]

    @classmethod
    def of(
        cls, reference: ModelSpec, candidate: ModelSpec, report: ModelReport, diff: ModelsDiff
    ) -> _Plan | None:
        if reference.form != candidate.form or candidate.form not in ("layers", "graph"):
            return None
        mine, other = _specs(reference), _specs(candidate)
        rows = diff.layers
        only = any(row.change in ("only_reference", "only_candidate") for row in rows)
        if candidate.form == "graph" and only:
            return None  # where a layer goes in a graph is not told by its row
        ours = [_spec_at(mine, row.reference_row, row.reference) for row in rows]
        theirs = [_spec_at(other, row.candidate_row, row.candidate) for row in rows]
        given = [_given_of(candidate, report, row.candidate_row) for row in rows]
        return cls(candidate, reference.name, rows, ours, theirs, given)

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
            yield _Edit(place, f"leave out `{row.candidate}` ({_type(theirs)}){self._also(place)}")
        elif theirs is None:
            yield _Edit(place, f"add {self._as_written(place)} {self._behind(place)}")
        elif ours.type != theirs.type:
            yield _Edit(place, self._replaced(place))
            inner, other = _within(ours, theirs.type), _within(theirs, ours.type)
            if fine and inner.type == other.type:
                for path, told in _apart(inner, other, ()):
                    yield _Edit(place, f"{told} at {_holder(path, row)}", path, is_within=True)
        else:
            apart = list(_apart(ours, theirs, ()))
            if fine:
                for path, text in apart:
                    yield _Edit(place, f"{text} at {_holder(path, row)}", path)
            elif apart:
                yield _Edit(place, self._replaced(place))

    def _replaced(self, place: int) -> str:
        row, theirs = self.rows[place], self.theirs[place]
        where = f"in place of `{row.candidate}` ({_type(theirs)})"
        return f"write {self._as_written(place)} {where}{self._also(place)}"

    def _as_written(self, place: int) -> str:
        ours = self.ours[place]
        assert ours is not None
        text = layer_text(ours)
        if len(text) <= _LONGEST:
            return f"`{text}`"
        return f"`{self.rows[place].reference}` as it is in `{self.reference}`"

    def _also(self, place: int) -> str:
        """Say that weights given to a layer go with it."""
        if not self.given[place]:
            return ""
        return f" and its `weights:` ({', '.join(f'`{key}`' for key in self.given[place])})"

    def _behind(self, place: int) -> str:
        """Say where a layer is added: behind the row before it."""
        if place == 0:
            return "in front"
        before = self.rows[place - 1]
        if before.candidate is not None:
            return f"after `{before.candidate}`"
        return f"after that {_type(self.ours[place - 1])}"

    def with_edits(self, edits: Sequence[_Edit]) -> ModelSpec | None:
        """Return the candidate with edits made; None where a scenario could not be written so."""
        made: list[LayerSpec | None] = list(self.theirs)
        # A layer that is taken over whole has the arguments that were taken over before.
        for edit in sorted(edits, key=lambda one: not one.path):
            ours, own = self.ours[edit.row], made[edit.row]
            if edit.path and ours is not None and own is not None:
                made[edit.row] = _edited(own, ours, edit)
            else:
                made[edit.row] = ours
        for row in {edit.row for edit in edits}:
            layer = made[row]
            if layer is None:
                continue
            made[row] = read_back(layer)
            if made[row] is None:
                return None
        gone = {key for edit in edits if not edit.path for key in self.given[edit.row]}
        weights = {k: v for k, v in self.candidate.weights.items() if k not in gone}
        changed = replace(self.candidate, weights=weights)
        if changed.form == "layers":
            return replace(changed, layers=tuple(one for one in made if one is not None))
        by_name = {
            row.candidate: layer for row, layer in zip(self.rows, made, strict=True) if layer
        }
        nodes = tuple(
            replace(node, layer=by_name.get(node.name, node.layer)) if node.layer else node
            for node in changed.nodes
        )
        return replace(changed, nodes=nodes)


def read_back(layer: LayerSpec) -> LayerSpec | None:
    """Return a layer as it is read where a scenario has what is announced; None if refused."""
    faults = Faults("<remedy>")
    item = layer_text(layer)
    document = parse_yaml(f"[{{{item}}}]" if layer.arguments else f"[{item}]", faults.file)
    if document.faults:
        return None
    found = read_layer(document.value[0], None, faults)
    return None if faults else found


def _given_of(candidate: ModelSpec, report: ModelReport, row: int | None) -> tuple[str, ...]:
    """Return the keys of `weights:` that name weights of one layer."""
    if row is None or row >= len(report.layers):
        return ()
    paths = [weight.path for weight in report.layers[row].weights]
    return tuple(
        key
        for key in candidate.weights
        if any(path == key or path.endswith(f"/{key}") for path in paths)
    )


def _holder(path: Sequence[str], row: LayerChange) -> str:
    """Name the layer that has an argument: `td`, or the `layer` of `td`."""
    inward = [f"the `{name}` of " for name in reversed(path[:-1])]
    return f"{''.join(inward)}`{row.candidate}`"


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
            yield inner, f"set `{argument_text(name, mine)}`"
        else:
            yield inner, f"leave out `{name}`"


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, LayerSpec) and isinstance(other, LayerSpec):
        return one.type == other.type and not list(_apart(one, other, ()))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


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
