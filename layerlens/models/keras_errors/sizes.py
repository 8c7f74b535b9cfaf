"""Remedies for sizes that do not work out: kernels, kept axes, groups, reshapes, unknown sizes."""

from __future__ import annotations

import math
from typing import Any

from layerlens.models.keras_errors.refusal import Refusal, Remedy, Rule, Shape, is_shape
from layerlens.models.keras_errors.text import declared, listed, reshape_to
from layerlens.models.keras_errors.time_steps import RECURRENT
from layerlens.plain.shapes import shape_text
from layerlens.report.layers import LayerRow


def window_too_large(refusal: Refusal) -> str | None:
    """A kernel or pool that is larger than what it is laid over."""
    told = ("output size would be zero or negative", "Negative dimension size")
    if not any(words in refusal.reason for words in told) or refusal.rank < 3:
        return None
    given = shape_text(refusal.shape)
    if refusal.type == "STFTSpectrogram":
        return (
            f"a frame is longer than {given}; set `frame_length`, `frame_step` and `fft_length` to "
            f"less than the entries there are"
        )
    first = refusal.arguments.get("data_format") == "channels_first"
    name = "pool_size" if "Pooling" in refusal.type else "kernel_size"
    fault = _first_too_large(refusal, name)
    if not first and "ConvLSTM" not in refusal.type and _channels_come_first(refusal.shape, fault):
        dims = [*range(2, refusal.rank), 1]
        return (
            f"{given} looks as if the channels came first; put `Permute: {{dims: {dims}}}` before "
            f"`{refusal.layer}`, or set `data_format: channels_first`"
        )
    if fault is None:
        return f"take a smaller `{name}` than {given} has room for, or set `padding: same`"
    window, size, axis, dilation = fault
    smaller = (size - 1) // dilation + 1
    taken = f"`{name}` {(window - 1) // dilation + 1}"
    if dilation > 1:
        taken += f", spread over {window} by `dilation_rate: {dilation}`,"
    shrunk = "; or shrink less in the layers before it" if refusal.giver is not None else ""
    return (
        f"{taken} does not fit in axis {axis} of {given}, which is {size}; "
        f"take `{name}: {smaller}` or less, or set `padding: same`{shrunk}"
    )


def _first_too_large(refusal: Refusal, name: str) -> tuple[int, int, int, int] | None:
    """Return the window as it is spread, the size it does not fit in, its axis, the dilation."""
    first = refusal.arguments.get("data_format") == "channels_first"
    before = 1 + first + refusal.type.startswith("ConvLSTM")  # axes in front of the spatial ones
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
    """Say whether the first axis looks like channels, and the window would fit in the others."""
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


def cropped_away(refusal: Refusal) -> str | None:
    if not refusal.type.startswith("Cropping") or "smaller than" not in refusal.reason:
        return None
    return (
        f"`cropping` takes away as much as there is: of {shape_text(refusal.shape)} at least one "
        f"entry has to be left on each axis, so crop less on both sides together"
    )


def size_unknown(refusal: Refusal) -> str | None:
    """A weight's shape would need the size of an axis that is variable."""
    divided = "unsupported operand" in refusal.reason and "'NoneType'" in refusal.reason
    told = ("must be fully-defined", "must have a known shape", "should have a defined dimension")
    if not (divided or any(words in refusal.reason for words in told)):
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
    source = _maker_of_unknown(refusal)
    if source is not None:
        return (
            f"`{source.name}` joins a variable axis into the features, so their number is unknown "
            f"to `{refusal.layer}`; put `{_pooling_for(source)}` in its place, or give the axis a "
            f"number in the input's `shape`"
        )
    missing = "channels" if divided else "features"
    hint = (
        f"the number of {missing}, the last axis of {given}, is variable, and `{refusal.layer}` "
        f"needs it for its weights; give it a number in the input's `shape`"
    )
    if refusal.rank == 2 and refusal.giver is None:
        hint += f", or declare {declared((None, 1))} for a sequence of single numbers"
    return hint


def _maker_of_unknown(refusal: Refusal) -> LayerRow | None:
    for row in refusal.trail():
        if row.type == "Flatten":
            return row
    return None


def _pooling_for(source: LayerRow) -> str:
    rank = len(source.input_shape) if is_shape(source.input_shape) else 3
    return f"GlobalAveragePooling{rank - 2}D" if rank in (3, 4, 5) else "Reshape"


def reshaped(refusal: Refusal) -> str | None:
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
    per_sample = f"{shape_text(refusal.shape)} holds {numbers} numbers per sample"
    known = [size for size in target if isinstance(size, int) and size > 0]
    rest = math.prod(known[1:]) if len(known) > 1 else 0
    if rest and numbers % rest == 0 and len(known) == len(target):
        fitting = [-1, *known[1:]]
        return f"{per_sample}; `target_shape: {fitting}` would hold them"
    whole = math.prod(known) if known else 0
    held = f", and {list(target)} holds {whole}" if len(known) == len(target) else ""
    divisors = [n for n in range(2, numbers) if numbers % n == 0]
    example = f", such as [{divisors[-1]}, -1]" if divisors else ", such as [-1]"
    return f"{per_sample}{held}; the sizes in `target_shape` have to multiply to {numbers}{example}"


def axis_beyond(refusal: Refusal) -> Remedy | None:
    """An `axis` that the input does not have; Keras often trips over it without saying so."""
    name = next((key for key in ("axis", "axes", "shared_axes") if key in refusal.arguments), None)
    tripped = isinstance(refusal.error, IndexError)
    told = ("out of bounds", "in the range [-ndim, ndim)", "`dim` must be in the range")
    if name is None or not (tripped or any(words in refusal.reason for words in told)):
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
        reason=reason if tripped else None,
    )


def groups_uneven(refusal: Refusal) -> str | None:
    if refusal.type == "GroupNormalization":
        match = refusal.find(r"Number of groups \((\d+)\).*number of channels \((\d+)\)")
        if match is None:
            return None
        channels = int(match[2])
        return (
            f"`groups` has to divide the {channels} channels: {_choices(channels)} "
            f"(1 is a layer normalisation, {channels} normalises each channel alone)"
        )
    if match := refusal.find(r"groups=(\d+), but the input has (\d+) channels"):
        channels = int(match[2])
        return (
            f"`groups` has to divide the {channels} channels of {shape_text(refusal.shape)}: "
            f"{_choices(channels)}"
        )
    if match := refusal.find(r"groups=(\d+), filters=(\d+)"):
        groups, filters = int(match[1]), int(match[2])
        up = math.ceil(filters / groups) * groups
        return f"`filters` has to be a multiple of `groups`: `filters: {up}`, or `groups: 1`"
    return None


def _choices(number: int) -> str:
    divisors = [n for n in range(1, number + 1) if number % n == 0]
    shown = divisors if len(divisors) <= 8 else [*divisors[:4], *divisors[-4:]]
    return listed(str(n) for n in shown)


def statistics_of_other_size(refusal: Refusal) -> str | None:
    """Normalization with a mean and variance for another number of features."""
    if refusal.type != "Normalization" or "ncompatible shapes" not in refusal.reason:
        return None
    return (
        f"give `mean` and `variance` one number for each of the {refusal.shape[-1]} features of "
        f"{shape_text(refusal.shape)}, or one number for all with `axis: null`"
    )


def batch_needed(refusal: Refusal) -> str | None:
    if "stateful=True" not in refusal.reason:
        return None
    return (
        f"`{refusal.layer}` keeps its state from batch to batch and so needs a fixed batch size, "
        f"which the input leaves open; leave `stateful: true` out"
    )


def length_needed(refusal: Refusal) -> str | None:
    if "unroll a RNN" not in refusal.reason:
        return None
    return (
        "leave `unroll: true` out, or give the steps a number in place of `null` in the input's "
        "`shape`"
    )


def einsum_sizes(refusal: Refusal) -> str | None:
    if refusal.type != "EinsumDense" or "shared dimension" not in refusal.reason:
        return None
    equation = refusal.arguments.get("equation")
    kept = list(refusal.shape[1:-1])
    return (
        f"`output_shape` names every axis after the batch of the right side of "
        f"`{equation}`; axes that the input has too keep their size, here "
        f"{listed(str(size) for size in kept)}"
    )


def steps_shape(refusal: Refusal) -> str | None:
    """An RNN of a cell over something that is not a sequence of vectors."""
    if refusal.type not in RECURRENT or refusal.rank <= 3 or "Cell" not in str(refusal.inner):
        return None
    steps, *rest = refusal.shape[1:]
    merged = None if None in rest else math.prod(size or 0 for size in rest)
    return (
        f"a cell takes one vector per step, and each step of {shape_text(refusal.shape)} is a "
        f"tensor; put {reshape_to((steps, merged))} before `{refusal.layer}`"
    )


SIZE_RULES: tuple[Rule, ...] = (
    window_too_large,
    cropped_away,
    reshaped,
    axis_beyond,
    groups_uneven,
    statistics_of_other_size,
    batch_needed,
    length_needed,
    einsum_sizes,
    steps_shape,
    size_unknown,
)
