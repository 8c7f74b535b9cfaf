"""Choose lengths to try on open axes, within limits of memory and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, prod
from typing import Any

from layerlens.models.backend.free_memory import free_memory
from layerlens.models.execute.receptive_field import (
    Axes,
    LayerSpan,
    ReceptiveField,
    whole_numbers_in,
)
from layerlens.models.inspect.nested_layers import with_nested

#: Lengths by axis of the input; the batch axis is 0.
Lengths = Mapping[int, int]

#: The length of the other open axes while one axis is tried at a far length.
NEAR = 11
#: Steps beyond the receptive field, so that two outputs see all of it.
BEYOND = 2
#: Four lengths in a row leave every remainder by a stride of at most this, in steps of the input.
SHORT_STRIDE = 4
#: The most scalars in all tensors of one model during one call. Calls of both models in both
#: precisions, and measuring their noise, take about 15 times 8 bytes for each.
MOST_SCALARS = 16_000_000
_BYTES_PER_SCALAR = 15 * 8
#: The most multiply-adds of one sample: some seconds on two cores. Above half as many, fewer kinds
#: of probes are tried.
MOST_PRODUCTS = 4_000_000_000
_PRODUCTS_FOR_ALL = 2_000_000_000
#: The cost of one value in a pool's window, in multiply-adds.
_POOLED = 16
#: The most steps of the recurrent layers of one model in one call: about a second in a graph.
MOST_LOOPS = 10_000
#: The most steps over which a layer may loop in an eager call.
MOST_EAGER = 64
#: The number of kinds of probes at a far length: at most, and at least while time allows.
MOST_KINDS, _SOME_KINDS = 9, 3
_SCALARS_FOR_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one sample at some lengths, in the more expensive model."""

    scalars: float
    products: float
    loops: float

    @property
    def samples(self) -> int:
        """The number of samples of this cost in one call; 0 if none is affordable."""
        most_scalars = MOST_SCALARS
        free = free_memory()
        if free is not None:
            most_scalars = min(most_scalars, free // (4 * _BYTES_PER_SCALAR))
        if self.loops > MOST_LOOPS or self.products > MOST_PRODUCTS:
            return 0
        return int(min(self.kinds, most_scalars / max(self.scalars, 1.0)))

    @property
    def kinds(self) -> int:
        """The number of affordable kinds of probes, one sample each; at least one."""
        by_size = max(_SOME_KINDS, _SCALARS_FOR_ALL / max(self.scalars, 1.0))
        by_time = _PRODUCTS_FOR_ALL / max(self.products, 1.0)
        return int(max(1, min(MOST_KINDS, by_size, by_time)))


@dataclass(frozen=True, slots=True)
class FarLengths:
    """Lengths beyond the receptive field, and the number of probes affordable there."""

    lengths: Lengths
    #: The number of kinds of probes, and of samples in one call.
    kinds: int
    samples: int
    #: Whether a layer loops over steps, which is slow in an eager call.
    is_stepwise: bool

    @property
    def longest(self) -> int:
        return max(self.lengths.values())


@dataclass(frozen=True, slots=True)
class FarLengthPlan:
    """The far lengths to try.

    `shortfall` has the receptive field by axis, for axes along which it is not affordable, alone or
    all at once.
    """

    tries: tuple[FarLengths, ...] = ()
    shortfall: Lengths = field(default_factory=dict)


def far_lengths(fields: Sequence[ReceptiveField], longest: int) -> FarLengthPlan:
    """Return lengths beyond the receptive fields of these models, if `longest` does not reach them.

    All axes at once if that is affordable; else one at a time, each as long as is affordable.
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
    # Each axis is tried alone, so no sample has all of them at their far length.
    return FarLengthPlan(tuple(tries), shortfall or {axis: n - BEYOND for axis, n in far.items()})


def length_beyond(fields: Sequence[ReceptiveField]) -> int:
    """Return a length beyond all that models look across."""
    return max(one.span for one in fields) + BEYOND


def steps_to_remainders(fields: Sequence[ReceptiveField]) -> tuple[int, ...]:
    """Return how much longer inputs are to be for each remainder by each stride.

    A layer that pads as `same` equals one that pads by a fixed width at all lengths that leave one
    remainder by its stride. One step there is as many steps of the input as all strides before it.
    """
    strides = frozenset[tuple[float, float]]().union(*(one.strides for one in fields))
    steps = {
        count * ceil(jump)
        for jump, stride in strides
        if jump * stride > SHORT_STRIDE
        for count in range(1, ceil(stride))
    }
    return tuple(sorted(steps))


def affordable(fields: Sequence[ReceptiveField], lengths: Lengths) -> bool:
    return _cost(fields, lengths).samples > 0


def fits(fields: Sequence[ReceptiveField], lengths: Lengths) -> bool:
    """Return whether memory allows these lengths, without regard to time."""
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
    """Return whether a layer of a model loops over steps in Python when called eagerly."""
    return any(goes_by_steps(row.layer) for row in one.layers)


def goes_by_steps(layer: Any) -> bool:
    """Return whether a layer, or an inner one, calls another layer once per step."""
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
    """Return whether a layer may pad its input by the size of its window."""
    return hasattr(layer, "kernel_size") or "Padding" in type(layer).__name__


def _window(layer: Any, lengths: Lengths) -> float:
    """Return the number of values in a pool's window."""
    pool = getattr(layer, "pool_size", None)
    longest = max(lengths.values(), default=1)
    return float(prod(min(n, longest) for n in whole_numbers_in(pool)))


def _scores(row: LayerSpan, axes: Axes, lengths: Lengths) -> float:
    """Return the number of attention scores, of every query with every key."""
    if len(axes) < 2:
        return 0.0
    queries = _length(axes[1], lengths)
    keys = max((lengths[axis] for axis in row.total if axis in lengths), default=1)
    heads = sum(map(_heads, with_nested(row.layer)))
    return 4.0 * heads * queries * keys


def _heads(layer: Any) -> int:
    """Return how many scores a layer holds for a query and a key; 0 without attention."""
    name = type(layer).__name__
    if "Attention" not in name:
        return 0
    if "Additive" in name:  # holds the sum of every query and every key
        return max((int(w.shape[-1]) for w in layer.weights), default=1)
    return _number(layer, "num_heads", "num_query_heads") or 1


def _number(layer: Any, *names: str) -> int:
    found = (getattr(layer, name, getattr(layer, f"_{name}", None)) for name in names)
    return next((n for n in found if isinstance(n, int)), 0)
