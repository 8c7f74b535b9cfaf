"""Find a transfer with which two models compute the same, where that of the scenario is not one.

Only what the weights themselves suggest is tried: names that cross, layers that are joined or
split, and transposed kernels. What is announced was judged like any other pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from layerlens.comparison.pair import Pair
from layerlens.comparison.verdict import beyond_memory, decide
from layerlens.errors import ScenarioError
from layerlens.models.build.request import Built
from layerlens.models.execute.variables import given_weights, pair_model_weights
from layerlens.numerics.weight_transfer import Transfer
from layerlens.plain import stage
from layerlens.report.layers import WeightRow
from layerlens.scenario.spec import TransferMapping, TransferRule, WeightPair

#: The most layers that are joined to one, or that one is split into.
_MOST_JOINED = 4
_AXES = (-1, 0)


@dataclass(frozen=True, slots=True)
class WorkingTransfer:
    """A transfer with which both compute the same, as it is written in a scenario."""

    yaml: str
    #: What suggested it.
    why: str


def working_transfer(pair: Pair, transfer: Transfer) -> WorkingTransfer | None:
    """Return a transfer with which the pair is equivalent; None where none was found.

    The transfer of the scenario has to be `auto`; `transfer` is what it led to.
    """
    reference, candidate = pair.reference, pair.candidate
    if not isinstance(reference, Built) or not isinstance(candidate, Built):
        return None
    if pair.scenario.transfer != "auto" or not (reference.allocated and candidate.allocated):
        return None
    if any(map(given_weights, (reference, candidate))):
        return None
    if beyond_memory(reference, candidate) is not None:
        return None
    stage.enter("looking for a way to carry the weights over")
    for rule, why in _suggested(transfer):
        try:
            found = pair_model_weights(reference, candidate, rule)
        except ScenarioError:
            continue
        if not found.complete or set(found.pairings) == set(transfer.pairings):
            continue
        scenario = replace(pair.scenario, transfer=rule)
        if decide(replace(pair, scenario=scenario, shows=False)).verdict == "equivalent":
            return WorkingTransfer(_as_yaml(rule), why)
    return None


def _suggested(transfer: Transfer) -> Iterator[tuple[TransferRule, str]]:
    yield "by_name", "names that cross"
    ours, theirs = (_layers(rows) for rows in (transfer.reference, transfer.candidate))
    if transfer.complete:
        return
    pairs = _aligned(ours, theirs)
    if pairs is not None:
        why = dict.fromkeys(_reason(one) for one in pairs if _operation(one))
        kept = [one for one in pairs if _operation(one)]
        yield TransferMapping(tuple(kept)), " and ".join(why)
        # Where the rest is not in one order, every pair is written down.
        yield TransferMapping(tuple(pairs)), " and ".join(why)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer's path and its weights."""

    path: str
    rows: tuple[WeightRow, ...]

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(row.shape for row in self.rows)


def _layers(rows: Sequence[WeightRow]) -> tuple[_Layer, ...]:
    """Return the weights by layer, in order."""
    grouped: dict[str, list[WeightRow]] = {}
    for row in rows:
        grouped.setdefault(row.path.rpartition("/")[0], []).append(row)
    return tuple(_Layer(path, tuple(own)) for path, own in grouped.items())


def _aligned(ours: Sequence[_Layer], theirs: Sequence[_Layer]) -> list[WeightPair] | None:
    """Return pairs that take all layers of both models in order; None where there are none."""
    found: list[WeightPair] = []
    a = b = 0
    while a < len(ours) and b < len(theirs):
        step = next(_steps(ours[a:], theirs[b:]), None)
        if step is None:
            return None
        pairs, taken, given = step
        found += pairs
        a, b = a + taken, b + given
    is_whole = a == len(ours) and b == len(theirs)
    return found if is_whole and any(map(_operation, found)) else None


def _steps(
    ours: Sequence[_Layer], theirs: Sequence[_Layer]
) -> Iterator[tuple[list[WeightPair], int, int]]:
    """Yield pairs of the first layers, with the number of layers that they take of each model."""
    one, other = ours[0], theirs[0]
    if one.shapes == other.shapes:
        yield [WeightPair((one.path,), (other.path,))], 1, 1
        return
    for count in range(2, _MOST_JOINED + 1):
        for axis in _AXES:
            if count <= len(ours) and _joined(ours[:count], axis) == other.shapes:
                paths = tuple(layer.path for layer in ours[:count])
                yield [WeightPair(paths, (other.path,), join=axis)], count, 1
            if count <= len(theirs) and _joined(theirs[:count], axis) == one.shapes:
                paths = tuple(layer.path for layer in theirs[:count])
                yield [WeightPair((one.path,), paths, split=axis)], 1, count
    if [shape[::-1] for shape in one.shapes] == list(other.shapes):
        yield list(_transposed(one, other)), 1, 1


def _joined(layers: Sequence[_Layer], axis: int) -> tuple[tuple[int, ...], ...] | None:
    """Return the shapes of the weights of several layers, joined one by one; None: not joined."""
    if any(len(a.rows) != len(b.rows) for a, b in pairwise(layers)):
        return None
    made = []
    for shapes in zip(*(layer.shapes for layer in layers), strict=True):
        first = shapes[0]
        if not first or any(len(shape) != len(first) for shape in shapes):
            return None
        place = axis % len(first)
        rest = {(*shape[:place], *shape[place + 1 :]) for shape in shapes}
        if len(rest) > 1:
            return None
        size = sum(shape[place] for shape in shapes)
        made.append((*first[:place], size, *first[place + 1 :]))
    return tuple(made)


def _transposed(one: _Layer, other: _Layer) -> Iterator[WeightPair]:
    for ours, theirs in zip(one.rows, other.rows, strict=True):
        axes = tuple(reversed(range(len(ours.shape))))
        is_same = ours.shape == theirs.shape and len(ours.shape) < 2
        yield WeightPair((ours.path,), (theirs.path,), transpose=None if is_same else axes)


def _operation(pair: WeightPair) -> Literal["join", "split", "transpose"] | None:
    if pair.join is not None:
        return "join"
    if pair.split is not None:
        return "split"
    return None if pair.transpose is None else "transpose"


_REASONS = {
    "join": "several layers joined to one",
    "split": "one layer split into several",
    "transpose": "transposed kernels",
}


def _reason(pair: WeightPair) -> str:
    operation = _operation(pair)
    return _REASONS[operation] if operation is not None else ""


def _as_yaml(rule: TransferRule) -> str:
    if not isinstance(rule, TransferMapping):
        return f"transfer: {rule}"
    pairs = ", ".join(map(_pair_as_yaml, rule.pairs))
    return f"transfer: {{pairs: [{pairs}]}}"


def _pair_as_yaml(pair: WeightPair) -> str:
    parts = [f"from: {_paths(pair.sources)}", f"to: {_paths(pair.targets)}"]
    operation = _operation(pair)
    if operation == "transpose":
        parts.append(f"transpose: {list(pair.transpose or ())}")
    elif operation is not None:
        parts.append(f"{operation}: {pair.join if operation == 'join' else pair.split}")
    return f"{{{', '.join(parts)}}}"


def _paths(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"[{', '.join(paths)}]"
