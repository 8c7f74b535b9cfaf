"""What is done to weights of the reference so that they become one weight of the candidate.

Each change only moves values: it computes nothing. It works on any arrays that index like NumPy's,
with `leading` axes in front that stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np

from layerlens.numerics.arrays import Array
from layerlens.plain.shapes import shape_text

Size = tuple[int, ...]


class ShapeError(Exception):
    """A change that does not fit the shapes of its weights; the text says why."""


class Change(Protocol):
    """One change, of one weight or several into one."""

    def shape(self, shapes: Sequence[Size]) -> Size:
        """Return the shape of the result.

        Raises:
            ShapeError: the change does not fit these shapes.
        """

    def apply(self, arrays: Sequence[Array], leading: int = 0) -> Array:
        """Return the result."""

    def source(self, names: Sequence[str]) -> str:
        """Return the result as a NumPy expression of variables with these names."""

    def __str__(self) -> str:
        """Return the change as it is written in a scenario."""


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same values in row-major order."""

    to: Size

    def shape(self, shapes: Sequence[Size]) -> Size:
        (one,) = shapes
        if prod(one) != prod(self.to):
            raise ShapeError(f"{shape_text(one)} has {prod(one):,} values, not {prod(self.to):,}")
        return self.to

    def apply(self, arrays: Sequence[Array], leading: int = 0) -> Array:
        (one,) = arrays
        return one.reshape(*one.shape[:leading], *self.to)

    def source(self, names: Sequence[str]) -> str:
        return f"{names[0]}.reshape({self.to})"

    def __str__(self) -> str:
        return f"reshape: {list(self.to)}"


@dataclass(frozen=True, slots=True)
class Transpose:
    """The same values with axis k of the result being axis `axes[k]`."""

    axes: Size

    def shape(self, shapes: Sequence[Size]) -> Size:
        (one,) = shapes
        if len(one) != len(self.axes):
            raise ShapeError(f"{shape_text(one)} has {_axes(len(one))}, not {len(self.axes)}")
        return tuple(one[axis] for axis in self.axes)

    def apply(self, arrays: Sequence[Array], leading: int = 0) -> Array:
        (one,) = arrays
        return one.transpose(*range(leading), *(leading + axis for axis in self.axes))

    def source(self, names: Sequence[str]) -> str:
        return f"np.transpose({names[0]}, {list(self.axes)})"

    def __str__(self) -> str:
        return f"transpose: {list(self.axes)}"


@dataclass(frozen=True, slots=True)
class Join:
    """Several weights after one another along an axis; a negative one counts from the last."""

    axis: int

    def shape(self, shapes: Sequence[Size]) -> Size:
        first = shapes[0]
        axis = axis_of(self.axis, first)
        for other in shapes[1:]:
            if len(other) != len(first) or any(
                a != b for k, (a, b) in enumerate(zip(first, other, strict=True)) if k != axis
            ):
                listed = " and ".join(map(shape_text, shapes))
                raise ShapeError(f"{listed} cannot be joined along axis {self.axis}")
        return (*first[:axis], sum(one[axis] for one in shapes), *first[axis + 1 :])

    def apply(self, arrays: Sequence[Array], leading: int = 0) -> Array:
        axis = self.axis if self.axis < 0 else self.axis + leading
        return np.concatenate(list(arrays), axis=axis)

    def source(self, names: Sequence[str]) -> str:
        return f"np.concatenate([{', '.join(names)}], axis={self.axis})"

    def __str__(self) -> str:
        return f"join: {self.axis}"


@dataclass(frozen=True, slots=True)
class Part:
    """The part `[start, stop)` of a weight along an axis: one piece of a split."""

    axis: int
    start: int
    stop: int

    def shape(self, shapes: Sequence[Size]) -> Size:
        (one,) = shapes
        axis = axis_of(self.axis, one)
        if self.stop > one[axis]:
            raise ShapeError(
                f"{shape_text(one)} has no {self.stop:,} entries along axis {self.axis}"
            )
        return (*one[:axis], self.stop - self.start, *one[axis + 1 :])

    def apply(self, arrays: Sequence[Array], leading: int = 0) -> Array:
        (one,) = arrays
        axis = one.ndim + self.axis if self.axis < 0 else self.axis + leading
        return one[(*(slice(None),) * axis, slice(self.start, self.stop))]

    def source(self, names: Sequence[str]) -> str:
        part = f"range({self.start}, {self.stop})"
        return f"np.take({names[0]}, {part}, axis={self.axis})"

    def __str__(self) -> str:
        return f"split: {self.axis}"


@dataclass(frozen=True, slots=True)
class Permute:
    """Blocks of equal size along an axis in another order: block k is the old `blocks[k]`."""

    axis: int
    blocks: Size

    def shape(self, shapes: Sequence[Size]) -> Size:
        (one,) = shapes
        length = one[axis_of(self.axis, one)]
        if length % len(self.blocks):
            raise ShapeError(
                f"axis {self.axis} of {shape_text(one)} has {length:,} entries, which are not "
                f"{len(self.blocks)} blocks of equal size"
            )
        return one

    def apply(self, arrays: Sequence[Array], leading: int = 0) -> Array:
        (one,) = arrays
        axis = self.axis if self.axis < 0 else self.axis + leading
        parts = np.split(one, len(self.blocks), axis=axis)
        return np.concatenate([parts[block] for block in self.blocks], axis=axis)

    def source(self, names: Sequence[str]) -> str:
        count, axis = len(self.blocks), self.axis
        parts = f"np.split({names[0]}, {count}, axis={axis})[k] for k in {list(self.blocks)}"
        return f"np.concatenate([{parts}], axis={axis})"

    def __str__(self) -> str:
        return f"permute: {{axis: {self.axis}, blocks: {list(self.blocks)}}}"


def axis_of(axis: int, shape: Size) -> int:
    """Return an axis counted from 0.

    Raises:
        ShapeError: the shape has no such axis.
    """
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"{shape_text(shape)} has no axis {axis}")
    return axis % len(shape)


def _axes(count: int) -> str:
    return f"{count} {'axis' if count == 1 else 'axes'}"
