"""Whether a graph does the same for every number of samples.

A proof at a few batch sizes holds for all where nothing in the graph depends on the number itself:
samples pass one by one, or through a mean; no other sum, no slice and no order runs across them;
and their number serves as a shape alone. What is not known to be so is refused.

The graph is run with a number of samples that divides no other size, so that the axes that depend
on it are known by their sizes, where TensorFlow does not know them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.proof.field.tensorflow_calls import run_operation
from layerlens.proof.field.value import CannotProveError, Value

_ELEMENTWISE = frozenset(
    {
        *(
            "Abs",
            "Add",
            "AddN",
            "AddV2",
            "Asinh",
            "Atan",
            "BiasAdd",
            "Bucketize",
            "Cast",
            "Ceil",
            "Cos",
            "Cosh",
        ),
        *("Div", "DivNoNan", "Elu", "Equal", "Erf", "Erfc", "Exp", "Expm1", "Floor", "Greater"),
        *("GreaterEqual", "Inv", "IsFinite", "IsInf", "IsNan", "LeakyRelu", "Less", "LessEqual"),
        *("Log", "Log1p", "LogicalAnd", "LogicalNot", "LogicalOr", "Maximum", "Minimum", "Mul"),
        *("Neg", "NotEqual", "OneHot", "OnesLike", "Pow", "RealDiv", "Reciprocal", "Relu", "Relu6"),
        *("Rint", "Round", "Rsqrt", "Select", "SelectV2", "Selu", "Sigmoid", "Sign", "Sin", "Sinh"),
        *("Softplus", "Softsign", "Sqrt", "Square", "SquaredDifference", "Sub", "Tanh"),
        *("Bucketize", "ZerosLike", "Const", "Rank", "ExpandDims", "Mean", "Squeeze", "Transpose"),
    }
)
#: What these take together or apart along some axes, by where the axes are given.
_ALONG_AXES: dict[str, int] = {
    **dict.fromkeys(
        ("All", "Any", "Cumprod", "Cumsum", "Max", "Min", "Prod", "ReverseV2", "Sum"), 1
    ),
    "GatherV2": 2,
    "Split": 0,
    "SplitV": 2,
}
#: Move elements, or take windows, by rules in which the sizes of all axes count but of the first.
_OF_ROWS = frozenset(
    {
        *("AvgPool", "AvgPool3D", "Conv2D", "Conv3D", "DepthwiseConv2dNative", "MaxPool"),
        *("Conv2DBackpropInput", "MaxPool3D", "BatchToSpaceND", "SpaceToBatchND"),
        *("BroadcastTo", "DepthToSpace", "Fill", "Reshape", "SpaceToDepth"),
        *("ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"),
        *("DenseBincount", "ScaleAndTranslate"),
    }
)
#: Where a number of samples may stand as a shape.
_SHAPES = {
    "BroadcastTo": 1,
    "Conv2DBackpropInput": 0,
    "Fill": 0,
    "Reshape": 1,
    "TensorListFromTensor": 1,
}
#: Move integers, and what is known of them.
_CARRIERS = frozenset({"ConcatV2", "ExpandDims", "GatherV2", "Pack", "Reshape", "Squeeze"})
_SLICES = frozenset({"Slice", "StridedSlice"})
_COUNTING = frozenset({"Add", "AddV2", "Cast", "Mul", "Neg", "Prod", "Sub"})


#: Reductions and clips of whole numbers.
_EXTREMES = frozenset({"Max", "Min"})
_CLIPS = frozenset({"Maximum", "Minimum"})


def _asks_for_samples(operation: Any, inputs: Sequence[Value]) -> bool:
    """Return whether an operation asks whether there is any element, as there always is."""
    return operation.inputs[0].op.type == "Size" and not inputs[1].array("a number").any()


def _refusal(operation: Any) -> CannotProveError:
    return CannotProveError(f"`{operation.type}` may depend on the number of samples")


class SampleCheck:
    """Follows the numbers that depend on the number of samples through a graph."""

    def __init__(self, samples: int) -> None:
        """Follow a graph that runs on a number of samples that divides no other size."""
        self._samples = samples
        #: By id: a value, and which of its elements depend on the number of samples.
        self._sizes: dict[int, tuple[Value, NDArray[np.bool_]]] = {}
        #: By id: whole numbers that depend on all samples, but whose range does not.
        self._ranged: dict[int, Value] = {}

    def note(self, operation: Any, inputs: Sequence[Value], outputs: Sequence[Value]) -> None:
        """Follow one operation.

        Raises:
            CannotProveError: what it returns may depend on the number of samples itself.
        """
        if operation.type in ("Shape", "ShapeN", "Size"):
            for tensor, given, value in zip(operation.inputs, inputs, outputs, strict=True):
                open_axes = self._open_axes(tensor, given)
                which = np.array([axis in open_axes for axis in range(given.rank)], bool)
                is_size = operation.type == "Size"
                self._keep(value, np.array(bool(open_axes)) if is_size else which)
            return
        sizes = [self._of(value) for value in inputs]
        if any(one.any() for one in sizes):
            self._follow(operation, inputs, outputs, sizes)
        elif self._is_an_extreme(operation, inputs, outputs) or any(
            id(one) in self._ranged for one in inputs
        ):
            self._follow_range(operation, outputs[0])
            return
        self._refuse_across_samples(operation, inputs, outputs)

    def _of(self, value: Value) -> NDArray[np.bool_]:
        held = self._sizes.get(id(value))
        return np.zeros(value.shape, bool) if held is None else held[1]

    def _keep(self, value: Value, which: NDArray[np.bool_]) -> None:
        self._sizes[id(value)] = value, np.broadcast_to(which, value.shape)

    def _follow(
        self,
        operation: Any,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        sizes: Sequence[NDArray[np.bool_]],
    ) -> None:
        kind = operation.type
        places = [place for place, one in enumerate(sizes) if one.any()]
        if places == [_SHAPES.get(kind)]:
            return
        if kind == "Greater" and _asks_for_samples(operation, inputs):
            return
        if kind in _COUNTING and operation.outputs[0].dtype.is_integer:
            self._keep(outputs[0], np.array(True))
            return
        moved = range(len(inputs) - 1) if kind == "ConcatV2" else range(len(inputs))
        is_carrier = kind == "Pack" or kind == "ConcatV2" or places == [0]
        if kind in _CARRIERS | _SLICES and is_carrier and set(places) <= set(moved):
            arrays = [
                one.astype(value.array("a size").dtype)
                if (kind in ("ConcatV2", "Pack") and place in moved) or place == 0
                else value.array("a size")
                for place, (value, one) in enumerate(zip(inputs, sizes, strict=True))
            ]
            (found,) = run_operation(operation, arrays)
            self._keep(outputs[0], found.astype(bool))
            return
        raise _refusal(operation)

    def _is_an_extreme(
        self, operation: Any, inputs: Sequence[Value], outputs: Sequence[Value]
    ) -> bool:
        """Return whether an operation takes one whole number of all samples."""
        return (
            operation.type in _EXTREMES
            and outputs[0].kind == "int"
            and not outputs[0].rank
            and bool(self._open_axes(operation.inputs[0], inputs[0]))
        )

    def _follow_range(self, operation: Any, found: Value) -> None:
        """Follow the greatest whole number of all samples until it is clipped to one number."""
        kind = operation.type
        if found.kind != "int" or kind not in _COUNTING | _EXTREMES | _CLIPS:
            raise _refusal(operation)
        if kind not in _CLIPS or found.low is None or found.low != found.high:
            self._ranged[id(found)] = found

    def _open_axes(self, tensor: Any, value: Value) -> set[int]:
        """Return the axes whose size depends on the number of samples."""
        known = tensor.shape if tensor.shape.rank is not None else [None] * value.rank
        return {
            axis
            for axis, size in enumerate(value.shape)
            if known[axis] is None and size % self._samples == 0
        }

    def _refuse_across_samples(
        self, operation: Any, inputs: Sequence[Value], outputs: Sequence[Value]
    ) -> None:
        """Raise where more may happen than that samples pass one by one, or to their mean."""
        made = set[int]().union(*map(self._open_axes, operation.outputs, outputs))
        open_axes = [*map(self._open_axes, operation.inputs, inputs)]
        if not made and not any(open_axes):
            return
        kind = operation.type
        if kind in _OF_ROWS and made <= {0} and all(one <= {0} for one in open_axes):
            return
        check = _CHECKS.get(kind)
        if kind in _ELEMENTWISE or (check is not None and check(operation, inputs, open_axes)):
            return
        raise _refusal(operation)


Open = Sequence[set[int]]


def _along_known_axes(operation: Any, inputs: Sequence[Value], open_axes: Open) -> bool:
    place = _ALONG_AXES[operation.type]
    data = 1 if operation.type == "Split" else 0
    axes = np.ravel(inputs[place].array("an axis"))
    return not {int(axis) % inputs[data].rank for axis in axes} & open_axes[data]


def _joins_known_axes(operation: Any, inputs: Sequence[Value], open_axes: Open) -> bool:
    rank = inputs[0].rank
    axis = inputs[-1].whole("an axis") % rank
    return not any(axis in one for one in open_axes[:-1])


def _repeats_known_axes(operation: Any, inputs: Sequence[Value], open_axes: Open) -> bool:
    times = inputs[1].array("a number of repetitions")
    return all(times[axis] == 1 for axis in open_axes[0])


def _pads_known_axes(operation: Any, inputs: Sequence[Value], open_axes: Open) -> bool:
    paddings = inputs[1].array("a padding")
    return all(not paddings[axis].any() for axis in open_axes[0])


def _slices_known_axes(operation: Any, inputs: Sequence[Value], open_axes: Open) -> bool:
    """Return whether a slice takes all of the axes of unknown size."""
    shape = inputs[0].shape
    numbers = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    arrays = [numbers, *(value.array("a slice") for value in inputs[1:])]
    (found,) = run_operation(operation, arrays)
    for axis in open_axes[0]:
        where = np.unravel_index(np.ravel(found), shape)[axis] if found.size else np.array([])
        if len(np.unique(where)) != shape[axis] or not _is_whole(operation, inputs, axis):
            return False
    return True


def _is_whole(operation: Any, inputs: Sequence[Value], axis: int) -> bool:
    """Return whether a slice is open at both ends of an axis, or ends at its size."""
    if operation.type == "Slice":
        begin, size = (value.array("a slice")[axis] for value in inputs[1:3])
        return int(begin) == 0 and int(size) == -1
    ellipsis, new, shrink = (
        operation.get_attr(f"{name}_mask") for name in ("ellipsis", "new_axis", "shrink_axis")
    )
    entries = len(inputs[1].array("a slice"))
    at = 0
    for entry in range(entries):
        bit = 1 << entry
        if ellipsis & bit:
            later = bin((~new) >> (entry + 1) & ((1 << (entries - entry - 1)) - 1)).count("1")
            skipped = len(inputs[0].shape) - at - later
            if at <= axis < at + skipped:
                return True
            at += skipped
        elif not new & bit:
            if at == axis:
                whole = operation.get_attr("begin_mask") & operation.get_attr("end_mask") & bit
                return bool(whole) and not shrink & bit
            at += 1
    return True


def _sums_known_axes(operation: Any, inputs: Sequence[Value], open_axes: Open) -> bool:
    if operation.type == "Einsum":
        terms, result = operation.get_attr("equation").decode().split("->")
        return "." not in terms and all(
            letters[axis] in result
            for letters, axes in zip(terms.split(","), open_axes, strict=True)
            for axis in axes
        )
    turned = [
        operation.get_attr(name)
        for name in (
            ("transpose_a", "transpose_b") if operation.type == "MatMul" else ("adj_x", "adj_y")
        )
    ]
    ranks = [value.rank for value in inputs]
    summed = (
        ranks[0] - (2 if turned[0] else 1),
        ranks[1] - (1 if turned[1] else 2),
    )
    return all(axis not in axes for axis, axes in zip(summed, open_axes, strict=True))


def _has_known_end(operation: Any, inputs: Sequence[Value], open_axes: Open) -> bool:
    return inputs[0].rank - 1 not in open_axes[0]


def _splits_known_axis(operation: Any, inputs: Sequence[Value], open_axes: Open) -> bool:
    rank = inputs[0].rank
    return operation.type == "Pack" or operation.get_attr("axis") % rank not in open_axes[0]


_CHECKS: dict[str, Callable[[Any, Sequence[Value], Open], bool]] = {
    **dict.fromkeys(_ALONG_AXES, _along_known_axes),
    **dict.fromkeys(_SLICES, _slices_known_axes),
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "Einsum", "MatMul"), _sums_known_axes),
    **dict.fromkeys(("LogSoftmax", "Softmax", "TopKV2"), _has_known_end),
    **dict.fromkeys(("MirrorPad", "Pad", "PadV2"), _pads_known_axes),
    **dict.fromkeys(("Pack", "Unpack"), _splits_known_axis),
    "ConcatV2": _joins_known_axes,
    "TensorListFromTensor": lambda _, __, open_axes: 0 not in open_axes[0],
    "Tile": _repeats_known_axes,
}
