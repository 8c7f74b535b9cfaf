"""Line up the inputs and outputs of an exported file with those of a model of Keras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations, product
from typing import Any, Literal

from layerlens.models.build.request import Built, Foreign
from layerlens.models.inspect.input_order import is_generated_name
from layerlens.models.inspect.shapes import agree
from layerlens.models.runtimes.foreign import Feed, Port
from layerlens.models.runtimes.worker.names import natural
from layerlens.plain.listing import listed
from layerlens.scenario.spec import InputSpec

Shape = Sequence[int | None]
#: The order of the axes of an array, with the batch axis first; None is as it is.
Axes = tuple[int, ...] | None

#: Where an array of a file has its channels: where that of the model has them, or at one end.
Layout = Literal["same", "first", "last"]

#: At most so many ways are tried, and so many inputs or outputs are paired by their shapes.
_MOST_WAYS, _MOST_BY_SHAPE = 24, 4


@dataclass(frozen=True, slots=True)
class LinedUp:
    """The ways in which a file fits a model; where there are several, the outputs decide.

    The first one is reported if the models agree in none, with `also_tried` as a remark, and else
    the first in which they agree, with `agreed` as a remark.
    """

    ways: tuple[Foreign, ...]
    #: For each way, why it may be another one than is meant, although the models agree.
    guesses: tuple[str | None, ...] = (None,)
    also_tried: str | None = None
    agreed: str | None = None


@dataclass(frozen=True, slots=True)
class _Array:
    """An input or an output of a file, its shape in the model, and the layouts that fit."""

    what: str
    port: Port
    own: Shape
    layouts: tuple[Layout, ...]


def line_up(exported: Foreign, live: Built) -> LinedUp:
    """Return the file with its inputs in the order and layout of the model's, where they fit.

    Inputs are paired by name where the names are the same, and else by position, or by shape and
    dtype where positions do not fit, or the file has none. The channels may be in another place.
    """
    ports = exported.runtime.inputs
    if len(ports) != len(live.inputs):
        return LinedUp((exported,))
    orders, arranged = _orders(exported, live), _arranged(exported, live)
    ways: list[Foreign] = []
    guesses: list[str | None] = []
    open_ones: dict[str, None] = {}
    for one, order in product(arranged, orders):
        inputs = [
            _array("input", port, live.inputs[position].shape)
            for port, position in zip(ports, order, strict=True)
        ]
        arrays = [*inputs, *_outputs(one, live)]
        open_ones |= dict.fromkeys(each.what for each in arrays if len(each.layouts) > 1)
        for layouts in _choices([each.layouts for each in arrays]):
            pairs = list(zip(arrays, layouts, strict=True))
            split = len(inputs)
            way = _lined_up(one, live, order, pairs[:split], pairs[split:])
            ways.append(_with_notes(way, _layout_notes(pairs, decided=bool(ways))))
            guesses.append(None if one is arranged[0] else _guess(one, live))
    if exported.runtime.has_layers:  # Keras has the same layouts in another process
        return LinedUp((ways[0],))
    several = [what for what, found in (("input", orders), ("output", arranged)) if found[1:]]
    return LinedUp(
        tuple(ways[:_MOST_WAYS]),
        tuple(guesses[:_MOST_WAYS]),
        _also_tried(list(open_ones), several),
        _agreed(several),
    )


def _lined_up(
    exported: Foreign,
    live: Built,
    order: Sequence[int],
    inputs: Sequence[tuple[_Array, Layout]],
    outputs: Sequence[tuple[_Array, Layout]],
) -> Foreign:
    """Return the file with its inputs in one order, and with one layout of each array."""
    feeds, specs, notes = [], {}, []
    for (one, layout), position in zip(inputs, order, strict=True):
        own = live.inputs[position]
        theirs = one.port.shape[1:] if one.port.shape else own.shape  # the file may not say it
        feeds.append(Feed(position, _into_file(layout, len(theirs))))
        shape = _reordered(theirs, _into_model(layout, len(theirs)))
        specs[position] = InputSpec(one.port.name, tuple(shape), own.dtype)
        if own.dtype != one.port.dtype:
            notes.append(f"{one.what} is {one.port.dtype}, and {own.dtype} values are converted")
    returned: list[Axes] = [None] * len(exported.runtime.outputs)
    report = exported.report
    if outputs:
        returned = [_into_model(layout, len(one.own)) for one, layout in outputs]
        shapes: list[Any] = [
            (None, *(_reordered(one.port.shape[1:], axes) if one.port.shape else one.own))
            for (one, _), axes in zip(outputs, returned, strict=True)
        ]
        report = replace(report, output_shape=tuple(shapes) if len(shapes) > 1 else shapes[0])
    return _with_notes(
        replace(
            exported,
            runtime=exported.runtime.lined_up(feeds, returned),
            inputs=tuple(specs[position] for position in range(len(specs))),
            report=report,
        ),
        notes,
    )


# --- which inputs belong together -----------------------------------------------------------------


def _orders(exported: Foreign, live: Built) -> list[tuple[int, ...]]:
    """Return the positions of the model's inputs in the order of the file's: one way, or more.

    There are more where neither names nor positions fit, or the file has no order of its inputs.
    """
    ports, names = exported.runtime.inputs, list(live.input_names)
    theirs = [port.name for port in ports]
    if len(set(names)) == len(names) and set(theirs) == set(names):
        return [tuple(names.index(name) for name in theirs)]
    declared, is_sure = tuple(range(len(ports))), True
    if not exported.runtime.is_ordered:
        declared = _by_rank(theirs, names)
        is_sure = all(map(is_generated_name, (*theirs, *names)))
    if len(ports) > _MOST_BY_SHAPE:
        return [declared]
    for with_kinds in (True, False):
        fitting = [
            order
            for order in dict.fromkeys((declared, *permutations(declared)))
            if all(
                _may_take(port, live.inputs[position], with_kind=with_kinds)
                for port, position in zip(ports, order, strict=True)
            )
        ]
        if is_sure and declared in fitting:
            return [declared]
        if fitting:
            return fitting
    return [declared]


def _by_rank(theirs: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    """Return the positions of names in the order of others; those that Keras generates count up."""
    if not all(map(is_generated_name, names)):
        ranked = list(range(len(names)))
    else:
        ranked = sorted(range(len(names)), key=lambda position: natural(names[position]))
    order = [0] * len(theirs)
    for rank, place in enumerate(sorted(range(len(theirs)), key=lambda n: natural(theirs[n]))):
        order[place] = ranked[rank]
    return tuple(order)


def _arranged(exported: Foreign, live: Built) -> list[Foreign]:
    """Return the file with its outputs in the order of the model's: one way, or more.

    They are paired by name where the names are the same, and else by position. A mapping of
    outputs has no positions.
    """
    ports = exported.runtime.outputs
    names = [str(name) for name in getattr(live.model, "output_names", ())]
    if len(ports) < 2 or len(ports) != len(names) or not _outputs(exported, live):
        return [exported]
    theirs = [port.name for port in ports]
    if len(set(names)) == len(names) and set(theirs) == set(names):
        return [_with_outputs(exported, [theirs.index(name) for name in names])]
    if exported.runtime.has_ordered_outputs or len(ports) > _MOST_BY_SHAPE:
        return [exported]
    found = [_with_outputs(exported, order) for order in permutations(range(len(ports)))]
    return [one for one in found if _outputs_fit(one, live)] or [exported]


def _with_outputs(exported: Foreign, order: Sequence[int]) -> Foreign:
    ports = tuple(exported.runtime.outputs[place] for place in order)
    shapes = tuple(exported.report.output_shape[place] for place in order)
    return replace(
        exported,
        runtime=replace(exported.runtime, outputs=ports, places=tuple(order)),
        report=replace(exported.report, output_shape=shapes),
    )


def _outputs_fit(exported: Foreign, live: Built) -> bool:
    return all(
        not one.port.shape or _fitting(one.own, one.port.shape[1:])
        for one in _outputs(exported, live)
    )


def _may_take(port: Port, own: InputSpec, *, with_kind: bool) -> bool:
    if with_kind and _kind(port.dtype) != _kind(own.dtype):
        return False
    return not port.shape or bool(_fitting(own.shape, port.shape[1:]))


def _kind(dtype: str) -> str:
    """Return what a dtype holds, without its width."""
    kind = dtype.rstrip("0123456789")
    return {"uint": "int", "bfloat": "float"}.get(kind, kind)


def _outputs(exported: Foreign, live: Built) -> list[_Array]:
    """Return the outputs beside the model's; none where they are taken as they are."""
    if exported.spec.select is not None or live.spec.select is not None:
        return []
    wanted = live.report.output_shape
    theirs = list(wanted) if wanted and isinstance(wanted[0], tuple) else [wanted]
    ports = exported.runtime.outputs
    if len(theirs) != len(ports):
        return []
    return [_array("output", port, shape[1:]) for port, shape in zip(ports, theirs, strict=True)]


# --- where the channels are -----------------------------------------------------------------------


def _array(what: str, port: Port, own: Shape) -> _Array:
    theirs = port.shape[1:] if port.shape else [None] * len(own)
    return _Array(f"the {what} `{port.name}`", port, own, _fitting(own, theirs) or ("same",))


def _fitting(own: Shape, theirs: Shape) -> tuple[Layout, ...]:
    """Return the layouts in which the model's shape fits that of the file, both per sample.

    Of those, only the ones that fit best count: an open axis fits any length.
    """
    if len(own) != len(theirs):
        return ()
    several: tuple[Layout, ...] = ("same", "first", "last")
    if len(own) < 2 or set(own) == set(theirs) == {1}:
        several = several[:1]
    elif len(own) == 2:
        several = several[:2]  # there is one other order
    fits: dict[Layout, int] = {}
    for layout in several:
        moved = _reordered(own, _into_file(layout, len(own)))
        if agree(moved, theirs):
            fits[layout] = sum(a == b for a, b in zip(moved, theirs, strict=True))
    return tuple(layout for layout, count in fits.items() if count == max(fits.values()))


def _into_file(layout: Layout, rank: int) -> Axes:
    """Return the order of the axes of the model's array in that of the file."""
    to_front, to_back = (0, rank, *range(1, rank)), (0, *range(2, rank + 1), 1)
    return {"same": None, "first": to_front, "last": to_back}[layout]


def _into_model(layout: Layout, rank: int) -> Axes:
    """Return the order of the axes of the file's array in that of the model."""
    inverse: dict[Layout, Layout] = {"same": "same", "first": "last", "last": "first"}
    return _into_file(inverse[layout], rank)


def _reordered(shape: Shape, axes: Axes) -> Shape:
    return shape if axes is None else [shape[axis - 1] for axis in axes[1:]]


def _choices(layouts: Sequence[Sequence[Layout]]) -> Iterator[tuple[Layout, ...]]:
    """Yield one layout for each array; those first that have all channels in one place."""
    declared = tuple(fitting[0] for fitting in layouts)
    alike = (
        tuple(place if place in fitting else fitting[0] for fitting in layouts)
        for place in ("same", "first", "last")
    )
    yield from dict.fromkeys((declared, *alike, *islice(product(*layouts), _MOST_WAYS)))


# --- remarks --------------------------------------------------------------------------------------


def _layout_notes(pairs: Sequence[tuple[_Array, Layout]], *, decided: bool) -> Iterator[str]:
    """Yield what is transposed; `decided` says that the outputs tell, and not the shapes alone."""
    for one, layout in pairs:
        if layout == "same":
            continue
        if decided and len(one.layouts) > 1:
            yield (
                f"{one.what} was transposed: its shape fits with the channels in another place "
                "too, and the models agree only then"
            )
        else:
            yield f"{one.what} has its channels in another place, and was transposed"


def _also_tried(open_ones: Sequence[str], several: Sequence[str]) -> str | None:
    """Return what to say if the models agree in no way; `several` have more orders than one."""
    tried = []
    if open_ones:
        tried.append(f"the channels of {listed(open_ones)} may be in another place")
    tried += [f"the {what}s may be in another order" for what in several]
    if not tried:
        return None
    return f"by the shapes, {listed(tried)}, but the models do not agree then either"


def _guess(arranged: Foreign, live: Built) -> str:
    """Return what is not known of outputs that agree in another order than that of their names."""
    order = [f"`{port.name}`" for port in arranged.runtime.outputs]
    names = [f"`{name}`" for name in live.model.output_names]
    return (
        f"they agree if the outputs of the file are {listed(order)} in this order, but nothing in "
        f"it says so; export them with the names of the layers, {listed(names)}"
    )


def _agreed(several: Sequence[str]) -> str | None:
    """Return what to say if the models agree."""
    which = listed([f"which {what} is which" for what in several])
    if not which:
        return None
    return f"names and shapes do not tell {which}; the models agree in the order that was taken"


def _with_notes(foreign: Foreign, notes: Any) -> Foreign:
    report = foreign.report
    return replace(foreign, report=replace(report, notes=(*report.notes, *notes)))
