"""The facts below a pair's verdict, as labelled lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from layerlens.render.wording import (
    clean,
    count,
    distinct_values,
    figure,
    mixes_note,
    one_line,
    shapes_text,
    value,
    walk_layers,
)

if TYPE_CHECKING:
    from layerlens.report.pairs import (
        Counterexample,
        PairReport,
        ProbeRow,
        SavedWeights,
        StepsDifference,
    )
    from layerlens.report.run import ScenarioReport

#: Inputs of more values are shown by their non-zero entries.
INPUT_VALUES_SHOWN = 48
#: An input of zeros of more values than this is not written in full.
FEW_VALUES = 12
#: The most non-zero entries listed; the others are only counted.
INPUT_ENTRIES_SHOWN = 16
PROBES_SHOWN = 3
#: Ways of pairing weights out of their order; up to so many pairs are listed then.
OUT_OF_ORDER, WEIGHTS_SHOWN = ("call_order", "mapping"), 12
WEIGHTS_SHOWN = 5
#: The ratio of graph sizes from which they are shown.
MUCH_LARGER = 1.5


class Fact(NamedTuple):
    """One fact about a pair: a label and one line or several."""

    label: str
    lines: tuple[str, ...]


def differences(pair: PairReport) -> tuple[str, ...]:
    """Return the greatest differences and the number of mismatched values, if measured."""
    if pair.max_abs == 0 and pair.compared and not pair.mismatched:
        return (f"none: all {count(pair.compared)} values agree exactly",)
    greatest = [
        f"{name} {figure(number)}"
        for name, number in (
            ("max abs", pair.max_abs),
            ("max rel", pair.max_rel),
            ("max ULP", pair.max_ulp),
        )
        if number is not None
    ]
    lines = [" · ".join(greatest)] if greatest else []
    if pair.compared is not None:
        lines.append(f"{count(pair.mismatched)} of {count(pair.compared)} values mismatched")
    return tuple(lines)


def rounding(pair: PairReport) -> str | None:
    """Return how much of a difference is rounding; None without a difference."""
    if pair.rounding is None or pair.max_abs == 0:
        return None
    parts = []
    if pair.rounding.expected is not None:
        parts.append(f"explains up to {figure(pair.rounding.expected)}")
    if pair.rounding.float64_max_abs is not None:
        parts.append(f"in float64 the difference is {figure(pair.rounding.float64_max_abs)}")
    return "; ".join(parts) or None


def pair_facts(scenario: ScenarioReport, pair: PairReport, *, verbose: bool) -> list[Fact]:
    """Return the facts that apply to a pair, in display order."""
    facts = [
        Fact("difference", differences(pair)),
        Fact("rounding", _optional(rounding(pair))),
        Fact("padding", _masked(pair)),
        Fact("graph", _optional(_graph(scenario, pair))),
        Fact("initial weights", _optional(_initialization(pair))),
        Fact("certificate", _optional(_certificate(pair))),
        Fact("not proved", _optional(pair.unproved and clean(pair.unproved))),
        Fact("effort", _optional(_effort(pair, verbose=verbose))),
        Fact("counterexample", tuple(_counterexample(pair.counterexample))),
        Fact("diverges at", _optional(_first_divergence(pair))),
        Fact("steps", _mixes(scenario, pair)),
        Fact("weights", tuple(_transfer(scenario, pair, verbose=verbose))),
        Fact("saved weights", tuple(_saved_weights(pair.saved_weights, verbose=verbose))),
        Fact("probes", tuple(_probes(pair.probes, verbose=verbose))),
        Fact("also differs", _optional(", ".join(pair.also_differs))),
        Fact("unseen", _optional(", ".join(clean(path) for path in pair.unseen))),
        Fact("no influence", _optional(", ".join(map(clean, pair.without_influence)))),
        Fact("in short", tuple(map(clean, pair.why)) if verbose else ()),
    ]
    return [fact for fact in facts if fact.lines]


def _effort(pair: PairReport, *, verbose: bool) -> str | None:
    """Return what was spent on a pair; None where it goes without saying."""
    spent = pair.effort
    if spent is None or not (verbose or (spent.plan == "few_probes" and pair.strength)):
        return None
    plan = {
        "proof": "a proof, confirmed",
        "layer_by_layer": "layer by layer",
        "few_probes": "few probes",
        "recording": "the probes of a recording",
        "exported": "the probes of one model",
        "all_probes": "all probes",
    }[spent.plan]
    more = "" if verbose or spent.level == "thorough" else "; --effort thorough runs all probes"
    return (
        f"{spent.level}: {plan} in {count(spent.runs)} runs on {count(spent.samples)} samples{more}"
    )


def _masked(pair: PairReport) -> tuple[str, ...]:
    """Return the differences at valid and at padded steps."""
    if (masked := pair.masked) is None:
        return ()
    note = f"according to the mask of {clean(masked.layer)} in {one_line(masked.model)}"
    return (
        f"valid steps: {_steps(masked.valid)}",
        f"padded steps: {_steps(masked.padded)}",
        note,
    )


def _steps(found: StepsDifference) -> str:
    if not found.compared:
        return "none were compared"
    if found.max_abs == 0:
        return f"all {count(found.compared)} values agree exactly"
    return (
        f"max abs {figure(found.max_abs)}, "
        f"{count(found.mismatched)} of {count(found.compared)} values mismatched"
    )


def _graph(scenario: ScenarioReport, pair: PairReport) -> str | None:
    """Return the sizes of both graphs if one is much larger for the same result; else None."""
    sizes = {model.name: model.graph_ops for model in scenario.models}
    ops, other_ops = sizes.get(pair.reference), sizes.get(pair.candidate)
    if not ops or not other_ops or pair.verdict != "equivalent":
        return None
    larger = max(ops, other_ops) / min(ops, other_ops)
    if larger < MUCH_LARGER:
        return None
    name = one_line(pair.reference if ops > other_ops else pair.candidate)
    return (
        f"{name} computes this through a graph of {count(max(ops, other_ops))} operations, "
        f"{larger:.1f} times as many as {count(min(ops, other_ops))}"
    )


def _optional(line: str | None) -> tuple[str, ...]:
    return (line,) if line else ()


def _initialization(pair: PairReport) -> str | None:
    if not pair.only_at_initialization:
        return None
    return "equal on the initial weights, different on others"


def _certificate(pair: PairReport) -> str | None:
    if (certificate := pair.certificate) is None:
        return None
    if not certificate.draws:
        return clean(certificate.segment.removeprefix("none: "))
    if certificate.method == "graph":
        primes = f"{count(certificate.draws)} primes"
        text = f"{clean(certificate.segment)}, equal in exact arithmetic modulo {primes}"
        chance = f"chance of error at most {figure(certificate.error_bound)}"
        return "; ".join([text, chance, *map(clean, certificate.assumptions)])
    draws = f"{count(certificate.draws)} draw{'' if certificate.draws == 1 else 's'}"
    return (
        f"{clean(certificate.segment)}: polynomials of degree {count(certificate.degree)}, "
        f"equal bit for bit on {draws}; chance of error at most {figure(certificate.error_bound)}"
    )


def _first_divergence(pair: PairReport) -> str | None:
    if (first := pair.first_divergence) is None:
        return None
    differing = "" if first.max_abs is None else f": differ by {figure(first.max_abs)}"
    names = [
        "nothing" if name is None else clean(name)
        for name in (first.reference_layer, first.candidate_layer)
    ]
    return f"{' against '.join(names)}{differing}"


def _mixes(scenario: ScenarioReport, pair: PairReport) -> tuple[str, ...]:
    """Return how each model mixes steps, if that was measured and differs."""
    models = {model.name: model for model in scenario.models}
    both = [models[name] for name in (pair.reference, pair.candidate) if name in models]
    kinds_of_mixing = {(model.mixes, model.window) for model in both}
    if any(model.mixes is None for model in both) or len(kinds_of_mixing) < 2:
        return ()
    return tuple(f"{one_line(model.name)} {mixes_note(model)}" for model in both)


def _probes(probes: Sequence[ProbeRow], *, verbose: bool) -> Iterator[str]:
    """Yield the probes, the greatest difference first, and those without a difference together."""
    if not probes:
        return
    groups = _by_outcome(probes)
    differing = [group for group in groups if group[0].max_abs != 0]
    agreed = [group for group in groups if group[0].max_abs == 0]
    if not verbose and not differing:
        yield f"{count(len(probes))} run, no difference on any"
        return
    shown = differing if verbose else differing[:PROBES_SHOWN]
    noun = "difference" if len(shown) == 1 else "differences"
    yield (
        f"{count(len(probes))} run; the greatest {noun}:"
        if differing
        else f"{count(len(probes))} run"
    )
    for group in shown:
        first = group[0]
        figures = f"{figure(first.max_abs)} abs, {figure(first.max_rel)} rel"
        yield f"  {figures}: {clean(first.name)}, {_executions(group)}"
    if verbose:
        for executions, names in _by_executions(agreed).items():
            yield f"  no difference, {executions}: {', '.join(names)}"


def _by_outcome(probes: Sequence[ProbeRow]) -> list[list[ProbeRow]]:
    """Return the probes grouped by name and differences, the greatest difference first."""
    groups: dict[tuple[str, str, str], list[ProbeRow]] = {}
    for probe in probes:
        key = probe.name, repr(probe.max_abs), repr(probe.max_rel)
        groups.setdefault(key, []).append(probe)
    return sorted(groups.values(), key=lambda group: _badness(group[0]), reverse=True)


def _by_executions(groups: Sequence[Sequence[ProbeRow]]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for group in groups:
        names.setdefault(_executions(group), []).append(clean(group[0].name))
    return names


def _executions(probes: Sequence[ProbeRow]) -> str:
    return ", ".join(probe.execution.replace("_", " ") for probe in probes)


def _badness(probe: ProbeRow) -> float:
    if probe.max_abs is None:
        return -1.0
    return math.inf if math.isnan(probe.max_abs) else probe.max_abs


def _transfer(scenario: ScenarioReport, pair: PairReport, *, verbose: bool) -> Iterator[str]:
    transfer = pair.transfer
    if transfer is None:
        return
    shapes = {name: _weight_shapes(scenario, name) for name in (pair.reference, pair.candidate)}
    if not transfer.pairs and not transfer.unmatched:
        is_exported = pair.effort is not None and pair.effort.plan == "exported"
        yield "each model's own" if is_exported else "none to carry over"
        return
    if transfer.method == "by_value":
        yield f"each model's own, then others ({count(len(transfer.pairs))} found in the file)"
        if verbose:
            yield from (
                f"  {_weight(one, None)} → {_weight(other, None)}" for one, other in transfer.pairs
            )
        return
    yield f"{count(len(transfer.pairs))} carried over, {transfer.method.replace('_', ' ')}"
    is_listed = verbose or (
        transfer.method in OUT_OF_ORDER and len(transfer.pairs) <= WEIGHTS_SHOWN
    )
    for (source, target), change in zip_longest(transfer.pairs, transfer.changes):
        before = shapes[pair.reference].get(source)
        after = shapes[pair.candidate].get(target)
        if is_listed or before != after or change:
            by = f" by {one_line(change)}" if change else ""
            yield f"  {_weight(source, before)} → {_weight(target, after)}{by}"
    for name, carried in (
        (pair.reference, {source for source, _ in transfer.pairs}),
        (pair.candidate, {target for _, target in transfer.pairs}),
    ):
        left = [
            _weight(path, shape)
            for path, shape in shapes[name].items()
            if path in transfer.unmatched and path not in carried
        ]
        if left:
            yield f"left over in {one_line(name)}: {', '.join(left)}"
    known = {path for names in shapes.values() for path in names}
    if unknown := [clean(path) for path in transfer.unmatched if path not in known]:
        yield f"left over: {', '.join(unknown)}"


def _saved_weights(saved: SavedWeights | None, *, verbose: bool) -> Iterator[str]:
    """Yield the saved weights that differ, in the order of the reference."""
    if saved is None or not saved.compared:
        return
    if not saved.differing:
        yield f"all {count(saved.compared)} are equal"
        return
    yield f"{count(len(saved.differing))} of {count(saved.compared)} differ"
    shown = saved.differing if verbose else saved.differing[:WEIGHTS_SHOWN]
    for one in shown:
        other = "" if one.candidate == one.reference else f" against {clean(one.candidate)}"
        yield (
            f"  {clean(one.reference)}{other}: {count(one.mismatched)} of {count(one.compared)} "
            f"values, max abs {figure(one.max_abs)}, max rel {figure(one.max_rel)}"
        )
    if (rest := len(saved.differing) - len(shown)) > 0:
        yield f"  and {count(rest)} more; --verbose shows all"


def _weight(path: str, shape: Any) -> str:
    return clean(path) if shape is None else f"{clean(path)} {shapes_text(shape)}"


def _weight_shapes(scenario: ScenarioReport, name: str) -> dict[str, Any]:
    return {
        weight.path: weight.shape
        for model in scenario.models
        if model.name == name
        for _, layer in walk_layers(model.layers)
        for weight in layer.weights
    }


def _counterexample(found: Counterexample | None) -> Iterator[str]:
    if found is None:
        return
    reference, candidate = distinct_values(found.reference, found.candidate)
    execution = found.execution.replace("_", " ")
    index = shapes_text(found.index)
    start = "simplified from probe" if found.simplified else "probe"
    yield f"{start} {clean(found.probe)}, {execution}; first difference at output index {index}"
    yield f"  reference {reference}"
    yield f"  candidate {candidate}"
    if isinstance(found.input, Mapping):
        for name, array in found.input.items():
            yield from _input_lines(f"input {clean(name)}", array)
    elif found.input is not None:
        yield from _input_lines("input", found.input)


def _input_lines(label: str, array: Any) -> Iterator[str]:
    shape = nested_shape(array)
    numbers = list(entries(array))
    if len(numbers) > FEW_VALUES and not any(number != 0 for _, number in numbers):
        yield f"  {label} {shapes_text(shape)}, all zeros"
        return
    if len(numbers) <= INPUT_VALUES_SHOWN:
        yield f"  {label} {shapes_text(shape)} = {nested_text(array)}"
        return
    marked = [(index, number) for index, number in numbers if number != 0]
    yield f"  {label} {shapes_text(shape)}, {count(len(marked))} of {count(len(numbers))} not zero:"
    shown = [
        f"[{', '.join(map(str, index))}] {value(number)}"
        for index, number in marked[:INPUT_ENTRIES_SHOWN]
    ]
    if (rest := len(marked) - INPUT_ENTRIES_SHOWN) > 0:
        shown.append(f"and {count(rest)} more; the JSON report has all of them")
    yield f"    {'; '.join(shown)}"


def nested_shape(array: Any) -> tuple[int, ...]:
    """Return the shape of nested lists."""
    shape = []
    while isinstance(array, (list, tuple)):
        shape.append(len(array))
        if not array:
            break
        array = array[0]
    return tuple(shape)


def entries(array: Any, index: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield each value in nested lists with its index."""
    if isinstance(array, (list, tuple)):
        for position, part in enumerate(array):
            yield from entries(part, (*index, position))
    else:
        yield index, array


def nested_text(array: Any) -> str:
    """Return nested lists as text, each value with the digits that identify it."""
    if isinstance(array, (list, tuple)):
        return "[" + ", ".join(nested_text(part) for part in array) + "]"
    return value(array)
