"""Attribute the difference between two models' counts of params to weights of their layers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import eq

from layerlens.plain.listing import listed
from layerlens.report.diffs import LayerChange, ParamsGap
from layerlens.report.layers import CountTerm, Factor, LayerRow, ModelReport

#: The arguments that set a factor of a count; factors that a layer takes from its input have none.
_ARGUMENTS = {
    "units": ("units", "output_shape"),
    "filters": ("filters",),
    "positions": ("kernel_size",),
    "tokens": ("input_dim",),
    "dimensions": ("output_dim", "key_dim", "head_dim", "value_dim"),
    "heads": ("num_heads", "num_query_heads", "num_key_value_heads"),
    "ranks": ("lora_rank",),
    "filters for each input": ("depth_multiplier",),
    "inputs a group": ("groups",),
}


def params_gaps(
    reference: ModelReport, candidate: ModelReport, rows: Sequence[LayerChange]
) -> tuple[ParamsGap, ...]:
    """Attribute the difference between two counts of params; the gaps add up to it.

    `rows` are the aligned layers. Empty if a count is unknown or no weight differs.
    """
    if reference.params is None or candidate.params is None:
        return ()
    gaps = [gap for row in rows for gap in _row_gaps(reference, candidate, row)]
    rest = candidate.params - reference.params - sum(gap.params for gap in gaps)
    if rest:
        text = f"{rest:+,}: weights that layers share, counted once"
        gaps.append(ParamsGap(rest, text))
    return tuple(gaps)


def _row_gaps(
    reference: ModelReport, candidate: ModelReport, row: LayerChange
) -> Iterator[ParamsGap]:
    ours = None if row.reference_row is None else reference.layers[row.reference_row]
    theirs = None if row.candidate_row is None else candidate.layers[row.candidate_row]
    if ours is None or theirs is None:
        only = ours or theirs
        if only is not None and only.params:
            params = only.params if ours is None else -only.params
            place = candidate.name if ours is None else reference.name
            text = f"{params:+,}: `{only.name}` ({only.type}), only in `{place}`"
            yield ParamsGap(params, text, row.reference, row.candidate)
        return
    if bool(ours.shared_with) != bool(theirs.shared_with):
        yield from _sharing_gap(ours, theirs, row)
        return
    if [weight.shape for weight in ours.weights] == [weight.shape for weight in theirs.weights]:
        return  # the names of weights do not matter
    gaps = _gaps(ours, theirs, row)
    rest = theirs.params - ours.params - sum(gap.params for gap in gaps)
    if rest:
        gaps.append(_Gap(rest, [("", "weights", False)], ""))
    for gap in gaps:
        yield gap.to_row(row, ours, theirs)


def _sharing_gap(ours: LayerRow, theirs: LayerRow, row: LayerChange) -> Iterator[ParamsGap]:
    params = theirs.params - ours.params
    shared, unshared = (theirs, ours) if theirs.shared_with else (ours, theirs)
    if params:
        text = (
            f"{params:+,}: `{shared.shared_with}` is applied again and counted once, but the "
            f"other model has a separate `{unshared.name}`"
        )
        yield ParamsGap(params, text, row.reference, row.candidate)


#: The holder of a weight (empty if the layer has only one), the weight's meaning, and whether the
#: holder is in the reference alone although the candidate may have one of the same name.
Key = tuple[str, str, bool]


@dataclass
class _Gap:
    """Terms of a layer's count that differ for one cause."""

    params: int
    terms: list[Key]
    cause: str
    #: The only layer that has these terms; None if both have.
    only: LayerRow | None = None

    def to_row(self, row: LayerChange, ours: LayerRow, theirs: LayerRow) -> ParamsGap:
        name = f"`{(self.only or theirs).name}`"
        if self.only is None and ours.name != theirs.name:
            name += f" (instead of `{ours.name}`)"
        cause = f" ({self.cause})" if self.cause else ""
        text = f"{self.params:+,}: {_named(self.terms)} of {name}{cause}"
        return ParamsGap(self.params, text, row.reference, row.candidate)


def _gaps(ours: LayerRow, theirs: LayerRow, row: LayerChange) -> list[_Gap]:
    """Return the terms that differ, grouped by their cause."""
    mine, other = _with_matched_holders(_terms(ours), _terms(theirs))
    arguments = {change.name.rsplit(".", 1)[-1]: change for change in row.arguments}
    found: dict[tuple[str, bool, bool], _Gap] = {}
    for key in dict.fromkeys((*mine, *other)):
        one, two = mine.get(key), other.get(key)
        params = (two.params if two else 0) - (one.params if one else 0)
        if not params:
            continue
        if one is not None and two is not None:
            cause, only = _cause(one.factors, two.factors, arguments), None
        else:
            cause = (one or two).because or ""  # type: ignore[union-attr]
            only = ours if two is None else theirs
        # A term in one model alone stays apart from a term that is larger in that model.
        gap = found.setdefault((cause, one is None, two is None), _Gap(0, [], cause, only))
        gap.params += params
        gap.terms.append(key)
    return list(found.values())


def _terms(layer: LayerRow) -> dict[Key, CountTerm]:
    """Return the terms of a layer's count by holder and meaning."""
    paths = {term.layer or "" for term in layer.terms}
    names = _short_names(paths)
    terms: dict[Key, CountTerm] = {}
    for term in layer.terms:
        key = (names[term.layer or ""], term.meaning, False)
        while key in terms:
            key = (key[0], f"further {key[1]}", False)
        terms[key] = term
    return terms


def _short_names(paths: Collection[str]) -> dict[str, str]:
    """Name each path by the first component in which they differ; a single path is unnamed."""
    if len(paths) < 2:
        return dict.fromkeys(paths, "")
    split = {path: path.split("/") for path in paths}
    levels = zip(*split.values(), strict=False)
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    return {path: parts[shared] if shared < len(parts) else "" for path, parts in split.items()}


def _with_matched_holders(
    ours: dict[Key, CountTerm], theirs: dict[Key, CountTerm]
) -> tuple[dict[Key, CountTerm], dict[Key, CountTerm]]:
    """Rename the reference's holders to the candidate's holders that they are paired with.

    The names themselves cannot be compared: layers in a wrapper or nested model are numbered
    (`dense`, `dense_3`) in the order in which they were made.
    """
    mine, other = _by_holder(ours), _by_holder(theirs)
    if set(mine) == set(other):
        return ours, theirs
    names = {
        list(mine)[a]: list(other)[b]
        for a, b in _paired_holders(list(mine.values()), list(other.values()))
    }
    renamed = {
        (names.get(holder, holder), meaning, holder not in names): term
        for (holder, meaning, _), term in ours.items()
    }
    return renamed, theirs


#: The weights of one holder: the meaning of each, and its count of params.
Held = list[tuple[str, int]]


def _by_holder(terms: Mapping[Key, CountTerm]) -> dict[str, Held]:
    held: dict[str, Held] = {}
    for (holder, meaning, _), term in terms.items():
        held.setdefault(holder, []).append((meaning, term.params))
    return held


def _paired_holders(ours: Sequence[Held], theirs: Sequence[Held]) -> Iterator[tuple[int, int]]:
    """Pair holders without crossing: by equal weights, then by equal meanings, then in order."""
    free = {*range(len(theirs))}
    pairs: dict[int, int] = {}
    tests: tuple[Callable[[Held, Held], bool], ...] = (eq, _same_meanings, lambda _, __: True)
    for alike in tests:
        for a, mine in enumerate(ours):
            if a in pairs:
                continue
            low = max((pairs[n] for n in pairs if n < a), default=-1)
            high = min((pairs[n] for n in pairs if n > a), default=len(theirs))
            b = next((b for b in sorted(free) if low < b < high and alike(mine, theirs[b])), None)
            if b is not None:
                pairs[a] = b
                free.discard(b)
    yield from sorted(pairs.items())


def _same_meanings(one: Held, other: Held) -> bool:
    return [meaning for meaning, _ in one] == [meaning for meaning, _ in other]


def _named(keys: Sequence[Key]) -> str:
    """Return `kernel and bias`, or `kernel and bias of `query`` for each holder with a name."""
    held: dict[str, list[str]] = {}
    for holder, meaning, _ in keys:
        held.setdefault(holder, []).append(meaning)
    return listed(
        [listed(names) + (f" of `{holder}`" if holder else "") for holder, names in held.items()]
    )


def _cause(
    ours: Sequence[Factor], theirs: Sequence[Factor], arguments: Mapping[str, object]
) -> str:
    """Return the factors that differ: `units 16 → 20`, named by the argument that sets them."""
    mine, other = _numbers(ours), _numbers(theirs)
    changes = []
    for of in mine:
        if of not in other or mine[of] == other[of]:
            continue
        name = next((n for n in _ARGUMENTS.get(of, ()) if n in arguments), of)
        changes.append(f"{name} {mine[of]} → {other[of]}")
    return ", ".join(changes)


def _numbers(factors: Sequence[Factor]) -> dict[str, str]:
    """Return the factors by what they count; several that count the same as `3×3`."""
    found: dict[str, list[int]] = {}
    for factor in factors:
        found.setdefault(factor.of, []).append(factor.size)
    return {
        of: f"{sizes[0]:,}" if len(set(sizes)) == 1 and of == "units" else "×".join(map(str, sizes))
        for of, sizes in found.items()
    }
