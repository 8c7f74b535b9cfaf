"""Remedies for an input with too few or too many axes."""

from __future__ import annotations

import math
import re

import keras

from layerlens.models.inspect.shapes import is_shape
from layerlens.models.keras_errors.fallback import accepted_input
from layerlens.models.keras_errors.refusal import Refusal, Rule
from layerlens.models.keras_errors.text import counted, declared_shape, reshape_yaml
from layerlens.models.keras_errors.time_steps import RECURRENT
from layerlens.plain.shapes import shape_text
from layerlens.scenario.notation import layer_text
from layerlens.scenario.spec import LayerSpec, Shape


def wrong_permutation(refusal: Refusal) -> str | None:
    if refusal.type != "Permute":
        return None
    axes = refusal.rank - 1
    if refusal.reported_axes is None and "Invalid permutation" not in refusal.reason:
        return None
    if axes < 1:
        return None
    example = [*range(2, axes + 1), 1] if axes > 1 else [1]
    return (
        f"`dims` names each axis of {shape_text(refusal.shape)} once, counted from 1 without the "
        f"batch axis: {counted(axes, 'entry', 'entries')}, "
        f"such as `dims: {example}`"
    )


def pooled_vector(refusal: Refusal) -> str | None:
    if refusal.type.startswith("Global") and refusal.reported_axes and refusal.rank == 2:
        return (
            f"{shape_text(refusal.shape)} is already one vector per sample; remove "
            f"`{refusal.layer}`"
        )
    return None


def spatial_dropout_rank(refusal: Refusal) -> str | None:
    if not refusal.type.startswith("SpatialDropout") or refusal.reported_axes is None:
        return None
    fitting = class_for_rank(refusal.type, refusal.rank) or "Dropout"
    return f"for {shape_text(refusal.shape)} use `{fitting}`"


def missing_axis(refusal: Refusal) -> str | None:
    """An image or a volume with one axis too few, mostly the channels."""
    counts = refusal.reported_axes
    if counts is None or counts[0] != counts[1] + 1 or counts[0] < 4:
        return None
    fitting = class_for_rank(refusal.type, counts[1])
    axes = refusal.shape[1:]
    if refusal.type.startswith("ConvLSTM"):
        plain = f"`Conv{counts[1] - 2}D`"
        if None in axes:
            kind = _data_noun(counts[1])
            return f"`{refusal.type}` needs an axis of steps first; for {kind} use {plain}"
        return (
            f"`{refusal.type}` needs an axis of steps first; put {reshape_yaml((1, *axes))} before "
            f"it for a single step, or use {plain}"
        )
    lacks = "no channel axis" if counts[0] == 4 else "one axis too few"
    add = f"{shape_text(refusal.shape)} has {lacks} for `{refusal.type}`: "
    # A last axis of 1 is likely the channels, so a spatial axis is missing.
    ways = [] if axes[-1] == 1 and fitting else _ways_to_add_axis(refusal, (*axes, 1))
    if fitting and "Conv" not in refusal.type:
        return add + ", or ".join([f"use `{fitting}`", *ways])
    sister = [f"for {_data_noun(counts[1])} use `{fitting}`"] if fitting else []
    return add + "; ".join([*([", or ".join(ways)] if ways else []), *sister])


def _ways_to_add_axis(refusal: Refusal, axes: tuple[int | None, ...]) -> list[str]:
    """Return the ways to give the input these axes; a Reshape can leave only one size unknown."""
    ways = [f"declare the input as {declared_shape(axes)}"] if refusal.producer is None else []
    if axes.count(None) < 2:
        ways.append(f"put {reshape_yaml(axes)} before it")
    return ways


def vector_for_image(refusal: Refusal) -> str | None:
    counts = refusal.reported_axes
    if counts is None or counts[0] < 4 or counts[1] != 2 or refusal.rank != 2:
        return None
    source = refusal.rank_changing_row()
    if source and is_shape(source.input_shape) and len(source.input_shape) == counts[0]:
        return (
            f"`{source.name}` turns the image into one vector, shape "
            f"{shape_text(source.output_shape)}; remove it, or put it after `{refusal.layer}`"
        )
    numbers = refusal.shape[1]
    if numbers is None or counts[0] != 4 or refusal.type.startswith("ConvLSTM"):
        return _declare_all_axes(refusal)
    image = _square_image(numbers)
    placed = (
        f"put {reshape_yaml(image)} before it"
        if image
        else f"put a `Reshape` before it to three sizes that multiply to {numbers}"
    )
    return (
        f"`{refusal.type}` takes (rows, columns, channels) and got a vector of {numbers}; {placed}"
    )


def _declare_all_axes(refusal: Refusal) -> str:
    wanted = accepted_input(refusal.type) or "more axes"
    return (
        f"`{refusal.type}` takes {wanted}, and got {shape_text(refusal.shape)}; declare all axes "
        f"of a sample in the input's `shape`, or put a `Reshape` before it"
    )


def _square_image(numbers: int) -> tuple[int, int, int] | None:
    """Return the shape of a square image of 1, 3 or 4 channels with this many numbers."""
    for channels in (1, 3, 4):
        side = math.isqrt(numbers // channels)
        if side * side * channels == numbers:
            return side, side, channels
    return None


def too_many_axes(refusal: Refusal) -> str | None:
    counts = refusal.reported_axes or refusal.reported_kernel_axes
    if counts is None or counts[1] <= counts[0] or refusal.rank != counts[1]:
        return None
    given = shape_text(refusal.shape)
    if refusal.producer is None and counts[1] == counts[0] + 1 and refusal.shape[1] is None:
        return (
            f"`shape` is per sample; leave the batch axis out: {declared_shape(refusal.shape[2:])}"
        )
    options: list[str] = []
    fitting = class_for_rank(refusal.type, counts[1])
    if fitting and not refusal.type.startswith("ConvLSTM"):
        options.append(f"use `{fitting}`")
    if counts[1] == counts[0] + 1 and refusal.type not in RECURRENT and counts[0] > 2:
        each = LayerSpec("TimeDistributed", {"layer": LayerSpec(refusal.type, refusal.arguments)})
        options.append(f"apply it to each step with `{layer_text(each)}`")
    sizes = refusal.shape[1:]
    if counts[0] == 3 and sizes.count(None) < 2:
        options.append(f"join axes with {reshape_yaml(_merged_axes(refusal.shape))} before it")
    if refusal.type in ("LSTM", "RNN") and counts[1] in (4, 5, 6) and None not in sizes[1:]:
        options.append(f"use `ConvLSTM{counts[1] - 3}D`, which takes a sequence of such data")
    if refusal.type.startswith("ConvLSTM"):
        larger = class_for_rank(refusal.type, counts[1] - 1)
        options.extend([f"use `{larger}`"] if larger else [])
    if not options:
        return None
    hint = f"`{refusal.type}` takes {_data_noun(counts[0], refusal.type)}, not {given}: "
    hint += ", or ".join(options)
    if refusal.producer is None and sizes[0] is not None:
        hint += f"; if {refusal.shape[1]} is the number of samples, remove it from `shape`"
    return hint


def _merged_axes(shape: Shape) -> tuple[int | None, ...]:
    """Return a per-sample shape in which all axes after the first are merged into one."""
    steps, *rest = shape[1:]
    return (steps, None if None in rest else math.prod(size or 0 for size in rest))


def no_axes(refusal: Refusal) -> str | None:
    counts = refusal.reported_axes
    phrases = ("fully-defined", "defined dimension", "a known shape", "index out of range")
    needs_steps = "at least 3 dimensions" in refusal.reason
    applies = counts or needs_steps or any(phrase in refusal.reason for phrase in phrases)
    if refusal.rank != 1 or not applies:
        return None
    if refusal.type.startswith("Random"):
        return None
    if counts and re.search(r"[123]D|STFT", refusal.type):
        return _declare_all_axes(refusal)
    wanted = (
        (1, 1) if needs_steps or refusal.type == "RNN" else (1,) * (counts[0] - 1 if counts else 1)
    )
    return (
        f"one number per sample, shape {shape_text(refusal.shape)}, has no axis; declare the input "
        f"as {declared_shape(wanted)}, or put {reshape_yaml(wanted)} before `{refusal.layer}`"
    )


def class_for_rank(layer_type: str, rank: int) -> str | None:
    """Return the class of the same family for `rank` axes: Conv1D for 3, Conv2D for 4, ..."""
    if not re.search(r"[123]D", layer_type):
        return None
    name = re.sub(r"[123]D", f"{rank - 2}D", layer_type)
    return name if name != layer_type and hasattr(keras.layers, name) else None


def _data_noun(rank: int, layer_type: str = "") -> str:
    if layer_type.startswith("ConvLSTM"):
        rank -= 1
        return f"a sequence of {'images' if rank == 4 else 'volumes' if rank == 5 else 'lines'}"
    things = {2: "a vector", 3: "a sequence", 4: "an image", 5: "a volume"}
    return things.get(rank, f"a tensor of {rank} axes")


AXIS_RULES: tuple[Rule, ...] = (
    wrong_permutation,
    pooled_vector,
    spatial_dropout_rank,
    missing_axis,
    vector_for_image,
    too_many_axes,
    no_axes,
)
