"""Remedies for wrong sizes: kernels, kept axes, groups, reshapes, unknown sizes."""

from __future__ import annotations

import math
from typing import Any

from layerlens.models.inspect.shapes import is_shape
from layerlens.models.keras_errors.refusal import Refusal, Remedy, Rule
from layerlens.models.keras_errors.text import declared_shape, listed, reshape_yaml
from layerlens.models.keras_errors.time_steps import RECURRENT
from layerlens.plain.shapes import shape_text
from layerlens.report.layers import LayerRow
from layerlens.scenario.spec import Shape

#: For `unroll: true` and an unknown number of steps.
UNROLL_HINT = (
    "remove `unroll: true`, or give the steps a number instead of `null` in the input's `shape`"
)


def window_too_large(refusal: Refusal) -> str | None:
    """A kernel or pool that is larger than its input."""
    phrases = ("output size would be zero or negative", "Negative dimension size")
    if not any(phrase in refusal.reason for phrase in phrases) or refusal.rank < 3:
        return None
    given = shape_text(refusal.shape)
    if refusal.type == "STFTSpectrogram":
        return (
            f"a frame is longer than {given}; set `frame_length`, `frame_step` and "
            f"`fft_length` to less than the number of entries"
        )
    first = refusal.arguments.get("data_format") == "channels_first"
    name = "pool_size" if "Pooling" in refusal.type else "kernel_size"
    fault = _too_large_window(refusal, name)
    if not first and "ConvLSTM" not in refusal.type and _channels_come_first(refusal.shape, fault):
        dims = [*range(2, refusal.rank), 1]
        return (
            f"{given} looks like channels first; put `Permute: {{dims: {dims}}}` before "
            f"`{refusal.layer}`, or set `data_format: channels_first`"
        )
    if fault is None:
        return f"use a smaller `{name}` that fits into {given}, or set `padding: same`"
    window, size, axis, dilation = fault
    smaller = (size - 1) // dilation + 1
    taken = f"`{name}` {(window - 1) // dilation + 1}"
    if dilation > 1:
        taken += f", spread over {window} by `dilation_rate: {dilation}`,"
    shrunk = (
        "; or reduce the size less in the layers before it" if refusal.producer is not None else ""
    )
    return (
        f"{taken} does not fit in axis {axis} of {given}, which is {size}; "
        f"take `{name}: {smaller}` or less, or set `padding: same`{shrunk}"
    )


def _too_large_window(refusal: Refusal, name: str) -> tuple[int, int, int, int] | None:
    """Return the dilated window, the size it exceeds, the axis and the dilation, or None."""
    first = refusal.arguments.get("data_format") == "channels_first"
    before = 1 + first + refusal.type.startswith("ConvLSTM")  # axes before the spatial ones
    sizes = refusal.shape[before:] if first else refusal.shape[before:-1]
    default = 2 if name == "pool_size" else 0
    windows = _per_axis(refusal.arguments.get(name, default), len(sizes))
    dilations = _per_axis(refusal.arguments.get("dilation_rate", 1), len(sizes))
    for position, (window, size, dilation) in enumerate(
        zip(windows, sizes, dilations, strict=False)
    ):
        spread = (window - 1) * dilation + 1
        if size is not None and spread > size:
            return spread, size, position + before, dilation
    return None


def _per_axis(value: Any, axes: int) -> list[int]:
    if isinstance(value, int):
        return [value] * axes
    return [item for item in value if isinstance(item, int)] if _is_list(value) else []


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _channels_come_first(shape: Shape, fault: tuple[int, int, int, int] | None) -> bool:
    """Return whether axis 1 looks like channels and the window fits in the other axes."""
    first, *others = shape[1:]
    known = [size for size in others if size is not None]
    return (
        len(others) > 1
        and first is not None
        and first in (1, 2, 3, 4)
        and len(known) == len(others)
        and min(known) > 4
        and (fault is None or min(known) >= fault[0])
    )


def cropping_too_large(refusal: Refusal) -> str | None:
    if not refusal.type.startswith("Cropping") or "smaller than" not in refusal.reason:
        return None
    return (
        f"`cropping` removes all entries: of {shape_text(refusal.shape)} at least one "
        f"entry has to be left on each axis, so crop less on both sides together"
    )


def unknown_size(refusal: Refusal) -> str | None:
    """A weight's shape depends on an axis of variable size."""
    divided = "unsupported operand" in refusal.reason and "'NoneType'" in refusal.reason
    phrases = (
        "must be fully-defined",
        "must have a known shape",
        "should have a defined dimension",
    )
    if not (divided or any(phrase in refusal.reason for phrase in phrases)):
        return None
    if None not in refusal.shape[1:]:
        return None
    given = shape_text(refusal.shape)
    if refusal.type == "PReLU":
        free = [axis for axis, size in enumerate(refusal.shape) if axis and size is None]
        return (
            f"`PReLU` learns one slope for each position, so {given} has to be known; set "
            f"`shared_axes: {free}` to share the slopes along it"
        )
    axis = refusal.arguments.get("axis")
    if refusal.shape[-1] is not None and isinstance(axis, int):
        return (
            f"axis {axis} of {given} is variable, and `{refusal.layer}` needs its size for its "
            f"weights; set `axis: -1` for the features, or give the axis a number in the input's "
            f"`shape`"
        )
    source = _flatten_row(refusal)
    if source is not None:
        return (
            f"`{source.name}` merges a variable axis into the features, so their number is unknown "
            f"to `{refusal.layer}`; put `{_pooling_for(source)}` instead, or give the axis a "
            f"number in the input's `shape`"
        )
    missing = "channels" if divided else "features"
    hint = (
        f"the number of {missing}, the last axis of {given}, is variable, and `{refusal.layer}` "
        f"needs it for its weights; give it a number in the input's `shape`"
    )
    if refusal.rank == 2 and refusal.producer is None:
        hint += f", or declare {declared_shape((None, 1))} for a sequence of single numbers"
    return hint


def _flatten_row(refusal: Refusal) -> LayerRow | None:
    for row in refusal.upstream_rows():
        if row.type == "Flatten":
            return row
    return None


def _pooling_for(source: LayerRow) -> str:
    rank = len(source.input_shape) if is_shape(source.input_shape) else 3
    return f"GlobalAveragePooling{rank - 2}D" if rank in (3, 4, 5) else "Reshape"


def wrong_target_shape(refusal: Refusal) -> str | None:
    if refusal.type != "Reshape":
        return None
    target = refusal.arguments.get("target_shape")
    if not isinstance(target, (list, tuple)):
        return None
    if "at most one unknown" in refusal.reason:
        return f"only one entry of `target_shape: {list(target)}` can be -1, the rest are numbers"
    if "total size" not in refusal.reason or None in refusal.shape[1:]:
        return None
    numbers = math.prod(size or 0 for size in refusal.shape[1:])
    per_sample = f"{shape_text(refusal.shape)} has {numbers} numbers per sample"
    known = [size for size in target if isinstance(size, int) and size > 0]
    rest = math.prod(known[1:]) if len(known) > 1 else 0
    if rest and numbers % rest == 0 and len(known) == len(target):
        fitting = [-1, *known[1:]]
        return f"{per_sample}; `target_shape: {fitting}` fits"
    whole = math.prod(known) if known else 0
    held = f", and {list(target)} has {whole}" if len(known) == len(target) else ""
    divisors = [n for n in range(2, numbers) if numbers % n == 0]
    example = f", such as [{divisors[-1]}, -1]" if divisors else ", such as [-1]"
    return f"{per_sample}{held}; the sizes in `target_shape` have to multiply to {numbers}{example}"


def axis_out_of_range(refusal: Refusal) -> Remedy | None:
    """An `axis` that the input does not have, for which Keras may raise a bare IndexError."""
    name = next((key for key in ("axis", "axes", "shared_axes") if key in refusal.arguments), None)
    unexplained = isinstance(refusal.error, IndexError)
    phrases = ("out of bounds", "in the range [-ndim, ndim)", "`dim` must be in the range")
    reported = any(phrase in refusal.reason for phrase in phrases)
    if name is None or not (unexplained or reported):
        return None
    value = refusal.arguments[name]
    axes = [item for item in (value if _is_list(value) else [value]) if isinstance(item, int)]
    beyond = [item for item in axes if not -refusal.rank <= item < refusal.rank]
    if not beyond or not refusal.rank:
        return None
    given = shape_text(refusal.shape)
    reason = f"`{name}: {value}` is out of range: {given} has {refusal.rank} axes"
    return Remedy(
        hint=(
            f"count axes from 0, the batch, to {refusal.rank - 1}, or from the end: -1 is the last "
            f"of {given}"
        ),
        reason=reason if unexplained else None,
    )


def uneven_groups(refusal: Refusal) -> str | None:
    if refusal.type == "GroupNormalization":
        match = refusal.find(r"Number of groups \((\d+)\).*number of channels \((\d+)\)")
        if match is None:
            return None
        channels = int(match[2])
        return (
            f"`groups` has to divide the {channels} channels: {_divisors_text(channels)} "
            f"(1 is a layer normalization, {channels} normalizes each channel alone)"
        )
    if match := refusal.find(r"groups=(\d+), but the input has (\d+) channels"):
        channels = int(match[2])
        return (
            f"`groups` has to divide the {channels} channels of {shape_text(refusal.shape)}: "
            f"{_divisors_text(channels)}"
        )
    if match := refusal.find(r"groups=(\d+), filters=(\d+)"):
        groups, filters = int(match[1]), int(match[2])
        up = math.ceil(filters / groups) * groups
        return f"`filters` has to be a multiple of `groups`: `filters: {up}`, or `groups: 1`"
    return None


def _divisors_text(number: int) -> str:
    divisors = [n for n in range(1, number + 1) if number % n == 0]
    shown = divisors if len(divisors) <= 8 else [*divisors[:4], *divisors[-4:]]
    return listed(str(n) for n in shown)


def wrong_statistics_size(refusal: Refusal) -> str | None:
    """A mean and variance for another number of features."""
    if refusal.type != "Normalization" or "ncompatible shapes" not in refusal.reason:
        return None
    return (
        f"give `mean` and `variance` one number for each of the {refusal.shape[-1]} features of "
        f"{shape_text(refusal.shape)}, or one number for all with `axis: null`"
    )


def stateful_without_batch_size(refusal: Refusal) -> str | None:
    if "stateful=True" not in refusal.reason:
        return None
    return (
        f"`{refusal.layer}` keeps its state from batch to batch and so needs a fixed batch "
        f"size, which the input does not have; remove `stateful: true`"
    )


def unrolled_without_length(refusal: Refusal) -> str | None:
    return UNROLL_HINT if "unroll a RNN" in refusal.reason else None


def wrong_einsum_shape(refusal: Refusal) -> str | None:
    if refusal.type != "EinsumDense" or "shared dimension" not in refusal.reason:
        return None
    equation = refusal.arguments.get("equation")
    kept = list(refusal.shape[1:-1])
    return (
        f"`output_shape` names every axis after the batch of the right side of "
        f"`{equation}`; axes that the input has too keep their size, here "
        f"{listed(str(size) for size in kept)}"
    )


def steps_not_vectors(refusal: Refusal) -> str | None:
    """An RNN of a cell whose steps are not vectors."""
    if refusal.type not in RECURRENT or refusal.rank <= 3 or "Cell" not in str(refusal.inner):
        return None
    steps, *rest = refusal.shape[1:]
    merged = None if None in rest else math.prod(size or 0 for size in rest)
    return (
        f"a cell takes one vector per step, and each step of {shape_text(refusal.shape)} is a "
        f"tensor; put {reshape_yaml((steps, merged))} before `{refusal.layer}`"
    )


SIZE_RULES: tuple[Rule, ...] = (
    window_too_large,
    cropping_too_large,
    wrong_target_shape,
    axis_out_of_range,
    uneven_groups,
    wrong_statistics_size,
    stateful_without_batch_size,
    unrolled_without_length,
    wrong_einsum_shape,
    steps_not_vectors,
    unknown_size,
)
