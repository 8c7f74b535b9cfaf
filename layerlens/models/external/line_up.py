"""Line up the inputs and outputs of an exported file with those of a model of Keras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from layerlens.models.build.request import Built, Foreign
from layerlens.models.runtimes.foreign import Feed, Port
from layerlens.scenario.spec import InputSpec

Shape = Sequence[int | None]


def line_up(exported: Foreign, live: Built) -> Foreign:
    """Return the file with its inputs in the order and layout of the model's, where they fit.

    Inputs are paired by name where the names are the same, and else by position. Where a shape
    does not fit as it is, the channels may be in another place.
    """
    ports = exported.runtime.inputs
    if len(ports) != len(live.inputs):
        return exported
    order = _order(ports, live)
    feeds, specs, notes = [], {}, list(exported.report.notes)
    for port, position in zip(ports, order, strict=True):
        own = live.inputs[position]
        theirs = port.shape[1:] if port.shape else own.shape  # the file may not say it
        axes = _axes(own.shape, theirs)
        feeds.append(Feed(position, axes))
        shape = theirs if axes is None else _restored(theirs, axes)
        specs[position] = InputSpec(port.name, tuple(shape), own.dtype)
        notes += _told("the input", port, own.dtype, axes)
        if axes is None and _has_two_layouts(own.shape, theirs):
            notes.append(
                f"the input `{port.name}` has the same shape with its channels in another place; "
                "it was taken as it is"
            )
    inputs = tuple(specs[position] for position in range(len(specs)))
    returned, shape, more = _outputs(exported, live)
    report = replace(exported.report, output_shape=shape, notes=(*notes, *more))
    foreign = exported.runtime.lined_up(feeds, returned)
    return replace(exported, runtime=foreign, inputs=inputs, report=report)


def _order(ports: Sequence[Port], live: Built) -> list[int]:
    """Return, for each input of the file, the position of its partner among the model's."""
    names = list(live.input_names)
    if len(set(names)) == len(names) and {port.name for port in ports} == set(names):
        return [names.index(port.name) for port in ports]
    return list(range(len(ports)))


def _outputs(exported: Foreign, live: Built) -> tuple[list[tuple[int, ...] | None], Any, list[str]]:
    """Return the order of each output's axes, the announced shapes then, and remarks."""
    ports, announced = exported.runtime.outputs, exported.report.output_shape
    wanted = live.report.output_shape
    if exported.spec.select is not None or live.spec.select is not None:
        return [None] * len(ports), announced, []
    several = bool(wanted) and isinstance(wanted[0], tuple)
    theirs = list(wanted) if several else [wanted]
    if len(theirs) != len(ports):
        return [None] * len(ports), announced, []
    returned: list[tuple[int, ...] | None] = []
    shapes: list[Any] = []
    notes: list[str] = []
    for port, shape in zip(ports, theirs, strict=True):
        if not port.shape:  # the file does not say it
            returned.append(None)
            shapes.append(shape)
            continue
        axes = _axes(port.shape[1:], shape[1:])
        returned.append(axes)
        given = port.shape[1:] if axes is None else [port.shape[n] for n in axes[1:]]
        shapes.append((None, *given))
        notes += _told("the output", port, None, axes)
    return returned, tuple(shapes) if len(shapes) > 1 else shapes[0], notes


def _told(what: str, port: Port, dtype: str | None, axes: tuple[int, ...] | None) -> Iterator[str]:
    if dtype is not None and dtype != port.dtype:
        yield f"{what} `{port.name}` is {port.dtype}, and {dtype} values are converted to it"
    if axes is not None:
        yield f"{what} `{port.name}` has its channels in another place, and was transposed"


def _axes(given: Shape, wanted: Shape) -> tuple[int, ...] | None:
    """Return the order of the axes in which a shape fits another one; None: as it is, or never.

    Both are per sample; the order has the batch axis first. Only the channels may have moved.
    """
    if len(given) != len(wanted) or _fits(given, wanted) or len(given) < 2:
        return None
    last = len(given)
    for axes in ((last, *range(1, last)), (*range(2, last + 1), 1)):
        if _fits([given[n - 1] for n in axes], wanted):
            return (0, *axes)
    return None


def _has_two_layouts(own: Shape, given: Shape) -> bool:
    """Return whether the shape of an image would be the same with the channels first."""
    sizes = [a if b is None else b for a, b in zip(own, given, strict=True)]
    return len(sizes) > 1 and None not in sizes and len(set(sizes)) == 1 and sizes[0] != 1


def _restored(shape: Shape, axes: tuple[int, ...]) -> list[int | None]:
    """Return the shape from which an order of axes made this one."""
    found: list[int | None] = [None] * len(shape)
    for place, source in enumerate(axes[1:]):
        found[source - 1] = shape[place]
    return found


def _fits(one: Shape, other: Shape) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))
