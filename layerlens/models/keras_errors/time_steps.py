"""Remedies for layers that need a sequence and get something else, or the reverse."""

from __future__ import annotations

from layerlens.models.inspect.shapes import is_shape
from layerlens.models.keras_errors.refusal import Refusal, Rule
from layerlens.models.keras_errors.text import declared_shape, reshape_yaml
from layerlens.plain.shapes import shape_text
from layerlens.report.layers import LayerRow

RECURRENT_LAYERS = ("LSTM", "GRU", "SimpleRNN", "RNN")
RECURRENT = (*RECURRENT_LAYERS, "Bidirectional")
#: Layers that do not change the number of axes.
_RANK_PRESERVING = ("Dense", "Dropout", "Activation", "BatchNormalization", "LayerNormalization")


def missing_steps(refusal: Refusal) -> str | None:
    """A vector for a layer that takes a sequence: a stacked LSTM, TimeDistributed, ..."""
    counts = refusal.reported_axes
    other_rules = ("Global", "SpatialDropout", "STFT")
    wants_steps = counts == (3, 2) and not refusal.type.startswith(other_rules)
    if refusal.type == "TimeDistributed" and len(refusal.shapes) == 1:
        wants_steps = "at least 3 dimensions" in refusal.reason and refusal.rank == 2
    if refusal.type == "RNN" and refusal.rank == 2:
        wants_steps = wants_steps or "fully-defined" in refusal.reason
    if not wants_steps or refusal.rank != 2:
        return None
    source = refusal.rank_changing_row()
    hint = _keep_steps(source) if source is not None else _add_steps(refusal)
    if refusal.type == "TimeDistributed" and refusal.inner and refusal.inner.type == "Dense":
        hint += "; `Dense` also takes a vector: then remove `TimeDistributed`"
    return hint


def _keep_steps(source: LayerRow) -> str:
    given = shape_text(source.output_shape)
    if source.type in RECURRENT:
        where = "its inner layer" if source.type == "Bidirectional" else "it"
        return (
            f"`{source.name}` returns only its last step, shape {given}; "
            f"set `return_sequences: true` on {where}, or put `RepeatVector` between them"
        )
    if is_shape(source.input_shape) and len(source.input_shape) == 3:
        return (
            f"`{source.name}` turns the sequence into one vector, shape {given}; "
            f"remove it, or put `RepeatVector` between them"
        )
    return f"`{source.name}` returns one vector, shape {given}; put `RepeatVector` between them"


def _add_steps(refusal: Refusal) -> str:
    features = refusal.shape[1]
    if refusal.producer is not None:
        return (
            f"{shape_text(refusal.shape)} has no axis of steps; put {reshape_yaml((features, 1))} "
            f"before `{refusal.layer}` (each number a step), or `RepeatVector`"
        )
    tokens = ", or `Embedding` first if these are tokens" if refusal.type in RECURRENT else ""
    return (
        f"the input {shape_text(refusal.shape)} has no axis of steps; declare it as "
        f"{declared_shape((features, 1))} or put {reshape_yaml((features, 1))} before "
        f"`{refusal.layer}` (each number a step){tokens}"
    )


def repeated_sequence(refusal: Refusal) -> str | None:
    """RepeatVector on a sequence."""
    counts = refusal.reported_axes
    if refusal.type != "RepeatVector" or counts is None:
        return None
    given = shape_text(refusal.shape)
    if counts[1] < 2:
        return f"`RepeatVector` takes a vector; put {reshape_yaml((1,))} before it"
    if counts[1] > 3:
        pooling = f"GlobalAveragePooling{counts[1] - 2}D" if counts[1] <= 5 else "Reshape"
        return (
            f"`RepeatVector` takes one vector per sample, not {given}; "
            f"put `Flatten` or `{pooling}` before it"
        )
    recurrent = _recurrent_producer(refusal)
    if recurrent is not None:
        where = "its inner layer" if recurrent.type == "Bidirectional" else "it"
        return (
            f"`{recurrent.name}` already returns a sequence, shape "
            f"{shape_text(recurrent.output_shape)}; remove `RepeatVector`, or set "
            f"`return_sequences: false` on {where}"
        )
    return (
        f"{given} is already a sequence; remove `RepeatVector`, or put "
        f"`GlobalAveragePooling1D` or `Flatten` before it"
    )


def _recurrent_producer(refusal: Refusal) -> LayerRow | None:
    for row in refusal.upstream_rows():
        if row.type in RECURRENT:
            return row
        if row.type not in _RANK_PRESERVING:
            return None
    return None


def missing_inner_axes(refusal: Refusal) -> str | None:
    """A layer in TimeDistributed that takes an axis more than a single step has."""
    inner = refusal.inner
    if refusal.type != "TimeDistributed" or inner is None or refusal.rank < 3:
        return None
    counts = refusal.reported_axes or refusal.reported_kernel_axes
    vector_for_recurrent = inner.type in RECURRENT and refusal.rank == 3
    nested = inner.type == "TimeDistributed" and "at least 3 dimensions" in refusal.reason
    too_few = counts is not None and counts[1] < counts[0]
    if not (too_few or vector_for_recurrent or nested):
        return None
    step = shape_text((None, *refusal.shape[2:]))
    if nested:
        return (
            f"the inner `TimeDistributed` receives single steps, shape {step}, which have "
            f"no steps inside; remove one `TimeDistributed`"
        )
    return (
        f"`TimeDistributed` gives `{inner.type}` one step at a time, shape {step}, without the "
        f"first axis of {shape_text(refusal.shape)}; remove `TimeDistributed`, or put "
        f"{reshape_yaml((1, *refusal.shape[1:]))} before it"
    )


TIME_STEP_RULES: tuple[Rule, ...] = (repeated_sequence, missing_inner_axes, missing_steps)
