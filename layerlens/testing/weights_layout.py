"""Whether `set_weights` puts each weight of one model where it belongs in another."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from layerlens.models.build.request import Built
from layerlens.report.layers import LayerRow, WeightRow
from layerlens.report.run import ExpectationRow
from layerlens.scenario.keras_catalog import layer_names

#: These take their inputs in any order.
_COMMUTATIVE = frozenset({"Add", "Average", "Maximum", "Minimum", "Multiply"})
#: So many steps away a layer's surroundings tell it from others.
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class _Weight:
    """A weight in the order of `get_weights`, and what it is known by in another model."""

    row: WeightRow
    #: The last name on its path that somebody gave, the weight's own, and how many such before it.
    name: tuple[str, str, int] | None
    #: The place of its layer in the graph, and its number in the layer.
    role: Hashable


def layout_rows(reference: Built, candidate: Built) -> Iterator[ExpectationRow]:
    """Yield how many weights there are, and each of them against the one in its place.

    A weight is out of place where another shape stands, or another kind of weight, or the weight of
    another layer: one of another name, as far as names were given; of layers with automatic names,
    which only count what was made, one at another place in the graph.
    """
    ours, theirs = _weights(reference), _weights(candidate)
    subject = f"{candidate.spec.name}.weights"
    yield ExpectationRow(subject, len(ours), len(theirs), len(ours) == len(theirs))
    swapped = _swapped(ours, theirs)
    for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        same = one.row.shape == other.row.shape and place not in swapped
        yield ExpectationRow(f"{subject}[{place}]", _told(one.row), _told(other.row), same)


def _swapped(ours: Sequence[_Weight], theirs: Sequence[_Weight]) -> frozenset[int]:
    """Return the places at which a weight stands whose counterpart stands elsewhere."""
    kinds = [[weight.row.path.rsplit("/", 1)[-1] for weight in side] for side in (ours, theirs)]
    crossed = kinds[0] != kinds[1] and sorted(kinds[0]) == sorted(kinds[1])
    names = [_places([weight.name for weight in side]) for side in (ours, theirs)]
    roles = [_places([weight.role for weight in side]) for side in (ours, theirs)]
    found = set()
    for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if crossed and kinds[0][place] != kinds[1][place]:
            found.add(place)
        elif one.name is not None or other.name is not None:
            if one.name != other.name and (one.name in names[1] or other.name in names[0]):
                found.add(place)
        elif one.role != other.role and (one.role in roles[1] or other.role in roles[0]):
            found.add(place)
    return frozenset(found)


def _places(known: Sequence[Hashable | None]) -> frozenset[Hashable]:
    """Return what only one weight of a model is known by."""
    counts = Counter(known)
    return frozenset(item for item, count in counts.items() if count == 1 and item is not None)


def _weights(built: Built) -> list[_Weight]:
    layers = {layer.name: layer for layer in built.model.layers}
    labels = _labels(built.report.layers)
    roles: dict[int, Hashable] = {}
    for row, label in zip(built.report.layers, labels, strict=True):
        layer = layers.get(row.name)
        for number, variable in enumerate(layer.weights if layer is not None else ()):
            roles.setdefault(id(variable), (label, number))
    automatic = {*_automatic(), *(_snake(kind) for kind in _types(built.report.layers))}
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for variable in built.model.weights:
        path = str(variable.path)
        given = _given_name(path, automatic)
        name = None
        if given is not None:
            end = (given, path.rsplit("/", 1)[-1])
            name = (*end, seen[end])
            seen[end] += 1
        shape = tuple(int(n) for n in variable.shape)
        found.append(_Weight(WeightRow(path, shape, 0), name, roles.get(id(variable), path)))
    return found


def _given_name(path: str, automatic: set[str]) -> str | None:
    """Return the last layer on a weight's path that was named by somebody."""
    for part in reversed(path.split("/")[:-1]):
        if re.sub(r"_\d+$", "", part) not in automatic:
            return part
    return None


def _labels(rows: Sequence[LayerRow]) -> list[Hashable]:
    """Return what is equal for layers of one kind and configuration at one place in the graph."""
    place_of: dict[str, int] = {}
    uses: Counter[str] = Counter()
    inputs: dict[str, int] = {}
    sources: list[list[tuple[int, str]]] = []
    for place, row in enumerate(rows):
        given = []
        for source in row.inputs:
            base, bracket, output = source.partition("[")
            number = place_of.get(base)
            if number is None:
                number = -1 - inputs.setdefault(base, len(inputs))
            given.append((number, bracket + output))
        sources.append(given)
        uses[row.name] += 1
        again = uses[row.name]
        place_of[row.name if again == 1 else f"{row.name}#{again}"] = place
    labels: list[Hashable] = [hash((row.type, repr(sorted(row.arguments.items())))) for row in rows]
    for _ in range(min(_ROUNDS, len(rows))):
        labels = _next_labels(rows, labels, sources)
    return labels


def _next_labels(
    rows: Sequence[LayerRow],
    labels: Sequence[Hashable],
    sources: Sequence[Sequence[tuple[int, str]]],
) -> list[Hashable]:
    before: list[list[Hashable]] = [[] for _ in rows]
    after: list[list[str]] = [[] for _ in rows]
    for place, given in enumerate(sources):
        ordered = rows[place].type not in _COMMUTATIVE
        for position, (source, output) in enumerate(given):
            own: Hashable = ("input", source) if source < 0 else labels[source]
            before[place].append((own, output))
            if source >= 0:
                after[source].append(repr((labels[place], position if ordered else 0, output)))
        if not ordered:
            before[place].sort(key=repr)
    return [
        hash((label, tuple(ahead), tuple(sorted(behind))))
        for label, ahead, behind in zip(labels, before, after, strict=True)
    ]


def _types(rows: Sequence[LayerRow]) -> Iterator[str]:
    for row in rows:
        yield row.type
        yield from _types(row.holds)


@cache
def _automatic() -> frozenset[str]:
    """Return the names that Keras gives to layers and models, without their numbers."""
    kinds = (*layer_names(), "Functional", "Sequential", "Model")
    return frozenset(map(_snake, kinds))


def _snake(kind: str) -> str:
    """Return a class name as Keras makes an automatic name of it."""
    split = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", split).lower()


def _told(weight: WeightRow) -> str:
    return f"{weight.path} {list(weight.shape)}"
