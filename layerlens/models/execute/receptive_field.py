"""Compute the receptive field of a model: how many input steps its outputs depend on, by axis.

The receptive field of a convolution network, as in Araujo, Norris and Sim, *Computing Receptive
Fields of Convolutional Neural Networks* (Distill, 2019): a layer with kernel `k`, dilation `d` and
stride `s` adds `(k - 1) × d × jump` steps, and multiplies the jump, the distance in input steps
between two neighbours at that depth, by `s`. Added here are what shifts steps (padding, cropping,
slices) and the distance to the next output, so that an input a little longer than the field has
every offset at work, and two outputs. Numbers are upper bounds; nothing is run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from layerlens.models.build.request import Built
from layerlens.models.inspect.call_graph import calls_between, is_input_call
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.scenario.slices import parse_select

#: The number of further neighbours in an interpolation.
_INTERPOLATION = {"nearest": 0, "bilinear": 1, "bicubic": 3, "lanczos3": 5, "lanczos5": 9}
#: Attributes of operations of `keras.ops` whose integers are not distances but, say, axes.
_AXIS_ATTRIBUTES = frozenset({"axis", "axes", "axis1", "axis2", "ndim", "num", "newshape"})


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a tensor whose length follows from open axes of the inputs.

    `sources` are those axes; the batch axis is 0. One position depends on `span` input steps, and
    is `jump` input steps away from the next.
    """

    sources: frozenset[int]
    span: float = 1.0
    jump: float = 1.0


#: The axes of one tensor, the batch axis first; None where a length is fixed.
Axes = tuple[Axis | None, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """The effect of a layer along one axis of its input.

    Each output depends on `1 + steps` positions, and there is one output per `scale` positions.
    With `is_gone` the output does not have the axis.
    """

    steps: float = 0.0
    scale: float = 1.0
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class LayerSpan:
    """The input steps on which the output of a layer depends, by axis of the model's input.

    `own` are the steps that the layer adds, `total` those with all layers before it.
    """

    layer: Any
    own: Mapping[int, int]
    total: Mapping[int, int]
    #: Axes and shape of each output, from which the cost of a length is estimated.
    outputs: tuple[tuple[Axes, tuple[int | None, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The receptive field of a model along the open axes of its inputs.

    `spans` has the input steps by axis (the batch axis is 0 and never open), `layers` the same by
    layer, and `unknown` the names of layers that Keras does not define.
    """

    spans: Mapping[int, int]
    layers: tuple[LayerSpan, ...] = ()
    unknown: tuple[str, ...] = ()
    #: The strides along open axes, each with the jump of the axis before it.
    strides: frozenset[tuple[float, float]] = frozenset()

    @property
    def span(self) -> int:
        """The greatest span along any axis; 1 where no axis is open."""
        return max(self.spans.values(), default=1)


def receptive_field(built: Built) -> ReceptiveField:
    """Return the receptive field of a built model, including its `select`."""
    model = built.model
    if not hasattr(model, "_flatten_layers"):  # of another runtime: its layers cannot be seen
        shapes = [spec.shape for spec in built.inputs]
        found = {n for shape in shapes for n, size in enumerate(shape, start=1) if size is None}
        return ReceptiveField(dict.fromkeys(found, 1), unknown=(built.spec.name,) if found else ())
    walk = _Walk()
    known = _open_axes(model.inputs)
    for axes in known.values():
        walk.note(axes)
    outputs = walk.through(model.inputs, model.outputs, known)
    if built.spec.select is not None:
        for axes in outputs:
            walk.note(walk.indexed(axes, parse_select(built.spec.select)))
    return walk.result()


def call_span(node: Any) -> int:
    """Return an upper bound of the input steps on which the output of a layer's call depends."""
    walk = _Walk()
    walk.call(node, _open_axes(node.input_tensors))
    return walk.result().span


@dataclass(frozen=True, slots=True)
class PartCall:
    """One call in a part of a model. Tensors are numbered as the part numbers them."""

    #: The call in the graph of its model, with its symbolic tensors; None for an activation, which
    #: changes no axis, and for a slice.
    node: Any
    tensors: tuple[Any, ...]
    inputs: tuple[int, ...]
    #: The numbers of its results, by their position.
    outputs: Mapping[int, int]
    select: str | None = None


def field_of_part(
    starts: Mapping[int, Sequence[int | None]], calls: Sequence[PartCall]
) -> ReceptiveField:
    """Return the receptive field of calls in a row, along the open axes of where they start."""
    walk = _Walk()
    known = {number: _open(shape) for number, shape in starts.items()}
    for axes in known.values():
        walk.note(axes)
    for call in calls:
        given = [known[number] for number in call.inputs]
        if call.select is not None:
            results = {0: walk.indexed(given[0], parse_select(call.select))}
        elif call.node is None:
            results = {0: given[0]}
        else:
            by_id = dict(zip(map(id, call.tensors), given, strict=True))
            walk.call(call.node, by_id)
            results = {n: by_id[id(t)] for n, t in enumerate(call.node.output_tensors)}
        known |= {number: results[place] for place, number in call.outputs.items()}
    return walk.result()


def _open_axes(tensors: Sequence[Any]) -> dict[int, Axes]:
    """Return the open axes of input tensors, by the id of the tensor."""
    return {id(tensor): _open(tensor.shape) for tensor in tensors}


def _open(shape: Sequence[int | None]) -> Axes:
    return tuple(
        Axis(frozenset({axis})) if axis and size is None else None
        for axis, size in enumerate(shape)
    )


@dataclass
class _Walk:
    """Walks through calls in order, and collects their spans."""

    spans: dict[int, float] = field(default_factory=dict)
    layers: list[LayerSpan] = field(default_factory=list)
    unknown: dict[str, None] = field(default_factory=dict)
    strides: set[tuple[float, float]] = field(default_factory=set)

    def result(self) -> ReceptiveField:
        spans = {axis: math.ceil(span) for axis, span in sorted(self.spans.items())}
        return ReceptiveField(
            spans, tuple(self.layers), tuple(self.unknown), frozenset(self.strides)
        )

    def note(self, axes: Axes) -> None:
        for axis in axes:
            for source in axis.sources if axis is not None else ():
                self.spans[source] = max(self.spans.get(source, 1.0), axis.span if axis else 1.0)

    def through(
        self, inputs: Sequence[Any], outputs: Sequence[Any], known: dict[int, Axes]
    ) -> list[Axes]:
        for node in calls_between(inputs, outputs):
            if not is_input_call(node):
                self.call(node, known)
        return [known.get(id(tensor), _fixed(tensor)) for tensor in outputs]

    def call(self, node: Any, known: dict[int, Axes]) -> None:
        given = [known.get(id(t), _fixed(t)) for t in node.input_tensors]
        shapes = [tuple(t.shape) for t in node.input_tensors]
        made = [tuple(t.shape) for t in node.output_tensors]
        index = _key_of(node)
        if index is not None and given:
            results = [self.indexed(given[0], index)]
        else:
            results = self.layer(node.operation, given, shapes, made)
        for tensor, axes in zip(node.output_tensors, results, strict=True):
            known[id(tensor)] = axes
            self.note(axes)

    def layer(
        self,
        layer: Any,
        given: Sequence[Axes],
        shapes: Sequence[tuple[int | None, ...]],
        made: Sequence[tuple[int | None, ...]],
    ) -> list[Axes]:
        """Return the axes of a layer's outputs for inputs with these axes."""
        graph = getattr(layer, "_functional", None) or layer
        if hasattr(graph, "_nodes_by_depth"):
            return self._nested(graph, given)
        moves = self._moves(layer, shapes)
        moved = [_moved(axes, moves) for axes in given]
        self._note_strides(given, moved)
        for axes in moved:
            self.note(axes)
        self.layers.append(_layer_span(layer, given, moved))
        merged = _merged(moved, shapes)
        gone = {axis for axis, move in moves.items() if move.is_gone}
        results = [_placed(layer, merged, gone, shapes, shape) for shape in made]
        self.layers[-1] = replace(self.layers[-1], outputs=tuple(zip(results, made, strict=True)))
        return results

    def indexed(self, axes: Axes, key: Sequence[Any]) -> Axes:
        """Return the axes after an index; the spans include the steps that it skips."""
        kept, dropped = _indexed(axes, key)
        self.note(dropped)
        for axis in kept:
            if axis is not None:
                jump = min(one.jump for one in axes if one and one.sources == axis.sources)
                self._note_stride(jump, axis.jump)
        return kept

    def _note_strides(self, given: Sequence[Axes], moved: Sequence[Axes]) -> None:
        for before, after in zip(given, moved, strict=True):
            for one, other in zip(before, after, strict=True):
                if one is not None and other is not None:
                    self._note_stride(one.jump, other.jump)

    def _note_stride(self, before: float, after: float) -> None:
        if after > before:
            self.strides.add((before, after / before))

    def _nested(self, graph: Any, given: Sequence[Axes]) -> list[Axes]:
        known = {id(t): axes for t, axes in zip(graph.inputs, given, strict=False)}
        return self.through(graph.inputs, graph.outputs, known)

    def _moves(self, layer: Any, shapes: Sequence[tuple[int | None, ...]]) -> dict[int, Move]:
        rank = max(map(len, shapes), default=0)
        inner = getattr(layer, "layer", None)
        if _is_named(layer, "TimeDistributed") and inner is not None:
            held = self._moves_of_held(inner, rank - 1)
            return {axis + 1: move for axis, move in held.items()}
        if inner is not None and _is_from_keras(layer) and not _is_named(layer, "Bidirectional"):
            return self._moves_of_held(inner, rank)
        if not _is_from_keras(layer):
            self.unknown[str(getattr(layer, "name", type(layer).__name__))] = None
            return self._moves_of_held(layer, rank)
        return dict(_own_moves(layer, rank, shapes))

    def _moves_of_held(self, layer: Any, rank: int) -> dict[int, Move]:
        """Combine the moves of a layer's inner layers, as if they were a chain."""
        total = dict(_own_moves(layer, rank, ()))
        for held in flat_layers(layer) if hasattr(layer, "_flatten_layers") else ():
            for axis, move in _own_moves(held, rank, ()):
                before = total.get(axis, Move())
                steps = before.steps + move.steps * before.scale
                total[axis] = Move(steps, before.scale * move.scale, before.is_gone or move.is_gone)
        return total


# --- one layer ------------------------------------------------------------------------------------


def _own_moves(
    layer: Any, rank: int, shapes: Sequence[tuple[int | None, ...]]
) -> Iterator[tuple[int, Move]]:
    """Yield the move of a layer along each axis of an input of this rank."""
    spatial = _spatial(layer, rank)
    many = len(spatial)
    kernel = _kernel(layer, many, shapes)
    strides = _each(getattr(layer, "strides", 1) or kernel, many)
    dilations = _each(getattr(layer, "dilation_rate", 1), many)
    if _is_named(layer, "ConvRNN", "ConvLSTM"):
        yield 1, Move()
        inner = _each(getattr(getattr(layer, "cell", layer), "kernel_size", kernel or 1), many)
        for axis, size, rate, stride in zip(spatial, inner, dilations, strides, strict=True):
            # The state is convolved from step to step, by a kernel of the same size.
            yield axis, Move(2 * (size - 1) * rate + stride - 1, stride)
    elif kernel is not None and _is_named(layer, "ConvTranspose"):
        for axis, size, rate, stride in zip(spatial, kernel, dilations, strides, strict=True):
            yield axis, Move((size - 1) * rate / stride + 1, 1 / stride)
    elif kernel is not None:
        for axis, size, rate, stride in zip(spatial, kernel, dilations, strides, strict=True):
            yield axis, Move((size - 1) * rate + stride - 1, stride)
    elif _is_named(layer, "UpSampling"):
        further = _INTERPOLATION.get(getattr(layer, "interpolation", "nearest"), 9)
        for axis, size in zip(spatial, _each(getattr(layer, "size", 1), many), strict=True):
            yield axis, Move(further, 1 / size)
    elif _is_named(layer, "ZeroPadding", "Cropping"):
        ends = getattr(layer, "padding" if _is_named(layer, "ZeroPadding") else "cropping", ())
        for axis, pair in zip(spatial, _pairs(ends, many), strict=True):
            yield axis, Move(sum(pair))
    elif _is_named(layer, "GlobalPooling"):
        for axis in spatial:
            yield axis, Move(is_gone=True)
    elif _is_named(layer, "STFTSpectrogram", "MelSpectrogram"):
        yield from _frames(layer, rank)
    elif _is_named(layer, "Layer"):
        yield from _other_layer(layer, rank)
    else:
        yield from _operation(layer, rank)


def _kernel(
    layer: Any, many: int, shapes: Sequence[tuple[int | None, ...]]
) -> tuple[int, ...] | None:
    """Return the size of a kernel or pool window; None for other layers."""
    for name in ("kernel_size", "pool_size"):
        size = getattr(layer, name, None)
        if size is not None and hasattr(layer, "strides"):
            return _each(size, many)
    if _is_named(layer, "Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose"):
        # An operation of `keras.ops`: the kernel is its second input.
        sizes = [n or 1 for n in shapes[1][:many]] if len(shapes) > 1 else []
        return tuple(sizes) if len(sizes) == many else None
    return None


def _spatial(layer: Any, rank: int) -> tuple[int, ...]:
    """Return the spatial axes of a layer, between the batch and the channels.

    A layer inside `TimeDistributed` counts from its own batch axis.
    """
    steps = _is_named(layer, "ConvRNN", "ConvLSTM")  # axis 1 is time
    count = getattr(layer, "rank", None)
    count = count if isinstance(count, int) and 0 < count < rank else rank - 2 - steps
    first = 2 if getattr(layer, "data_format", "channels_last") == "channels_first" else 1
    first += steps
    return tuple(axis for axis in range(first, first + max(0, count)) if axis < rank)


def _frames(layer: Any, rank: int) -> Iterator[tuple[int, Move]]:
    numbers = [
        getattr(layer, name, None) for name in ("frame_length", "sequence_length", "fft_length")
    ]
    length = max((n for n in numbers if isinstance(n, int)), default=1)
    strides = [getattr(layer, name, None) for name in ("frame_step", "sequence_stride")]
    stride = max((n for n in strides if isinstance(n, int)), default=1)
    for axis in range(1, rank):
        yield axis, Move(length - 1 + stride - 1, stride)


#: Arguments of other layers that count steps.
_STEP_ARGUMENTS = ("sliding_window", "height", "width", "output_size", "target_shape")


def _other_layer(layer: Any, rank: int) -> Iterator[tuple[int, Move]]:
    """Yield the moves of other layers, such as attention with a window or a crop to a size."""
    steps = [
        n
        for name in _STEP_ARGUMENTS
        for n in whole_numbers_in(getattr(layer, name, getattr(layer, f"_{name}", None)))
    ]
    if max(steps, default=0) > 0:
        for axis in range(1, rank):
            yield axis, Move(max(steps))


def _operation(operation: Any, rank: int) -> Iterator[tuple[int, Move]]:
    """Yield the moves of an operation of `keras.ops`, bounded by the sum of its integers."""
    numbers = [
        abs(n)
        for name, value in vars(operation).items()
        if not name.startswith("_") and name not in _AXIS_ATTRIBUTES
        for n in whole_numbers_in(value)
    ]
    if numbers:
        for axis in range(1, rank):
            yield axis, Move(sum(numbers))


def whole_numbers_in(value: Any, depth: int = 6) -> Iterator[int]:
    """Yield the integers in lists, slices and mappings, nested up to a depth."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield value
    elif not depth:
        return  # deep, or a list that contains itself
    elif isinstance(value, slice):
        yield from whole_numbers_in((value.start, value.stop, value.step), depth - 1)
    elif isinstance(value, (list, tuple, frozenset, set)):
        for item in value:
            yield from whole_numbers_in(item, depth - 1)
    elif isinstance(value, dict):
        yield from whole_numbers_in(list(value.values()), depth - 1)


def _each(value: Any, many: int) -> tuple[int, ...]:
    found = tuple(whole_numbers_in(value)) or (1,)
    return found if len(found) == many else (max(found),) * many


def _pairs(value: Any, many: int) -> list[tuple[int, ...]]:
    if isinstance(value, (list, tuple)) and len(value) == many and many > 1:
        return [tuple(whole_numbers_in(part)) for part in value]
    return [tuple(whole_numbers_in(value))] * many


def _is_named(layer: Any, *names: str) -> bool:
    """Return whether a layer's class, or a base class, has one of these names, apart from `1D`."""
    found = {
        cls.__name__.removeprefix("Base").rstrip("D").rstrip("123") for cls in type(layer).__mro__
    }
    return not found.isdisjoint(names)


def _is_from_keras(layer: Any) -> bool:
    return type(layer).__module__.startswith("keras.") and type(layer).__name__ != "Lambda"


# --- tensors --------------------------------------------------------------------------------------


def _fixed(tensor: Any) -> Axes:
    return (None,) * len(tensor.shape)


def _key_of(node: Any) -> tuple[Any, ...] | None:
    """Return the index if a call slices a symbolic tensor; None for other calls."""
    if type(node.operation).__name__ != "GetItem":
        return None
    given = [*node.arguments.args, *node.arguments.kwargs.values()]
    key = given[1] if len(given) > 1 else None
    return tuple(key) if isinstance(key, (list, tuple)) else (key,)


def _indexed(axes: Axes, key: Sequence[Any]) -> tuple[Axes, Axes]:
    """Return the axes that an index keeps and those that it drops, grown by the skipped steps."""
    waiting = list(axes)
    kept: list[Axis | None] = []
    dropped: list[Axis | None] = []
    items = list(key) if any(item is Ellipsis for item in key) else [*key, Ellipsis]
    after = sum(item is not None and item is not Ellipsis for item in items)
    for item in items:
        if item is None:
            kept.append(None)
        elif item is Ellipsis:
            rest = max(0, len(waiting) - after)
            kept += waiting[:rest]
            del waiting[:rest]
        elif waiting:
            after -= 1
            axis = waiting.pop(0)
            scale = abs(item.step or 1) if isinstance(item, slice) else 1
            skipped = sum(map(abs, whole_numbers_in(item)))
            grown = None if axis is None else _grown(axis, Move(skipped, scale))
            (kept if isinstance(item, slice) else dropped).append(grown)
    return tuple(kept), tuple(dropped)


def _grown(axis: Axis, move: Move) -> Axis:
    return Axis(axis.sources, axis.span + move.steps * axis.jump, axis.jump * move.scale)


def _moved(axes: Axes, moves: Mapping[int, Move]) -> Axes:
    return tuple(
        axis if axis is None or place not in moves else _grown(axis, moves[place])
        for place, axis in enumerate(axes)
    )


def _layer_span(layer: Any, given: Sequence[Axes], moved: Sequence[Axes]) -> LayerSpan:
    own: dict[int, int] = {}
    total: dict[int, int] = {}
    for before, after in zip(given, moved, strict=True):
        for one, other in zip(before, after, strict=True):
            if one is None or other is None:
                continue
            for source in other.sources:
                added = math.ceil(other.span - one.span)
                own[source] = max(own.get(source, 0), added)
                total[source] = max(total.get(source, 1), math.ceil(other.span))
    return LayerSpan(layer, own, total)


def _merged(given: Sequence[Axes], shapes: Sequence[tuple[int | None, ...]]) -> Axes:
    """Return the joined axes of several inputs, by position from the first axis."""
    rank = max(map(len, given), default=0)
    return tuple(
        _joined([axes[place] for axes in given if place < len(axes)]) for place in range(rank)
    )


def _joined(axes: Sequence[Axis | None]) -> Axis | None:
    known = [axis for axis in axes if axis is not None]
    if not known:
        return None
    return Axis(
        frozenset().union(*(axis.sources for axis in known)),
        max(axis.span for axis in known),
        max(axis.jump for axis in known),
    )


def _placed(
    layer: Any,
    axes: Axes,
    gone: set[int],
    shapes: Sequence[tuple[int | None, ...]],
    shape: tuple[int | None, ...],
) -> Axes:
    """Return the axes of an output of this shape."""
    order = _order(layer, len(axes))
    if order is not None and len(order) == len(shape):
        return tuple(axes[place] for place in order)
    if len(shape) == len(axes):
        return tuple(
            None if size is not None or not place else axes[place] or _joined(axes)
            for place, size in enumerate(shape)
        )
    kept = [axis for place, axis in enumerate(axes) if place not in gone]
    grows = len(shape) == len(axes) + 1 and not gone  # a lookup: each value becomes a row
    if len(kept) == len(shape):
        return tuple(kept)
    if grows and all(size is not None for size in shape[len(axes) :]):
        return (*axes, None)
    whole = _joined(axes)
    return tuple(None if size is not None or not n else whole for n, size in enumerate(shape))


def _order(layer: Any, rank: int) -> tuple[int, ...] | None:
    """Return the order of the axes after a layer that permutes them; None for other layers."""
    dims: Callable[[Any], Any] = tuple
    if _is_named(layer, "Permute"):
        with suppress(TypeError):
            return (0, *dims(layer.dims))
    if type(layer).__name__ == "Transpose":
        given = getattr(layer, "axes", None)
        order = dims(given) if given is not None else tuple(reversed(range(rank)))
        return tuple(n % rank for n in order) if len(order) == rank else None
    return None
