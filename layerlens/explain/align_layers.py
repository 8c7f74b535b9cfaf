"""Align the layers of two models: the same, changed, or in one model only.

Chains keep their order. In graphs, layers are matched by their class, arguments and shapes and by
the layers they are applied to, so the order and the names of branches do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from layerlens.explain.open_nested import open_nested
from layerlens.explain.param_gaps import params_gaps
from layerlens.explain.sequences import opcodes
from layerlens.report.diffs import ArgumentChange, LayerChange, ModelsDiff
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.vocabulary import Aspect, Change

Pairing = tuple[int | None, int | None]
Layers = Sequence[LayerRow]
#: The candidate's layer for each matched layer of the reference, and the other way round.
Matches = tuple[Mapping[int, int], Mapping[int, int]]

#: Above this number of possible pairs, layers that are not equal are paired in order.
_MOST_PAIRS_IN_CHAIN = 40_000
_MOST_PAIRS_IN_GRAPH = 4_000
#: Scores for a pair of layers. Any pair scores a little, so that a layer shares a row with the
#: layer that replaces it.
_ANY, _SAME_TYPE, _SAME_SHAPE, _SAME_NAME, _SAME_PARAMS, _HELD = 1, 6, 6, 5, 8, 3
_SAME_ARGUMENTS = 4
#: In a graph: the score for each pair of matched neighbours, and the least score of a match.
_SAME_NEIGHBOUR, _LEAST_IN_GRAPH = 4, 8


def align_layers(reference: ModelReport, candidate: ModelReport) -> ModelsDiff:
    """Align the layers of two models and attribute the difference of their counts of params.

    A model that Keras refused is aligned as far as it was built. A nested model is one layer; its
    params are attributed to the layers inside it.
    """
    rows = _aligned(reference, candidate)
    if (opened := open_nested(reference, candidate)) is not None:
        gaps = params_gaps(*opened, _aligned(*opened))
    else:
        gaps = params_gaps(reference, candidate, rows)
    return ModelsDiff(reference.name, candidate.name, rows, gaps)


def _aligned(reference: ModelReport, candidate: ModelReport) -> tuple[LayerChange, ...]:
    ours, theirs = _Side.of(reference), _Side.of(candidate)
    if ours.is_chain and theirs.is_chain:
        pairing = _pair_chains(ours.layers, theirs.layers)
    else:
        pairing = _in_reading_order(_pair_graphs(ours, theirs), ours, theirs)
    matches = {a: b for a, b in pairing if a is not None and b is not None}
    known = matches, {b: a for a, b in matches.items()}
    return tuple(_row(ours, theirs, a, b, known) for a, b in pairing)


def align_with_reference(
    models: Sequence[ModelReport], reference: str | None = None
) -> tuple[ModelsDiff, ...]:
    """Align every model with the reference, or with the first model if none is named."""
    if len(models) < 2:
        return ()
    first = next((model for model in models if model.name == reference), models[0])
    return tuple(align_layers(first, model) for model in models if model is not first)


@dataclass(frozen=True)
class _Side:
    """One model's layers, and where each layer takes its inputs from."""

    layers: Layers
    #: For each layer, its inputs: the place of the layer that gives it (below 0 for an input of
    #: the model), and the index of the output in brackets, if there are several.
    sources: tuple[tuple[tuple[int, str], ...], ...]

    @classmethod
    def of(cls, model: ModelReport) -> _Side:
        last: dict[str, int] = {}
        uses: dict[str, int] = {}
        inputs: dict[str, int] = {}
        sources = []
        for place, layer in enumerate(model.layers):
            found = []
            for name in layer.inputs:
                base, bracket, output = name.partition("[")
                if base not in last:
                    inputs.setdefault(base, -1 - len(inputs))
                found.append((last.get(base, inputs.get(base, -1)), bracket + output))
            sources.append(tuple(found))
            uses[layer.name] = uses.get(layer.name, 0) + 1
            again = uses[layer.name]
            last[layer.name if again == 1 else f"{layer.name}#{again}"] = place
        return cls(model.layers, tuple(sources))

    @property
    def is_chain(self) -> bool:
        return all(given in ((), ((place - 1, ""),)) for place, given in enumerate(self.sources))

    def consumers(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for place, given in enumerate(self.sources):
            for source, _ in given:
                found.setdefault(source, []).append(place)
        return found


# --- rows -----------------------------------------------------------------------------------------


def _row(ours: _Side, theirs: _Side, a: int | None, b: int | None, matches: Matches) -> LayerChange:
    one = ours.layers[a] if a is not None else None
    other = theirs.layers[b] if b is not None else None
    if one is None or other is None or a is None or b is None:
        change: Change = "only_candidate" if one is None else "only_reference"
        return LayerChange(change, one.name if one else None, other.name if other else None, a, b)
    differs = tuple(_aspects(one, other))
    if not _same_inputs(ours, theirs, a, b, matches):
        differs = (*differs, "inputs")
    arguments = tuple(_arguments(one, other)) if one.type == other.type else ()
    change = "changed" if differs else "same"
    return LayerChange(change, one.name, other.name, a, b, differs, arguments)


def _aspects(one: LayerRow, other: LayerRow) -> Iterator[Aspect]:
    if one.type != other.type:
        yield "type"
    elif one.arguments != other.arguments:
        yield "arguments"
    if one.input_shape != other.input_shape:
        yield "input_shape"
    if one.output_shape != other.output_shape:
        yield "output_shape"
    if one.params != other.params:
        yield "params"
    elif _shapes(one) != _shapes(other):
        yield "weights"  # the same number of params in weights of other shapes
    if (one.mask_in, one.mask_out) != (other.mask_in, other.mask_out):
        yield "mask"
    if None not in (one.mixes, other.mixes) and one.mixes != other.mixes:
        yield "mixes"


def _shapes(layer: LayerRow) -> list[tuple[int, ...]]:
    return [weight.shape for weight in layer.weights]


def _arguments(one: LayerRow, other: LayerRow) -> Iterator[ArgumentChange]:
    """Yield the arguments that differ.

    Those of a backward layer that mirror `layer`'s are left out, and those of an inner layer that
    is only on one side, or of another class there.
    """
    names = {**one.arguments, **other.arguments}
    changed = {
        name: (one.arguments.get(name), other.arguments.get(name))
        for name in names
        if one.arguments.get(name) != other.arguments.get(name)
    }
    for name, (ours, theirs) in changed.items():
        mirrored = name.replace("backward_layer", "layer", 1)
        holders = (name[:place] for place, char in enumerate(name) if char == ".")
        if any(holder in changed for holder in holders):
            continue
        if mirrored == name or changed.get(mirrored) != (ours, theirs):
            yield ArgumentChange(name, ours, theirs)


def _same_inputs(ours: _Side, theirs: _Side, a: int, b: int, known: Matches) -> bool:
    """Return whether two layers take their inputs from layers that match each other.

    A layer without a match is skipped if it has one input; its own row reports it.
    """
    matches, inverse = known
    mine = [_origin(ours, source, matches) for source in ours.sources[a]]
    other = [_origin(theirs, source, inverse) for source in theirs.sources[b]]
    if len(mine) != len(other):
        return False
    return all(
        x is None or y is None or ((matches.get(x[0], x[0] if x[0] < 0 else None)), x[1]) == y
        for x, y in zip(mine, other, strict=True)
    )


def _origin(
    side: _Side, source: tuple[int, str], known: Mapping[int, int]
) -> tuple[int, str] | None:
    """Follow a source back to a layer in `known` or an input; None if the way forks."""
    while source[0] >= 0 and source[0] not in known:
        given = side.sources[source[0]]
        if len(given) != 1:
            return None
        source = given[0]
    return source


# --- chains -----------------------------------------------------------------------------------


def _key(layer: LayerRow) -> tuple[str, str, int, str]:
    return layer.type, str(layer.output_shape), layer.params, str(layer.arguments)


def _pair_chains(reference: Layers, candidate: Layers) -> list[Pairing]:
    keys = [[_key(layer) for layer in layers] for layers in (reference, candidate)]
    pairs: list[Pairing] = []
    for kind, start, stop, other_start, other_stop in opcodes(*keys):
        ours, theirs = range(start, stop), range(other_start, other_stop)
        if kind == "equal" or len(ours) * len(theirs) > _MOST_PAIRS_IN_CHAIN:
            pairs += _in_order(ours, theirs)
        else:
            pairs += _by_likeness(reference, candidate, ours, theirs)
    return pairs


def _by_likeness(
    reference: Layers, candidate: Layers, ours: Sequence[int], theirs: Sequence[int]
) -> list[Pairing]:
    """Pair layers in order such that the sum of the likenesses of the pairs is greatest."""
    likeness = [[_likeness(reference[a], candidate[b]) for b in theirs] for a in ours]
    best = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for i in range(len(ours) - 1, -1, -1):
        for j in range(len(theirs) - 1, -1, -1):
            together = best[i + 1][j + 1] + likeness[i][j]
            best[i][j] = max(together, best[i + 1][j], best[i][j + 1])
    pairs: list[Pairing] = []
    i = j = 0
    while i < len(ours) and j < len(theirs):
        if best[i][j] == best[i + 1][j + 1] + likeness[i][j]:
            pairs.append((ours[i], theirs[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            pairs.append((ours[i], None))
            i += 1
        else:
            pairs.append((None, theirs[j]))
            j += 1
    return pairs + [(a, None) for a in ours[i:]] + [(None, b) for b in theirs[j:]]


def _in_order(ours: Sequence[int], theirs: Sequence[int]) -> list[Pairing]:
    shared = min(len(ours), len(theirs))
    pairs: list[Pairing] = list(zip(ours[:shared], theirs[:shared], strict=True))
    pairs += [(a, None) for a in ours[shared:]]
    return pairs + [(None, b) for b in theirs[shared:]]


def _likeness(one: LayerRow, other: LayerRow) -> int:
    likeness = _ANY
    likeness += _SAME_TYPE * (one.type == other.type)
    likeness += _SAME_SHAPE * bool(one.output_shape == other.output_shape)
    likeness += _SAME_NAME * (one.name == other.name)
    likeness += _SAME_PARAMS * (one.params > 0 and one.params == other.params)
    likeness += _SAME_ARGUMENTS * (one.type == other.type and one.arguments == other.arguments)
    return likeness + _HELD * (_holds(one, other.type) or _holds(other, one.type))


def _holds(wrapper: LayerRow, kind: str) -> bool:
    return any(held.type == kind for held in wrapper.holds)


# --- graphs -----------------------------------------------------------------------------------


def _pair_graphs(ours: _Side, theirs: _Side) -> dict[int, int]:
    """Match the layers that are the same from the inputs on, then by likeness and neighbours."""
    matches = _same_from_the_inputs(ours, theirs)
    free = [a for a in range(len(ours.layers)) if a not in matches]
    unmatched = set(range(len(theirs.layers))) - set(matches.values())
    if len(free) * len(unmatched) > _MOST_PAIRS_IN_GRAPH:
        return matches | dict(zip(free, sorted(unmatched), strict=False))
    consumers = ours.consumers(), theirs.consumers()
    likeness = {
        (a, b): _likeness(ours.layers[a], theirs.layers[b]) - _ANY for a in free for b in unmatched
    }
    while likeness:
        # Each match adds to the scores of its neighbours.
        (a, b), best = max(
            (
                (
                    pair,
                    score + _SAME_NEIGHBOUR * _neighbours(ours, theirs, consumers, pair, matches),
                )
                for pair, score in likeness.items()
            ),
            key=lambda entry: (entry[1], -abs(entry[0][0] - entry[0][1]), -entry[0][0]),
        )
        if best < _LEAST_IN_GRAPH:
            break
        matches[a] = b
        likeness = {pair: s for pair, s in likeness.items() if pair[0] != a and pair[1] != b}
    return matches


def _same_from_the_inputs(ours: _Side, theirs: _Side) -> dict[int, int]:
    """Match layers that are the same, and so are all the layers they are made from."""
    known: dict[object, int] = {}
    unmatched: dict[int, list[int]] = {}
    for place, number in enumerate(_subgraph_numbers(theirs, known)):
        unmatched.setdefault(number, []).append(place)
    matches = {}
    for place, number in enumerate(_subgraph_numbers(ours, known)):
        if unmatched.get(number):
            matches[place] = unmatched[number].pop(0)
    return matches


def _subgraph_numbers(side: _Side, known: dict[object, int]) -> list[int]:
    """Return a number per layer, equal for layers that are the same with all layers before them."""
    numbers: list[int] = []
    for layer, given in zip(side.layers, side.sources, strict=True):
        before = tuple((numbers[n] if n >= 0 else n, output) for n, output in given)
        numbers.append(known.setdefault((_key(layer), before), len(known)))
    return numbers


def _neighbours(
    ours: _Side,
    theirs: _Side,
    consumers: tuple[Mapping[int, Sequence[int]], Mapping[int, Sequence[int]]],
    pair: tuple[int, int],
    matches: Mapping[int, int],
) -> int:
    """Return how many inputs and consumers of two layers match each other."""
    a, b = pair
    fed = {n for n, _ in theirs.sources[b]}
    mine = [matches.get(n, n if n < 0 else None) for n, _ in ours.sources[a]]
    before = sum(n in fed for n in mine if n is not None)
    used_by = consumers[1].get(b, ())
    after = sum(matches[n] in used_by for n in consumers[0].get(a, ()) if n in matches)
    return before + after


def _in_reading_order(matches: Mapping[int, int], ours: _Side, theirs: _Side) -> list[Pairing]:
    """Return the pairs in the reference's order, each extra layer of the candidate in its place."""
    inverse = {b: a for a, b in matches.items()}
    extras: dict[int, list[int]] = {}
    place = -1
    for b in range(len(theirs.layers)):
        if b in inverse:
            place = max(place, inverse[b])
        else:
            extras.setdefault(place, []).append(b)
    pairs: list[Pairing] = [(None, b) for b in extras.get(-1, ())]
    for a in range(len(ours.layers)):
        pairs.append((a, matches.get(a)))
        pairs += [(None, b) for b in extras.get(a, ())]
    return pairs
