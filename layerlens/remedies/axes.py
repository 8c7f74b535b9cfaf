"""Remedies for an input with too few or too many axes."""

from __future__ import annotations

import math
import re

from layerlens.remedies.refusal import Refusal, Rule, Shape, is_shape
from layerlens.remedies.wording import numbered, shape_text
from layerlens.report import LayerRow

RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional")
#: Between a recurrent layer and this one these change nothing about the number of axes.
_KEEPS_AXES = ("Dense", "Dropout", "Activation", "BatchNormalization", "LayerNormalization")


def reshape_to(axes: tuple[int | None, ...]) -> str:
    """Write a Reshape layer as a scenario does."""
    written = ", ".join("-1" if axis is None else str(axis) for axis in axes)
    return f"`Reshape: {{target_shape: [{written}]}}`"


def declared(axes: tuple[int | None, ...]) -> str:
    """Write an input's shape as a scenario does."""
    return f"`shape: [{', '.join('null' if axis is None else str(axis) for axis in axes)}]`"


def _counts(refusal: Refusal) -> tuple[int, int] | None:
    """How many axes Keras wants and found, batch axis included."""
    match = refusal.find(r"expected (?:min_|max_)?ndim=(\d+), found ndim=(\d+)")
    return (int(match[1]), int(match[2])) if match else None


def step_missing(refusal: Refusal) -> str | None:
    """A vector where a sequence is wanted: a stacked LSTM, TimeDistributed on a vector, ..."""
    counts = _counts(refusal)
    wants_steps = counts == (3, 2) and not refusal.type.startswith(("Global", "SpatialDropout"))
    if refusal.type == "TimeDistributed" and len(refusal.shapes) == 1:
        wants_steps = "at least 3 dimensions" in refusal.reason and refusal.rank == 2
    if refusal.type == "RNN" and refusal.rank == 2:
        wants_steps = wants_steps or "fully-defined" in refusal.reason
    if not wants_steps or refusal.rank != 2:
        return None
    source = refusal.source_of_rank()
    hint = _undo_vector(source) if source is not None else _add_steps(refusal)
    if refusal.type == "TimeDistributed" and refusal.inner and refusal.inner.type == "Dense":
        hint += "; `Dense` alone takes a vector too: then leave `TimeDistributed` out"
    return hint


def _undo_vector(source: LayerRow) -> str:
    given = shape_text(source.output_shape)
    if source.type in RECURRENT:
        where = "the layer it holds" if source.type == "Bidirectional" else "it"
        return (
            f"`{source.name}` returns only its last step, shape {given}; "
            f"set `return_sequences: true` on {where}, or put `RepeatVector` between"
        )
    if is_shape(source.input_shape) and len(source.input_shape) == 3:
        return (
            f"`{source.name}` makes one vector of the sequence, shape {given}; "
            f"leave it out, or put `RepeatVector` between"
        )
    return f"`{source.name}` returns one vector, shape {given}; put `RepeatVector` between"


def _add_steps(refusal: Refusal) -> str:
    features = refusal.shape[1]
    if refusal.giver is not None:
        return (
            f"{shape_text(refusal.shape)} has no axis of steps; put {reshape_to((features, 1))} "
            f"before `{refusal.layer}` (each number a step), or `RepeatVector`"
        )
    tokens = ", or `Embedding` first if these are tokens" if refusal.type in RECURRENT else ""
    return (
        f"the input {shape_text(refusal.shape)} has no axis of steps; declare it as "
        f"{declared((features, 1))} or put {reshape_to((features, 1))} before "
        f"`{refusal.layer}` (each number a step){tokens}"
    )


def repeated_sequence(refusal: Refusal) -> str | None:
    """RepeatVector where there is a sequence already."""
    counts = _counts(refusal)
    if refusal.type != "RepeatVector" or counts is None:
        return None
    given = shape_text(refusal.shape)
    if counts[1] < 2:
        return f"`RepeatVector` takes a vector; put {reshape_to((1,))} before it"
    if counts[1] > 3:
        pooling = f"GlobalAveragePooling{counts[1] - 2}D" if counts[1] <= 5 else "Reshape"
        return (
            f"`RepeatVector` takes one vector per sample, not {given}; "
            f"put `Flatten` or `{pooling}` before it"
        )
    recurrent = _sequence_giver(refusal)
    if recurrent is not None:
        where = "the layer it holds" if recurrent.type == "Bidirectional" else "it"
        return (
            f"`{recurrent.name}` returns a sequence already, shape "
            f"{shape_text(recurrent.output_shape)}; leave `RepeatVector` out, or set "
            f"`return_sequences: false` on {where}"
        )
    return (
        f"{given} is a sequence already; leave `RepeatVector` out, or put "
        f"`GlobalAveragePooling1D` or `Flatten` before it"
    )


def _sequence_giver(refusal: Refusal) -> LayerRow | None:
    for row in refusal.trail():
        if row.type in RECURRENT:
            return row
        if row.type not in _KEEPS_AXES:
            return None
    return None


def permuted(refusal: Refusal) -> str | None:
    if refusal.type != "Permute":
        return None
    axes = refusal.rank - 1
    if _counts(refusal) is None and "Invalid permutation" not in refusal.reason:
        return None
    if axes < 1:
        return None
    example = [*range(2, axes + 1), 1] if axes > 1 else [1]
    return (
        f"`dims` names each axis of {shape_text(refusal.shape)} once, counted from 1 without the "
        f"batch axis: {numbered(axes, 'entry').replace('entrys', 'entries')}, "
        f"such as `dims: {example}`"
    )


def pooled_vector(refusal: Refusal) -> str | None:
    if refusal.type.startswith("Global") and _counts(refusal) and refusal.rank == 2:
        return (
            f"{shape_text(refusal.shape)} is one vector per sample already; "
            f"leave `{refusal.layer}` out"
        )
    return None


def dropped_axes(refusal: Refusal) -> str | None:
    if not refusal.type.startswith("SpatialDropout") or _counts(refusal) is None:
        return None
    fitting = of_rank(refusal.type, refusal.rank) or "Dropout"
    return f"for {shape_text(refusal.shape)} use `{fitting}`"


def channel_missing(refusal: Refusal) -> str | None:
    """One axis too few for an image or a volume, mostly the channels."""
    counts = _counts(refusal)
    if counts is None or counts[0] != counts[1] + 1 or counts[0] < 4:
        return None
    fitting = of_rank(refusal.type, counts[1])
    axes = refusal.shape[1:]
    if refusal.type.startswith("ConvLSTM"):
        return (
            f"`{refusal.type}` wants an axis of steps first; put {reshape_to((1, *axes))} before "
            f"it for a single step" + (f", or use `Conv{counts[1] - 2}D`" if counts[1] < 6 else "")
        )
    giver = refusal.giver
    place = f"put {reshape_to((*axes, 1))} before it"
    if giver is None:
        place = f"declare the input as {declared((*axes, 1))}, or {place}"
    lacks = "no channel axis" if counts[0] == 4 else "one axis too few"
    add = f"{shape_text(refusal.shape)} has {lacks} for `{refusal.type}`: "
    if fitting and "Conv" not in refusal.type:
        return f"{add}use `{fitting}`, or {place}"
    return f"{add}{place}" + (f"; for {_thing(counts[1])} use `{fitting}`" if fitting else "")


def vector_for_image(refusal: Refusal) -> str | None:
    counts = _counts(refusal)
    if counts is None or counts[0] < 4 or counts[1] != 2 or refusal.rank != 2:
        return None
    source = refusal.source_of_rank()
    if source and is_shape(source.input_shape) and len(source.input_shape) == counts[0]:
        return (
            f"`{source.name}` makes one vector of the image, shape "
            f"{shape_text(source.output_shape)}; leave it out, or put it behind `{refusal.layer}`"
        )
    numbers = refusal.shape[1]
    if numbers is None or counts[0] != 4:
        ones = (numbers, *[1] * (counts[0] - 2))
        return f"`{refusal.type}` takes {_thing(counts[0])}; put {reshape_to(ones)} before it"
    image = _as_image(numbers)
    placed = (
        f"put {reshape_to(image)} before it"
        if image
        else f"put a `Reshape` before it to three sizes that multiply to {numbers}"
    )
    return (
        f"`{refusal.type}` takes (rows, columns, channels) and got a vector of {numbers}; {placed}"
    )


def _as_image(numbers: int) -> tuple[int, int, int] | None:
    """The square image of one, three or four channels that so many numbers would make."""
    for channels in (1, 3, 4):
        side = math.isqrt(numbers // channels)
        if side * side * channels == numbers:
            return side, side, channels
    return None


def too_many_axes(refusal: Refusal) -> str | None:
    counts = _counts(refusal) or _kernel_counts(refusal)
    if counts is None or counts[1] <= counts[0] or refusal.rank != counts[1]:
        return None
    given = shape_text(refusal.shape)
    options: list[str] = []
    fitting = of_rank(refusal.type, counts[1])
    if fitting and not refusal.type.startswith("ConvLSTM"):
        options.append(f"use `{fitting}`")
    if counts[1] == counts[0] + 1 and refusal.type not in RECURRENT and counts[0] > 2:
        each = f"TimeDistributed: {{layer: {{{refusal.type}: ...}}}}"
        options.append(f"apply it to each step with `{each}`")
    if counts[0] == 3:
        options.append(f"join axes with {reshape_to(_as_sequence(refusal.shape))} before it")
    if refusal.type in ("LSTM", "RNN") and counts[1] in (4, 5, 6):
        options.append(f"use `ConvLSTM{counts[1] - 3}D`, which takes a sequence of such data")
    if refusal.type.startswith("ConvLSTM"):
        larger = of_rank(refusal.type, counts[1] - 1)
        options.extend([f"use `{larger}`"] if larger else [])
    if not options:
        return None
    hint = f"`{refusal.type}` takes {_thing(counts[0], refusal.type)}, not {given}: "
    hint += ", or ".join(options)
    if refusal.giver is None:
        hint += f"; if {refusal.shape[1]} is the number of samples, leave it out of `shape`"
    return hint


def _kernel_counts(refusal: Refusal) -> tuple[int, int] | None:
    """Convolutions say it this way when an image has an axis too many."""
    match = refusal.find(
        r"Kernel shape must have the same length as input, but received kernel of shape "
        r"(\([^)]*\)) and input of shape (\([^)]*\))"
    )
    return (_axes_in(match[1]), _axes_in(match[2])) if match else None


def _axes_in(shape: str) -> int:
    return len(re.findall(r"\d+|None", shape))


def _as_sequence(shape: Shape) -> tuple[int | None, ...]:
    """Merge all axes behind the first into one, or drop them where they hold one number."""
    steps, *rest = shape[1:]
    return (steps, None if None in rest else math.prod(size or 0 for size in rest))


def steps_taken_away(refusal: Refusal) -> str | None:
    """TimeDistributed hands its layer one step, which has an axis less than the layer wants."""
    inner = refusal.inner
    if refusal.type != "TimeDistributed" or inner is None or refusal.rank < 3:
        return None
    counts = _counts(refusal) or _kernel_counts(refusal)
    vector_for_recurrent = inner.type in RECURRENT and refusal.rank == 3
    nested = inner.type == "TimeDistributed" and "at least 3 dimensions" in refusal.reason
    too_few = counts is not None and counts[1] < counts[0]
    if not (too_few or vector_for_recurrent or nested):
        return None
    step = shape_text((None, *refusal.shape[2:]))
    if nested:
        return (
            f"the inner `TimeDistributed` gets single steps, shape {step}, which have no steps "
            f"of their own; leave one `TimeDistributed` out"
        )
    return (
        f"`TimeDistributed` gives `{inner.type}` one step at a time, shape {step}, without the "
        f"first axis of {shape_text(refusal.shape)}; leave `TimeDistributed` out, or put "
        f"{reshape_to((1, *refusal.shape[1:]))} before it"
    )


def scalars(refusal: Refusal) -> str | None:
    counts = _counts(refusal)
    told = ("fully-defined", "defined dimension", "a known shape", "index out of range")
    told_of_steps = "at least 3 dimensions" in refusal.reason
    known = counts or told_of_steps or any(words in refusal.reason for words in told)
    if refusal.rank != 1 or not known:
        return None
    wanted = (1, 1) if told_of_steps else (1,) * (counts[0] - 1 if counts else 1)
    return (
        f"one number per sample, shape {shape_text(refusal.shape)}, has no axis; declare the input "
        f"as {declared(wanted)}, or put {reshape_to(wanted)} before `{refusal.layer}`"
    )


def of_rank(layer_type: str, rank: int) -> str | None:
    """Return the sister class for tensors with `rank` axes: Conv1D for 3, Conv2D for 4, ..."""
    import keras

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
    repeated_sequence,
    permuted,
    pooled_vector,
    dropped_axes,
    steps_taken_away,
    step_missing,
    channel_missing,
    vector_for_image,
    too_many_axes,
    scalars,
)
