"""One refused layer, as the rules look at it: what it is, what it got, what came before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from layerlens.report.layers import LayerRow
from layerlens.scenario.spec import LayerSpec

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would mend it; `reason` is given where Keras' own words say nothing."""

    hint: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is known about a layer that Keras refused."""

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
        """The first input's shape, batch axis first; empty where there is none."""
        return self.shapes[0] if self.shapes else ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def inner(self) -> LayerSpec | None:
        """The layer or cell that this one holds, as the scenario gives it."""
        held = self.arguments.get("layer", self.arguments.get("cell"))
        return held if isinstance(held, LayerSpec) else None

    def of_inner(self) -> Refusal | None:
        """The same refusal seen from the layer that this one holds, if it holds one."""
        held = self.inner
        if held is None:
            return None
        # TimeDistributed hands on one step at a time.
        gone = 1 if self.type == "TimeDistributed" else 0
        shapes = tuple((shape[0], *shape[1 + gone :]) for shape in self.shapes if shape)
        return replace(self, type=held.type, arguments=held.arguments, shapes=shapes)

    def find(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.reason)

    @property
    def axes_told(self) -> tuple[int, int] | None:
        """How many axes Keras wants and found, batch axis included, where it says so."""
        match = self.find(r"expected (?:min_|max_)?ndim=(\d+), found ndim=(\d+)")
        return (int(match[1]), int(match[2])) if match else None

    @property
    def kernel_axes_told(self) -> tuple[int, int] | None:
        """The same from convolutions, which put it another way when there is an axis too many."""
        match = self.find(
            r"Kernel shape must have the same length as input, but received kernel of shape "
            r"(\([^)]*\)) and input of shape (\([^)]*\))"
        )
        return (_axes_in(match[1]), _axes_in(match[2])) if match else None

    @property
    def giver(self) -> LayerRow | None:
        """The row whose output this layer got; None where that is the input."""
        return next(self.trail(), None)

    @property
    def giver_name(self) -> str | None:
        if self.upstream:
            return self.upstream[0]
        return self.giver.name if self.giver is not None else None

    def trail(self) -> Iterator[LayerRow]:
        """Yield the rows that led here, last first, as far back as one chain can be followed."""
        shape, end = self.shape, len(self.before)
        for step in range(len(self.before)):
            row = self._giver_of(shape, end, step)
            if row is None:
                return
            yield row
            if not is_shape(row.input_shape):
                return
            shape, end = row.input_shape, self.before.index(row)

    def source_of_rank(self) -> LayerRow | None:
        """The row that changed the number of axes last; those that keep it are passed over."""
        for row in self.trail():
            if not is_shape(row.input_shape) or len(row.input_shape) != self.rank:
                return row
        return None

    def _giver_of(self, shape: Shape, end: int, step: int) -> LayerRow | None:
        if self.upstream and step >= len(self.upstream):
            return None
        for row in reversed(self.before[:end]):
            named = not self.upstream or row.name == self.upstream[step]
            if named and shape in shapes_of(row.output_shape):
                return row
        return None


#: Looks at a refusal; returns None where it has nothing to say.
Rule = Callable[[Refusal], Remedy | str | None]


def is_shape(value: Any) -> bool:
    """Tell one shape from a tuple of shapes."""
    return isinstance(value, tuple) and not any(isinstance(item, tuple) for item in value)


def shapes_of(value: Any) -> tuple[Shape, ...]:
    """Return one or several shapes as a flat tuple of shapes."""
    if is_shape(value):
        return (value,)
    if not isinstance(value, (list, tuple)):
        return ()
    if not any(isinstance(item, (list, tuple)) for item in value):
        return (tuple(value),)
    return tuple(shape for item in value for shape in shapes_of(item))


def _axes_in(shape: str) -> int:
    return len(re.findall(r"\d+|None", shape))
