"""Check that `set_weights` assigns each weight of a model to its counterpart in another."""

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

#: Layers whose output does not depend on the order of their inputs.
_COMMUTATIVE = frozenset({"Add", "Average", "Maximum", "Minimum", "Multiply"})
#: How many edges away a layer's neighbours distinguish it from other layers.
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class _Weight:
    """A weight, and what identifies its counterpart in another model."""

    row: WeightRow
    #: The last name on its path that is not automatic, its own name, and the number of earlier
    #: weights with both; None where all names are automatic.
    name: tuple[str, str, int] | None
    #: The label of its layer in the graph, and its index in the layer.
    role: Hashable


def layout_rows(reference: Built, candidate: Built) -> Iterator[ExpectationRow]:
    """Yield a row for the number of weights, and one for each pair in the order of `get_weights`.

    A pair does not hold where the shapes or kinds (`kernel`, `bias`) differ, or the weights belong
    to different layers. Layers are identified by their names, and automatically named ones by their
    place in the graph, since automatic names only count the layers made.
    """
    ours, theirs = _weights(reference), _weights(candidate)
    subject = f"{candidate.spec.name}.weights"
    yield ExpectationRow(subject, len(ours), len(theirs), len(ours) == len(theirs))
    swapped = _swapped(ours, theirs)
    for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        same = one.row.shape == other.row.shape and place not in swapped
        yield ExpectationRow(
            f"{subject}[{place}]", _described(one.row), _described(other.row), same
        )


def _swapped(ours: Sequence[_Weight], theirs: Sequence[_Weight]) -> frozenset[int]:
    """Return the indices of weights whose counterpart has another index."""
    kinds = [[weight.row.path.rsplit("/", 1)[-1] for weight in side] for side in (ours, theirs)]
    crossed = kinds[0] != kinds[1] and sorted(kinds[0]) == sorted(kinds[1])
    names = [_unique([weight.name for weight in side]) for side in (ours, theirs)]
    roles = [_unique([weight.role for weight in side]) for side in (ours, theirs)]
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


def _unique(values: Sequence[Hashable | None]) -> frozenset[Hashable]:
    """Return the values that occur once."""
    counts = Counter(values)
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
    """Return the last layer on a weight's path whose name is not automatic."""
    for part in reversed(path.split("/")[:-1]):
        if re.sub(r"_\d+$", "", part) not in automatic:
            return part
    return None


def _labels(rows: Sequence[LayerRow]) -> list[Hashable]:
    """Return a label for each layer; equal labels are equal layers at one place in the graph.

    The first label is the layer's type and arguments. Each round combines it with the labels of the
    layers before and after it (a Weisfeiler-Leman refinement).
    """
    place_of: dict[str, int] = {}
    uses: Counter[str] = Counter()
    inputs: dict[str, int] = {}
    sources: list[list[tuple[int, str]]] = []
    for place, row in enumerate(rows):
        edges = []
        for source in row.inputs:
            base, bracket, output = source.partition("[")
            number = place_of.get(base)
            if number is None:
                number = -1 - inputs.setdefault(base, len(inputs))
            edges.append((number, bracket + output))
        sources.append(edges)
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
    """Return the names that Keras gives to layers and models, without the number."""
    kinds = (*layer_names(), "Functional", "Sequential", "Model")
    return frozenset(map(_snake, kinds))


def _snake(kind: str) -> str:
    """Return the automatic name that Keras makes from a class name."""
    split = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", split).lower()


def _described(weight: WeightRow) -> str:
    return f"{weight.path} {list(weight.shape)}"
