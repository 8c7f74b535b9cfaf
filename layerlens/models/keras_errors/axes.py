"""Remedies for an input with too few or too many axes."""

from __future__ import annotations

import math
import re

import keras

from layerlens.models.keras_errors.fallback import takes
from layerlens.models.keras_errors.refusal import Refusal, Rule, Shape, is_shape
from layerlens.models.keras_errors.text import declared, numbered, reshape_to
from layerlens.models.keras_errors.time_steps import RECURRENT
from layerlens.plain.shapes import shape_text
from layerlens.scenario.notation import layer_text
from layerlens.scenario.spec import LayerSpec


def permuted(refusal: Refusal) -> str | None:
    if refusal.type != "Permute":
        return None
    axes = refusal.rank - 1
    if refusal.axes_told is None and "Invalid permutation" not in refusal.reason:
        return None
    if axes < 1:
        return None
    example = [*range(2, axes + 1), 1] if axes > 1 else [1]
    return (
        f"`dims` names each axis of {shape_text(refusal.shape)} once, counted from 1 without the "
        f"batch axis: {numbered(axes, 'entry', 'entries')}, "
        f"such as `dims: {example}`"
    )


def pooled_vector(refusal: Refusal) -> str | None:
    if refusal.type.startswith("Global") and refusal.axes_told and refusal.rank == 2:
        return (
            f"{shape_text(refusal.shape)} is one vector per sample already; "
            f"leave `{refusal.layer}` out"
        )
    return None


def dropped_axes(refusal: Refusal) -> str | None:
    if not refusal.type.startswith("SpatialDropout") or refusal.axes_told is None:
        return None
    fitting = of_rank(refusal.type, refusal.rank) or "Dropout"
    return f"for {shape_text(refusal.shape)} use `{fitting}`"


def channel_missing(refusal: Refusal) -> str | None:
    """One axis too few for an image or a volume, mostly the channels."""
    counts = refusal.axes_told
    if counts is None or counts[0] != counts[1] + 1 or counts[0] < 4:
        return None
    fitting = of_rank(refusal.type, counts[1])
    axes = refusal.shape[1:]
    if refusal.type.startswith("ConvLSTM"):
        plain = f"`Conv{counts[1] - 2}D`"
        if None in axes:
            kind = _thing(counts[1])
            return f"`{refusal.type}` wants an axis of steps first; for {kind} use {plain}"
        return (
            f"`{refusal.type}` wants an axis of steps first; put {reshape_to((1, *axes))} before "
            f"it for a single step, or use {plain}"
        )
    lacks = "no channel axis" if counts[0] == 4 else "one axis too few"
    add = f"{shape_text(refusal.shape)} has {lacks} for `{refusal.type}`: "
    # With an axis of 1 at the end it is channels that are there, and an axis of space that is not.
    ways = [] if axes[-1] == 1 and fitting else _axis_added(refusal, (*axes, 1))
    if fitting and "Conv" not in refusal.type:
        return add + ", or ".join([f"use `{fitting}`", *ways])
    sister = [f"for {_thing(counts[1])} use `{fitting}`"] if fitting else []
    return add + "; ".join([*([", or ".join(ways)] if ways else []), *sister])


def _axis_added(refusal: Refusal, axes: tuple[int | None, ...]) -> list[str]:
    """The ways to give the input these axes; a Reshape can leave one size open, not two."""
    ways = [f"declare the input as {declared(axes)}"] if refusal.giver is None else []
    if axes.count(None) < 2:
        ways.append(f"put {reshape_to(axes)} before it")
    return ways


def vector_for_image(refusal: Refusal) -> str | None:
    counts = refusal.axes_told
    if counts is None or counts[0] < 4 or counts[1] != 2 or refusal.rank != 2:
        return None
    source = refusal.source_of_rank()
    if source and is_shape(source.input_shape) and len(source.input_shape) == counts[0]:
        return (
            f"`{source.name}` makes one vector of the image, shape "
            f"{shape_text(source.output_shape)}; leave it out, or put it behind `{refusal.layer}`"
        )
    numbers = refusal.shape[1]
    if numbers is None or counts[0] != 4 or refusal.type.startswith("ConvLSTM"):
        return _whole_shape(refusal)
    image = _as_image(numbers)
    placed = (
        f"put {reshape_to(image)} before it"
        if image
        else f"put a `Reshape` before it to three sizes that multiply to {numbers}"
    )
    return (
        f"`{refusal.type}` takes (rows, columns, channels) and got a vector of {numbers}; {placed}"
    )


def _whole_shape(refusal: Refusal) -> str:
    wanted = takes(refusal.type) or "more axes"
    return (
        f"`{refusal.type}` takes {wanted}, and got {shape_text(refusal.shape)}; declare all axes "
        f"of a sample in the input's `shape`, or put a `Reshape` before it"
    )


def _as_image(numbers: int) -> tuple[int, int, int] | None:
    """The square image of one, three or four channels that so many numbers would make."""
    for channels in (1, 3, 4):
        side = math.isqrt(numbers // channels)
        if side * side * channels == numbers:
            return side, side, channels
    return None


def too_many_axes(refusal: Refusal) -> str | None:
    counts = refusal.axes_told or refusal.kernel_axes_told
    if counts is None or counts[1] <= counts[0] or refusal.rank != counts[1]:
        return None
    given = shape_text(refusal.shape)
    options: list[str] = []
    fitting = of_rank(refusal.type, counts[1])
    if fitting and not refusal.type.startswith("ConvLSTM"):
        options.append(f"use `{fitting}`")
    if counts[1] == counts[0] + 1 and refusal.type not in RECURRENT and counts[0] > 2:
        each = LayerSpec("TimeDistributed", {"layer": LayerSpec(refusal.type, refusal.arguments)})
        options.append(f"apply it to each step with `{layer_text(each)}`")
    sizes = refusal.shape[1:]
    if counts[0] == 3 and sizes.count(None) < 2:
        options.append(f"join axes with {reshape_to(_as_sequence(refusal.shape))} before it")
    if refusal.type in ("LSTM", "RNN") and counts[1] in (4, 5, 6) and None not in sizes[1:]:
        options.append(f"use `ConvLSTM{counts[1] - 3}D`, which takes a sequence of such data")
    if refusal.type.startswith("ConvLSTM"):
        larger = of_rank(refusal.type, counts[1] - 1)
        options.extend([f"use `{larger}`"] if larger else [])
    if not options:
        return None
    hint = f"`{refusal.type}` takes {_thing(counts[0], refusal.type)}, not {given}: "
    hint += ", or ".join(options)
    if refusal.giver is None and sizes[0] is not None:
        hint += f"; if {refusal.shape[1]} is the number of samples, leave it out of `shape`"
    return hint


def _as_sequence(shape: Shape) -> tuple[int | None, ...]:
    """Merge all axes behind the first into one, or drop them where they hold one number."""
    steps, *rest = shape[1:]
    return (steps, None if None in rest else math.prod(size or 0 for size in rest))


def scalars(refusal: Refusal) -> str | None:
    counts = refusal.axes_told
    told = ("fully-defined", "defined dimension", "a known shape", "index out of range")
    told_of_steps = "at least 3 dimensions" in refusal.reason
    known = counts or told_of_steps or any(words in refusal.reason for words in told)
    if refusal.rank != 1 or not known:
        return None
    if refusal.type.startswith("Random"):
        return None
    if counts and re.search(r"[123]D|STFT", refusal.type):
        return _whole_shape(refusal)
    wanted = (
        (1, 1)
        if told_of_steps or refusal.type == "RNN"
        else (1,) * (counts[0] - 1 if counts else 1)
    )
    return (
        f"one number per sample, shape {shape_text(refusal.shape)}, has no axis; declare the input "
        f"as {declared(wanted)}, or put {reshape_to(wanted)} before `{refusal.layer}`"
    )


def of_rank(layer_type: str, rank: int) -> str | None:
    """Return the sister class for tensors with `rank` axes: Conv1D for 3, Conv2D for 4, ..."""
    if not re.search(r"[123]D", layer_type):
        return None
    name = re.sub(r"[123]D", f"{rank - 2}D", layer_type)
    return name if name != layer_type and hasattr(keras.layers, name) else None


def _thing(rank: int, layer_type: str = "") -> str:
    if layer_type.startswith("ConvLSTM"):
        rank -= 1
        return f"a sequence of {'images' if rank == 4 else 'volumes' if rank == 5 else 'lines'}"
    things = {2: "a vector", 3: "a sequence", 4: "an image", 5: "a volume"}
    return things.get(rank, f"a tensor of {rank} axes")


AXIS_RULES: tuple[Rule, ...] = (
    permuted,
    pooled_vector,
    dropped_axes,
    channel_missing,
    vector_for_image,
    too_many_axes,
    scalars,
)
