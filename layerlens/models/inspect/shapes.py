"""Shapes of Keras tensors, and the shapes in a report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import EllipsisType
from typing import Any

from layerlens.report.layers import LayerRow, ModelReport
from layerlens.scenario.slices import Index, parse_select
from layerlens.scenario.spec import Shape


def agree(one: Sequence[int | None], other: Sequence[int | None]) -> bool:
    """Return whether two shapes agree; an unknown size agrees with any."""
    return len(one) == len(other) and all(
        a is None or b is None or a == b for a, b in zip(one, other, strict=True)
    )


def selected_shape(shape: Shape, select: str) -> Shape:
    """Return the shape after a NumPy slice, batch axis first; an unknown length stays None.

    Raises:
        ValueError: the slice does not fit the shape.
    """
    index = parse_select(select)
    taken = sum(item is not None and item is not Ellipsis for item in index)
    if taken > len(shape):
        raise ValueError(
            f'`select: "{select}"` takes {taken} axes, but the output {_text(shape)} has '
            f"{len(shape)}"
        )
    result: list[int | None] = []
    axis = 0
    for item in _without_ellipsis(index, len(shape) - taken):
        if item is None:
            result.append(1)
            continue
        if isinstance(item, slice):
            result.append(_sliced_length(shape[axis], item))
        else:
            _check_position(item, axis, shape, select)
        axis += 1
    return (*result, *shape[axis:])


def open_batch(report: ModelReport, batch_size: int) -> ModelReport:
    """Return a report with None for the batch size with which the model was built."""

    def opened(shape: Any) -> Any:
        if isinstance(shape, tuple) and shape and isinstance(shape[0], tuple):
            return tuple(opened(item) for item in shape)
        if isinstance(shape, tuple) and shape and shape[0] == batch_size:
            return (None, *shape[1:])
        return shape

    def row_opened(row: LayerRow) -> LayerRow:
        return replace(
            row,
            input_shape=opened(row.input_shape),
            output_shape=opened(row.output_shape),
            holds=tuple(row_opened(inner) for inner in row.holds),
        )

    return replace(
        report,
        input_shape=opened(report.input_shape),
        output_shape=opened(report.output_shape),
        layers=tuple(row_opened(row) for row in report.layers),
    )


def _without_ellipsis(index: tuple[Index, ...], missing: int) -> list[slice | int | None]:
    items: list[slice | int | None] = []
    for item in index:
        if isinstance(item, EllipsisType):
            items.extend([slice(None)] * missing)
        else:
            items.append(item)
    return items


def _sliced_length(length: int | None, part: slice) -> int | None:
    if length is None:
        return None
    return len(range(*part.indices(length)))


def _check_position(position: int, axis: int, shape: Shape, select: str) -> None:
    length = shape[axis]
    if length is not None and not -length <= position < length:
        raise ValueError(
            f'`select: "{select}"` takes position {position} of axis {axis}, but the output '
            f"{_text(shape)} has {length} there"
        )


def _text(shape: Shape) -> str:
    return f"({', '.join(str(length) for length in shape)})"


def flat_shapes(shapes: Sequence[Any]) -> Iterator[Shape]:
    """Yield the single shapes in a sequence of shapes and tuples of shapes; None is skipped."""
    for shape in shapes:
        if isinstance(shape, tuple) and not is_shape(shape):
            yield from flat_shapes(shape)
        elif isinstance(shape, tuple):
            yield shape


def is_shape(value: Any) -> bool:
    """Return whether a value is one shape, not a tuple of shapes."""
    return isinstance(value, tuple) and not any(isinstance(item, tuple) for item in value)


def tensor_shape(tensor: Any) -> Shape:
    """Return the shape of a tensor or variable as a tuple of ints and None."""
    return tuple(None if size is None else int(size) for size in tensor.shape)


def without_steps(shapes: Sequence[Shape]) -> list[Shape]:
    """Return shapes without axis 1, the axis of steps that `TimeDistributed` removes."""
    return [(shape[0], *shape[2:]) for shape in shapes]


def called_with_own_shapes(model: Any, inputs: Sequence[Shape]) -> bool:
    """Return whether inputs of these shapes have the per-sample shapes of a model's own inputs."""
    own = [tensor_shape(tensor)[1:] for tensor in getattr(model, "inputs", None) or ()]
    return bool(own) and own == [shape[1:] for shape in inputs]
