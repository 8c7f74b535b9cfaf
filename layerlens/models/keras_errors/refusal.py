"""A layer that Keras refused to build: the input of every rule, and the rules' result."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from layerlens.models.inspect.shapes import is_shape
from layerlens.report.layers import LayerRow
from layerlens.scenario.spec import LayerSpec, Shape


@dataclass(frozen=True, slots=True)
class Remedy:
    """A hint how to fix a refusal; `reason` replaces a message of Keras that explains nothing."""

    hint: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A layer that Keras refused, with its arguments, its input shapes and the rows before it.

    `shapes` have the batch axis first. `upstream` names the layers that lead to the first input,
    last first.
    """

    reason: str
    error: BaseException
    layer: str
    type: str
    arguments: Mapping[str, Any]
    shapes: tuple[Shape, ...]
    before: tuple[LayerRow, ...]
    upstream: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """The shape of the first input, batch axis first; empty without inputs."""
        return self.shapes[0] if self.shapes else ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def inner(self) -> LayerSpec | None:
        """The layer or cell that this one wraps, as the scenario describes it."""
        held = self.arguments.get("layer", self.arguments.get("cell"))
        return held if isinstance(held, LayerSpec) else None

    def for_inner(self) -> Refusal | None:
        """Return the same refusal for the layer that this one wraps, or None."""
        inner = self.inner
        if inner is None:
            return None
        # TimeDistributed passes on single steps, without the axis of steps.
        dropped = 1 if self.type == "TimeDistributed" else 0
        shapes = tuple((shape[0], *shape[1 + dropped :]) for shape in self.shapes if shape)
        return replace(self, type=inner.type, arguments=inner.arguments, shapes=shapes)

    def find(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.reason)

    @property
    def reported_axes(self) -> tuple[int, int] | None:
        """The numbers of axes, with the batch, that Keras' message says it expected and found."""
        match = self.find(r"expected (?:min_|max_)?ndim=(\d+), found ndim=(\d+)")
        return (int(match[1]), int(match[2])) if match else None

    @property
    def reported_kernel_axes(self) -> tuple[int, int] | None:
        """The same from the message of a convolution that receives an axis too many."""
        match = self.find(
            r"Kernel shape must have the same length as input, but received kernel of shape "
            r"(\([^)]*\)) and input of shape (\([^)]*\))"
        )
        return (_axes_in(match[1]), _axes_in(match[2])) if match else None

    @property
    def producer(self) -> LayerRow | None:
        """The row that produced the first input; None if it is an input of the model."""
        return next(self.upstream_rows(), None)

    @property
    def producer_name(self) -> str | None:
        if self.upstream:
            return self.upstream[0]
        return self.producer.name if self.producer is not None else None

    def upstream_rows(self) -> Iterator[LayerRow]:
        """Yield the rows that lead to the first input, last first, along a single chain."""
        shape, end = self.shape, len(self.before)
        for step in range(len(self.before)):
            row = self._producer_of(shape, end, step)
            if row is None:
                return
            yield row
            if not is_shape(row.input_shape):
                return
            shape, end = row.input_shape, self.before.index(row)

    def rank_changing_row(self) -> LayerRow | None:
        """Return the last row before this layer that changed the number of axes, or None."""
        for row in self.upstream_rows():
            if not is_shape(row.input_shape) or len(row.input_shape) != self.rank:
                return row
        return None

    def _producer_of(self, shape: Shape, end: int, step: int) -> LayerRow | None:
        if self.upstream and step >= len(self.upstream):
            return None
        for row in reversed(self.before[:end]):
            named = not self.upstream or row.name == self.upstream[step]
            if named and shape in shapes_of(row.output_shape):
                return row
        return None


#: Returns the remedy for a refusal, or None if the rule does not apply.
Rule = Callable[[Refusal], Remedy | str | None]


def shapes_of(value: Any) -> tuple[Shape, ...]:
    """Return a shape, or a nested list or tuple of shapes, as a flat tuple of shapes."""
    if is_shape(value):
        return (value,)
    if not isinstance(value, (list, tuple)):
        return ()
    if not any(isinstance(item, (list, tuple)) for item in value):
        return (tuple(value),)
    return tuple(shape for item in value for shape in shapes_of(item))


def _axes_in(shape: str) -> int:
    return len(re.findall(r"\d+|None", shape))
