"""Find the fewest changes that make a candidate agree with the reference, by trying them.

Each trial replaces some layers or arguments of the candidate by the reference's, builds the changed
candidate and judges it as the pair was judged. Only changes that a trial confirmed are reported.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from layerlens.explain.written_differences import (
    are_alike,
    with_argument,
    written_differences,
)
from layerlens.report.diffs import LayerChange, ModelsDiff
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.scenario.faults import Faults
from layerlens.scenario.notation import layer_text, value_text
from layerlens.scenario.reading.call_arguments import Sources
from layerlens.scenario.reading.layers import read_layer
from layerlens.scenario.spec import LayerSpec, ModelSpec
from layerlens.scenario.yaml.parse import parse_yaml

#: With more differing arguments than this, whole layers are replaced.
_MOST_EDITS = 8
#: With more differing layers than this, nothing is tried.
_MOST_LAYERS = 12
#: No trial starts after this many seconds of processor time.
_BUDGET = 30.0
#: A layer whose description has more characters is named, not written out.
_LONGEST = 240


#: Judges a changed candidate against the reference; None if it cannot be built or run.
Judge = Callable[[ModelSpec], PairReport | None]


@dataclass(frozen=True, slots=True)
class Repair:
    """Changes, in words, that make a candidate equivalent to the reference."""

    #: The changes; the models are equivalent with all of them made.
    changes: tuple[str, ...]
    #: The differences that do not have to be changed.
    unneeded: tuple[str, ...]
    #: The changes that may not be needed: the trial without them gave no verdict.
    unsettled: tuple[str, ...]
    #: The report of the pair with the changes made.
    report: PairReport


@dataclass(frozen=True, slots=True)
class _Edit:
    """A change of the candidate to what the reference has: one argument or a whole layer."""

    row: int
    text: str
    #: The names of the arguments that lead to a value in nested layers; empty for a whole layer.
    path: tuple[str, ...] = ()
    #: Whether only one of the two layers is in a wrapper; the argument is the inner layer's.
    is_within: bool = False


def find_repair(
    reference: ModelSpec,
    candidate: ModelSpec,
    candidate_report: ModelReport,
    diff: ModelsDiff,
    judge: Judge,
) -> Repair | None:
    """Return the fewest changes that make the candidate equivalent to the reference.

    `diff` has the aligned layers. None if the models are not described layer by layer, if no
    difference can be changed, or if the models still differ with all changes made (their inputs,
    slices or dtypes may differ, or they may be random).
    """
    plan = _Plan.of(reference, candidate, candidate_report, diff)
    edits = tuple(plan.edits()) if plan is not None else ()
    if plan is None or not edits:
        return None
    trials = _Trials(plan, judge)
    report = trials.report(edits)
    if not _agrees(report):
        return None
    needed = _needed(edits, trials)
    report = trials.report(needed)
    assert report is not None
    whole = {edit.row for edit in needed if not edit.path}
    return Repair(
        changes=tuple(edit.text for edit in needed),
        # The arguments of a layer that is replaced as a whole are changed with it.
        unneeded=tuple(e.text for e in edits if e not in needed and e.row not in whole),
        unsettled=tuple(edit.text for edit in needed if not trials.differs_without(needed, edit)),
        report=report,
    )


def _agrees(report: PairReport | None) -> bool:
    return report is not None and report.verdict == "equivalent"


def _needed(edits: tuple[_Edit, ...], trials: _Trials) -> tuple[_Edit, ...]:
    """Remove edits one by one while the models still agree without them."""
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
    """The reports of candidates with some edits made; each is judged once, within a budget."""

    plan: _Plan
    judge: Judge
    _known: dict[tuple[_Edit, ...], PairReport | None] = field(default_factory=dict)
    _started: float = field(default_factory=time.process_time)

    def report(self, edits: tuple[_Edit, ...]) -> PairReport | None:
        """Return the report of the pair with these edits; None if it could not be judged."""
        if edits not in self._known:
            if time.process_time() - self._started > _BUDGET:
                return None
            changed = self.plan.with_edits(edits)
            self._known[edits] = self.judge(changed) if changed is not None else None
        return self._known[edits]

    def differs_without(self, edits: tuple[_Edit, ...], edit: _Edit) -> bool:
        """Return whether the models are known to differ without this edit."""
        fewer = tuple(one for one in edits if one is not edit)
        if not fewer:  # the pair itself, which differs
            return True
        report = self.report(fewer)
        return report is not None and report.verdict not in ("equivalent", "inconclusive")


@dataclass(frozen=True)
class _Plan:
    """The candidate's description, and both models' layers for each row of the diff."""

    candidate: ModelSpec
    reference: str
    rows: Sequence[LayerChange]
    ours: Sequence[LayerSpec | None]
    theirs: Sequence[LayerSpec | None]
    #: For each row, the keys of the candidate's `weights:` that name weights of its layer.
    weight_keys: Sequence[tuple[str, ...]]

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
            return None  # a row does not say where in a graph its layer belongs
        ours = [_spec_at(mine, row.reference_row, row.reference) for row in rows]
        theirs = [_spec_at(other, row.candidate_row, row.candidate) for row in rows]
        weight_keys = [_weight_keys(candidate, report, row.candidate_row) for row in rows]
        return cls(candidate, reference.name, rows, ours, theirs, weight_keys)

    def edits(self) -> list[_Edit]:
        """Return an edit for each difference; none if there are too many to try."""
        found = [edit for row in range(len(self.rows)) for edit in self._edits_of(row, fine=True)]
        if len(found) > _MOST_EDITS:
            found = [e for row in range(len(self.rows)) for e in self._edits_of(row, fine=False)]
        return found if len(found) <= _MOST_LAYERS else []

    def _edits_of(self, place: int, *, fine: bool) -> Iterator[_Edit]:
        row, ours, theirs = self.rows[place], self.ours[place], self.theirs[place]
        if ours is None and theirs is None:
            return
        if ours is None:
            text = f"remove `{row.candidate}` ({_type(theirs)}){self._and_weights(place)}"
            yield _Edit(place, text)
        elif theirs is None:
            yield _Edit(place, f"add {self._as_written(place)} {self._position(place)}")
        elif ours.type != theirs.type:
            yield _Edit(place, self._replacement(place))
            inner, other = _within(ours, theirs.type), _within(theirs, ours.type)
            if fine and inner.type == other.type:
                for path, text in written_differences(inner, other, ()):
                    yield _Edit(place, f"{text} in {_holder(path, row)}", path, is_within=True)
        elif not are_alike(ours, theirs):
            yield _Edit(place, self._replacement(place))
        else:
            differing = list(written_differences(ours, theirs, ()))
            if fine:
                for path, text in differing:
                    yield _Edit(place, f"{text} in {_holder(path, row)}", path)
            elif differing:
                yield _Edit(place, self._replacement(place))

    def _replacement(self, place: int) -> str:
        row, theirs = self.rows[place], self.theirs[place]
        old = f"`{row.candidate}` ({_type(theirs)}){self._and_weights(place)}"
        return f"replace {old} with {self._as_written(place)}"

    def _as_written(self, place: int) -> str:
        ours = self.ours[place]
        assert ours is not None
        text = layer_text(ours)
        if len(text) <= _LONGEST:
            return f"`{text}`"
        return f"`{self.rows[place].reference}` as it is in `{self.reference}`"

    def _and_weights(self, place: int) -> str:
        """Say that the weights given to a layer are removed with it."""
        if not self.weight_keys[place]:
            return ""
        return f" and its `weights:` ({', '.join(f'`{key}`' for key in self.weight_keys[place])})"

    def _position(self, place: int) -> str:
        """Say where a layer is added: after the layer in the row before it."""
        if place == 0:
            return "at the start"
        before = self.rows[place - 1]
        if before.candidate is not None:
            return f"after `{before.candidate}`"
        return f"after that {_type(self.ours[place - 1])}"

    def with_edits(self, edits: Sequence[_Edit]) -> ModelSpec | None:
        """Return the candidate with edits made; None if a scenario cannot describe it."""
        made: list[LayerSpec | None] = list(self.theirs)
        # Edits of arguments first: replacing a whole layer overrides them.
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
        removed = {key for edit in edits if not edit.path for key in self.weight_keys[edit.row]}
        weights = {k: v for k, v in self.candidate.weights.items() if k not in removed}
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
    """Return the layer that a scenario has with this layer written in it; None with a fault."""
    faults = Faults("<remedy>")
    document = parse_yaml(f"[{value_text(layer)}]", faults.file)
    if document.faults:
        return None
    found = read_layer(document.value[0], None, faults, Sources(None, None))
    return None if faults else found


def _weight_keys(candidate: ModelSpec, report: ModelReport, row: int | None) -> tuple[str, ...]:
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
    """Name the layer that has an argument: `td`, the `layer` of `td`, or layer 1 of `base`."""
    nesting = [f"{_inner_name(name)} of " for name in reversed(path[:-1])]
    return f"{''.join(nesting)}`{row.candidate}`"


def _inner_name(key: str) -> str:
    position = re.fullmatch(r"layers\[(\d+)\]", key)
    if position is not None:
        return f"layer {int(position[1]) + 1}"
    return f"`{key}`" if key.startswith("node ") else f"the `{key}`"


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


def _within(layer: LayerSpec, kind: str) -> LayerSpec:
    """Return the layer inside a wrapper if it is of this type, else the layer itself."""
    inner = layer.arguments.get("layer")
    return inner if isinstance(inner, LayerSpec) and inner.type == kind else layer


def _edited(own: LayerSpec, ours: LayerSpec, edit: _Edit) -> LayerSpec:
    if not edit.is_within:
        return with_argument(own, ours, edit.path)
    inner = with_argument(_within(own, ours.type), _within(ours, own.type), edit.path)
    if inner.type == own.type:
        return inner
    return replace(own, arguments={**own.arguments, "layer": inner})
