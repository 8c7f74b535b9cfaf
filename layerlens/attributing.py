"""Two models lined up enter, the difference of their counts leaves, weight by weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from layerlens.report import CountTerm, Factor, LayerChange, LayerRow, ModelReport, ParamsGap

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
    gaps = _gaps(ours, theirs, row)
    rest = theirs.params - ours.params - sum(gap.params for gap in gaps)
    if rest:
        gaps.append(_Gap(rest, ["weights"], ""))
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


@dataclass
class _Gap:
    """Terms of a layer that differ for one cause."""

    params: int
    meanings: list[str]
    cause: str

    def to_row(self, row: LayerChange, ours: LayerRow, theirs: LayerRow) -> ParamsGap:
        what = " and ".join(filter(None, [", ".join(self.meanings[:-1]), self.meanings[-1]]))
        name = f"`{theirs.name}`"
        if ours.name != theirs.name:
            name += f" (in place of `{ours.name}`)"
        cause = f" ({self.cause})" if self.cause else ""
        text = f"{self.params:+,}: {what} of {name}{cause}"
        return ParamsGap(self.params, text, row.reference, row.candidate)


def _gaps(ours: LayerRow, theirs: LayerRow, row: LayerChange) -> list[_Gap]:
    """Return what differs term by term, terms with one cause together."""
    mine, other = _terms(ours), _terms(theirs)
    arguments = {change.name.rsplit(".", 1)[-1]: change for change in row.arguments}
    found: dict[str, _Gap] = {}
    for key in dict.fromkeys((*mine, *other)):
        one, two = mine.get(key), other.get(key)
        params = (two.params if two else 0) - (one.params if one else 0)
        if (one is None) != (two is None):
            present = one or two
            cause = present.because or "" if present is not None else ""
        elif one is not None and two is not None and one.factors != two.factors:
            cause = _cause(one.factors, two.factors, arguments)
        else:
            continue
        if not params and one is not None and two is not None and not cause:
            continue
        # What is there in one model alone is not the same as what is larger in it.
        gap = found.setdefault(f"{cause}|{one is None}|{two is None}", _Gap(0, [], cause))
        gap.params += params
        gap.meanings.append(_named(key))
    return list(found.values())


Key = tuple[str, str]


def _terms(layer: LayerRow) -> dict[Key, CountTerm]:
    """Return a layer's terms by what they mean; the one layer in a wrapper needs no name."""
    holders = {term.layer for term in layer.terms}
    terms: dict[Key, CountTerm] = {}
    for term in layer.terms:
        inner = term.layer.rsplit("/", 1)[-1] if term.layer and len(holders) > 1 else ""
        key = (inner, term.meaning)
        while key in terms:
            key = (f"{key[0]}'", term.meaning)
        terms[key] = term
    return terms


def _named(key: Key) -> str:
    holder, meaning = key
    return f"{meaning} of `{holder}`" if holder else meaning


def _cause(
    ours: Sequence[Factor], theirs: Sequence[Factor], arguments: Mapping[str, object]
) -> str:
    """Say which numbers of a product differ: `units 16 → 20`, and whether an argument says so."""
    mine, other = _numbers(ours), _numbers(theirs)
    told = []
    for of in dict.fromkeys((*mine, *other)):
        if mine.get(of) == other.get(of):
            continue
        name = next((n for n in _ARGUMENTS.get(of, ()) if n in arguments), of)
        told.append(f"{name} {mine.get(of, 'none')} → {other.get(of, 'none')}")
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
