"""Attribute the difference between two models' counts of params to weights of their layers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import eq

from layerlens.report.diffs import LayerChange, ParamsGap
from layerlens.report.layers import CountTerm, Factor, LayerRow, ModelReport

#: Which argument a factor is the value of; what a layer takes from its input is not here.
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
    """Attribute the difference of two counts: the gaps add up to it.

    Empty where a count is not known, or no weight differs.
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
        yield from _sharing(ours, theirs, row)
        return
    if [weight.shape for weight in ours.weights] == [weight.shape for weight in theirs.weights]:
        return  # whatever they are called
    gaps = _gaps(ours, theirs, row)
    rest = theirs.params - ours.params - sum(gap.params for gap in gaps)
    if rest:
        gaps.append(_Gap(rest, [("", "weights", False)], ""))
    for gap in gaps:
        yield gap.to_row(row, ours, theirs)


def _sharing(ours: LayerRow, theirs: LayerRow, row: LayerChange) -> Iterator[ParamsGap]:
    params = theirs.params - ours.params
    again, anew = (theirs, ours) if theirs.shared_with else (ours, theirs)
    if params:
        text = (
            f"{params:+,}: `{again.shared_with}` is applied again and counted once, where the "
            f"other model has `{anew.name}` of its own"
        )
        yield ParamsGap(params, text, row.reference, row.candidate)


#: The layer that holds a weight, if there are several, and what the weight is; True where the
#: reference has a holder of this name that stands for none of the candidate's.
Key = tuple[str, str, bool]


@dataclass
class _Gap:
    """Terms of a layer that differ for one cause."""

    params: int
    terms: list[Key]
    cause: str
    #: The one layer that has them; both where it is None.
    only: LayerRow | None = None

    def to_row(self, row: LayerChange, ours: LayerRow, theirs: LayerRow) -> ParamsGap:
        name = f"`{(self.only or theirs).name}`"
        if self.only is None and ours.name != theirs.name:
            name += f" (in place of `{ours.name}`)"
        cause = f" ({self.cause})" if self.cause else ""
        text = f"{self.params:+,}: {_named(self.terms)} of {name}{cause}"
        return ParamsGap(self.params, text, row.reference, row.candidate)


def _gaps(ours: LayerRow, theirs: LayerRow, row: LayerChange) -> list[_Gap]:
    """Return what differs term by term, terms with one cause together."""
    mine, other = _matched(_terms(ours), _terms(theirs))
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
        # What is there in one model alone is not the same as what is larger in it.
        gap = found.setdefault((cause, one is None, two is None), _Gap(0, [], cause, only))
        gap.params += params
        gap.terms.append(key)
    return list(found.values())


def _terms(layer: LayerRow) -> dict[Key, CountTerm]:
    """Return a layer's terms by the held layer they are of, if there are several, and meaning."""
    paths = {term.layer or "" for term in layer.terms}
    names = _told_apart(paths)
    terms: dict[Key, CountTerm] = {}
    for term in layer.terms:
        key = (names[term.layer or ""], term.meaning, False)
        while key in terms:
            key = (key[0], f"further {key[1]}", False)
        terms[key] = term
    return terms


def _told_apart(paths: Collection[str]) -> dict[str, str]:
    """Name paths by the first part in which they differ; one alone needs no name."""
    if len(paths) < 2:
        return dict.fromkeys(paths, "")
    split = {path: path.split("/") for path in paths}
    levels = zip(*split.values(), strict=False)
    shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))
    return {path: parts[shared] if shared < len(parts) else "" for path, parts in split.items()}


def _matched(
    ours: dict[Key, CountTerm], theirs: dict[Key, CountTerm]
) -> tuple[dict[Key, CountTerm], dict[Key, CountTerm]]:
    """Name held layers that stand for each other alike: by the candidate's names.

    What a wrapper or a nested model holds has numbers in its name (`dense`, `dense_3`), by which
    nothing can be told; a layer that stands alone is the first of several in its place.
    """
    mine, other = _by_holder(ours), _by_holder(theirs)
    if set(mine) == set(other):
        return ours, theirs
    names = {
        list(mine)[a]: list(other)[b] for a, b in _twins(list(mine.values()), list(other.values()))
    }
    renamed = {
        (names.get(holder, holder), meaning, holder not in names): term
        for (holder, meaning, _), term in ours.items()
    }
    return renamed, theirs


#: What a held layer has: the meanings of its weights, and how many params each.
Held = list[tuple[str, int]]


def _by_holder(terms: Mapping[Key, CountTerm]) -> dict[str, Held]:
    held: dict[str, Held] = {}
    for (holder, meaning, _), term in terms.items():
        held.setdefault(holder, []).append((meaning, term.params))
    return held


def _twins(ours: Sequence[Held], theirs: Sequence[Held]) -> Iterator[tuple[int, int]]:
    """Pair held layers in order: those with the same weights first, then those of one kind."""
    free = {*range(len(theirs))}
    pairs: dict[int, int] = {}
    ways: tuple[Callable[[Held, Held], bool], ...] = (eq, _of_one_kind, lambda _, __: True)
    for alike in ways:
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


def _of_one_kind(one: Held, other: Held) -> bool:
    return [meaning for meaning, _ in one] == [meaning for meaning, _ in other]


def _named(keys: Sequence[Key]) -> str:
    """Return `kernel and bias`, or `kernel and bias of `query`` for each layer that is held."""
    held: dict[str, list[str]] = {}
    for holder, meaning, _ in keys:
        held.setdefault(holder, []).append(meaning)
    return _joined(
        [_joined(names) + (f" of `{holder}`" if holder else "") for holder, names in held.items()]
    )


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _cause(
    ours: Sequence[Factor], theirs: Sequence[Factor], arguments: Mapping[str, object]
) -> str:
    """Say which numbers of a product differ: `units 16 → 20`, and whether an argument says so."""
    mine, other = _numbers(ours), _numbers(theirs)
    told = []
    for of in mine:
        if of not in other or mine[of] == other[of]:
            continue
        name = next((n for n in _ARGUMENTS.get(of, ()) if n in arguments), of)
        told.append(f"{name} {mine[of]} → {other[of]}")
    return ", ".join(told)


def _numbers(factors: Sequence[Factor]) -> dict[str, str]:
    """Return the numbers by what they count; several of one kind as `3×3`."""
    found: dict[str, list[int]] = {}
    for factor in factors:
        found.setdefault(factor.of, []).append(factor.size)
    return {
        of: f"{sizes[0]:,}" if len(set(sizes)) == 1 and of == "units" else "×".join(map(str, sizes))
        for of, sizes in found.items()
    }
