"""Operations that move elements and change none: run on the numbers of the elements."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.algebra import Algebra
from layerlens.proof.field.arithmetic import ZERO
from layerlens.proof.field.growth import NOTHING
from layerlens.proof.field.program import Operation
from layerlens.proof.field.tensorflow_calls import run_operation
from layerlens.proof.field.value import CannotProveError, Value, greatest, least

#: Type → the positions of the inputs whose elements are moved; None: all but the last one,
#: an empty tuple: all. The other inputs say how, and are constants.
MOVEMENTS: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(
        (
            "BatchToSpaceND",
            "BroadcastTo",
            "DepthToSpace",
            "ExpandDims",
            "GatherNd",
            "GatherV2",
            "MatrixBandPart",
            "MirrorPad",
            "Pad",
            "Reshape",
            "ResizeNearestNeighbor",
            "ReverseV2",
            "Roll",
            "Slice",
            "SpaceToBatchND",
            "SpaceToDepth",
            "SplitV",
            "Squeeze",
            "StridedSlice",
            "Tile",
            "Transpose",
            "Unpack",
        ),
        (0,),
    ),
    "ConcatV2": None,
    "Fill": (1,),
    "Pack": (),
    "PadV2": (0, 2),
    "Split": (1,),
}


def moved_positions(kind: str, count: int) -> tuple[int, ...]:
    """Return the positions of the inputs of an operation whose elements it moves."""
    listed = MOVEMENTS[kind]
    if listed is None:
        return tuple(range(count - 1))
    return listed or tuple(range(count))


class Movement:
    """Moves values as operations do."""

    def __init__(self, algebra: Algebra) -> None:
        self._algebra = algebra

    def apply(self, operation: Operation, inputs: Sequence[Value]) -> list[Value]:
        """Return the outputs.

        Raises:
            CannotProveError: where the elements go depends on data.
        """
        data, places = self.places(operation, inputs)
        moved = [inputs[position] for position in data]
        if len({value.kind for value in moved}) > 1:
            raise CannotProveError("elements of several dtypes are joined")
        return [self._moved(moved, place) for place in places]

    def places(
        self, operation: Operation, inputs: Sequence[Value]
    ) -> tuple[tuple[int, ...], list[NDArray[np.int64]]]:
        """Return the positions of the inputs that are moved, and where their elements go.

        Raises:
            CannotProveError: that depends on data.
        """
        data = moved_positions(operation.type, len(inputs))
        how = [
            None if position in data else value.array(f"where `{operation.type}` moves elements")
            for position, value in enumerate(inputs)
        ]
        return data, self._places_of(operation, inputs, how)

    def _places_of(
        self, operation: Operation, inputs: Sequence[Value], how: Sequence[NDArray[Any] | None]
    ) -> list[NDArray[np.int64]]:
        """Return for each output the number of the element at each place; 0: a zero was padded."""
        shapes = tuple(value.shape for value in inputs)
        key = shapes, *(None if array is None else array.tobytes() for array in how)

        def places() -> list[NDArray[np.int64]]:
            arrays, first = [], 1
            for shape, array in zip(shapes, how, strict=True):
                if array is None:
                    size = prod(shape)
                    array = np.arange(first, first + size).reshape(shape)
                    first += size
                arrays.append(array)
            return run_operation(operation, arrays)

        return operation.kept(key, places)

    def _moved(self, values: Sequence[Value], place: NDArray[np.int64]) -> Value:
        residues = [self._algebra.residues(value) for value in values]
        count = len(self._algebra.field.primes)
        zero = np.zeros((count, 1), np.int64)
        flat = np.concatenate([zero, *(one.reshape(count, -1) for one in residues)], axis=1)
        padded = bool((place == 0).any())
        bounds = [(value.low, value.high) for value in values] + [(ZERO, ZERO)] * padded
        growth = NOTHING
        for value in values:
            growth = growth.joined(value.growth)
        return self._algebra.made(
            flat[:, place],
            kind=values[0].kind,
            low=least(*(low for low, _ in bounds)),
            high=greatest(*(high for _, high in bounds)),
            positive=not padded and all(value.is_positive for value in values),
            growth=growth,
            spread=_moved_spread(values, place),
        )


def _moved_spread(values: Sequence[Value], place: NDArray[np.int64]) -> frozenset[int] | None:
    """Return the axes along which denominators differ after elements were moved."""
    if all(value.spread == frozenset() for value in values) and len(values) == 1:
        return frozenset()
    if not any(value.growth.below or value.growth.below_bits for value in values):
        return frozenset()
    if len(values) > 1 or values[0].spread is None or (place == 0).any():
        return None
    (value,) = values
    assert value.spread is not None
    sizes = [n if axis - value.rank in value.spread else 1 for axis, n in enumerate(value.shape)]
    rows = np.broadcast_to(np.arange(int(np.prod(sizes))).reshape(sizes), value.shape).ravel()
    moved = rows[place - 1]
    return frozenset(
        axis - moved.ndim
        for axis in range(moved.ndim)
        if moved.shape[axis] > 1 and (moved != np.take(moved, [0], axis)).any()
    )
