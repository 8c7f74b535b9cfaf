"""Choose the lengths to try on open axes, within limits of memory and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from layerlens.models.build.memory import free_memory
from layerlens.models.execute.receptive_field import (
    Axes,
    LayerSpan,
    ReceptiveField,
    whole_numbers_in,
)
from layerlens.models.inspect.nested_layers import with_nested

#: Lengths by axis of the input, the batch axis counted.
Lengths = Mapping[int, int]

#: What an axis is long that nothing looks far along, beside one that is tried at its length.
NEAR = 11
#: Steps beyond the receptive field: two outputs that have all of it behind them.
BEYOND = 2
#: The most scalars that all tensors of one model may hold for the samples of one call. A call of
#: both models in both precisions, and its noise, take about 15 times 8 bytes for each.
MOST_SCALARS = 16_000_000
_BYTES_PER_SCALAR = 15 * 8
#: Multiply-adds of one sample: some seconds on two cores. Where one takes more than a part of that,
#: fewer kinds of probes are tried.
MOST_PRODUCTS = 4_000_000_000
_PRODUCTS_FOR_ALL = 2_000_000_000
#: A value that a pool looks at takes as long as so many products.
_POOLED = 16
#: Steps that the recurrent layers of one model may go in one call: about a second in a graph.
MOST_LOOPS = 10_000
#: How many steps a layer may go one by one where it is called eagerly.
MOST_EAGER = 64
#: Kinds of probes at a far length: all of them where they are small together, at least some.
MOST_KINDS, _SOME_KINDS = 9, 3
_SCALARS_FOR_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one sample costs at some lengths, in the dearer of the models."""

    scalars: float
    products: float
    loops: float

    @property
    def samples(self) -> int:
        """How many samples of this cost fit into one call; 0 where none does."""
        most_scalars = MOST_SCALARS
        free = free_memory()
        if free is not None:
            most_scalars = min(most_scalars, free // (4 * _BYTES_PER_SCALAR))
        if self.loops > MOST_LOOPS or self.products > MOST_PRODUCTS:
            return 0
        return int(min(self.kinds, most_scalars / max(self.scalars, 1.0)))

    @property
    def kinds(self) -> int:
        """How many kinds of probes are affordable, each as one sample; at least one is."""
        by_size = max(_SOME_KINDS, _SCALARS_FOR_ALL / max(self.scalars, 1.0))
        by_time = _PRODUCTS_FOR_ALL / max(self.products, 1.0)
        return int(max(1, min(MOST_KINDS, by_size, by_time)))


@dataclass(frozen=True, slots=True)
class FarLengths:
    """Lengths to try beyond what the layers look across, and what can be tried there."""

    lengths: Lengths
    #: How many kinds of probes there may be, and how many samples at a time.
    kinds: int
    samples: int
    #: Whether a layer goes step by step, which takes long where it is called eagerly.
    is_stepwise: bool

    @property
    def longest(self) -> int:
        return max(self.lengths.values())


@dataclass(frozen=True, slots=True)
class FarLengthPlan:
    """What to try at far lengths.

    `shortfall` has, by axis, the steps that are looked across where trying so many, or so many
    along all of these axes at once, is not affordable.
    """

    tries: tuple[FarLengths, ...] = ()
    shortfall: Lengths = field(default_factory=dict)


def far_lengths(fields: Sequence[ReceptiveField], longest: int) -> FarLengthPlan:
    """Return the lengths beyond all that these models look across, if `longest` is not enough.

    Every axis at once where that is affordable; else one at a time, each as long as may be.
    """
    wanted: dict[int, int] = {}
    for seen in fields:
        for axis, span in seen.spans.items():
            wanted[axis] = max(wanted.get(axis, 0), span + BEYOND)
    far = {axis: length for axis, length in wanted.items() if length > longest}
    if not far:
        return FarLengthPlan()
    near = dict.fromkeys(wanted, NEAR)
    whole = _tried(fields, {**near, **far})
    if whole is not None:
        return FarLengthPlan((whole,))
    tries = []
    shortfall = {}
    for axis, length in far.items():
        found = next(
            (
                one
                for shorter in _halved(length, longest)
                if (one := _tried(fields, {**near, axis: shorter})) is not None
            ),
            None,
        )
        if found is None or found.lengths[axis] < length:
            shortfall[axis] = length - BEYOND
        if found is not None:
            tries.append(found)
    # Each axis was tried by itself, and no sample has all of them at their length.
    return FarLengthPlan(tuple(tries), shortfall or {axis: n - BEYOND for axis, n in far.items()})


def affordable(fields: Sequence[ReceptiveField], lengths: Lengths) -> bool:
    return _cost(fields, lengths).samples > 0


def fits(fields: Sequence[ReceptiveField], lengths: Lengths) -> bool:
    """Tell whether memory allows these lengths, whatever time all layers would take."""
    return _cost(fields, lengths).scalars <= MOST_SCALARS


def _tried(fields: Sequence[ReceptiveField], lengths: Lengths) -> FarLengths | None:
    cost = _cost(fields, lengths)
    if not cost.samples:
        return None
    return FarLengths(lengths, cost.kinds, cost.samples, any(map(is_stepwise, fields)))


def _halved(length: int, least: int) -> Iterator[int]:
    while length > least:
        yield length
        length = length * 3 // 4


def _cost(fields: Sequence[ReceptiveField], lengths: Lengths) -> Cost:
    costs = [_cost_of(one, lengths) for one in fields]
    return Cost(
        max(cost.scalars for cost in costs),
        max(cost.products for cost in costs),
        max(cost.loops for cost in costs),
    )


def _cost_of(one: ReceptiveField, lengths: Lengths) -> Cost:
    scalars, products, loops = float(prod(lengths.values())), 0.0, 0.0
    for row in one.layers:
        params = sum(prod(int(n) for n in w.shape) for w in getattr(row.layer, "weights", ()))
        for axes, shape in row.outputs:
            size = _size(axes, shape, lengths)
            channels = max(1, shape[-1] or 1) if shape else 1
            padding = sum(row.own.values()) * channels if _pads(row.layer) else 0
            scalars += size + padding + _scores(row, axes, lengths)
            products += params * (size + padding) / channels
            products += _POOLED * size * _window(row.layer, lengths)
        if any(hasattr(part, "return_sequences") for part in with_nested(row.layer)):
            loops += max((lengths[axis] for axis in row.total if axis in lengths), default=0)
    return Cost(scalars, products, loops)


def is_stepwise(one: ReceptiveField) -> bool:
    """Tell whether a layer of a model goes step by step through Python where called eagerly."""
    return any(goes_by_steps(row.layer) for row in one.layers)


def goes_by_steps(layer: Any) -> bool:
    """Tell whether a layer, or one it holds, calls another once for every step."""
    return any(
        type(part).__name__ == "TimeDistributed" or hasattr(part, "return_sequences")
        for part in with_nested(layer)
    )


def _size(axes: Axes, shape: Sequence[int | None], lengths: Lengths) -> float:
    size = 1.0
    for axis, known in zip(axes[1:], shape[1:], strict=True):
        size *= _length(axis, lengths) if known is None else known
    return size


def _length(axis: Any, lengths: Lengths) -> float:
    if axis is None:
        return float(max(lengths.values(), default=1))
    return float(max(lengths.get(source, 1) for source in axis.sources) / axis.jump + 1)


def _pads(layer: Any) -> bool:
    """Tell whether a layer puts as many zeros beside its input as it looks across."""
    return hasattr(layer, "kernel_size") or "Padding" in type(layer).__name__


def _window(layer: Any, lengths: Lengths) -> float:
    """Return over how many values a pool goes for each of its outputs."""
    pool = getattr(layer, "pool_size", None)
    longest = max(lengths.values(), default=1)
    return float(prod(min(n, longest) for n in whole_numbers_in(pool)))


def _scores(row: LayerSpan, axes: Axes, lengths: Lengths) -> float:
    """Return how many scores attention holds: of every query with every key."""
    name = type(row.layer).__name__
    if "Attention" not in name or len(axes) < 2:
        return 0.0
    queries = _length(axes[1], lengths)
    keys = max((lengths[axis] for axis in row.total if axis in lengths), default=1)
    heads = _number(row.layer, "num_heads", "num_query_heads") or 1
    if "Additive" in name:  # every query is added to every key before they are summed up
        heads = max((int(w.shape[-1]) for w in row.layer.weights), default=1)
    return 4.0 * heads * queries * keys


def _number(layer: Any, *names: str) -> int:
    found = (getattr(layer, name, getattr(layer, f"_{name}", None)) for name in names)
    return next((n for n in found if isinstance(n, int)), 0)
