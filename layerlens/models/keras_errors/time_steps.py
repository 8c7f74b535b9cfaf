"""Remedies where a sequence is wanted and something else comes, or the other way round."""

from __future__ import annotations

from layerlens.models.keras_errors.refusal import Refusal, Rule, is_shape
from layerlens.models.keras_errors.text import declared, reshape_to
from layerlens.plain.shapes import shape_text
from layerlens.report.layers import LayerRow

RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional")
#: Between a recurrent layer and this one these change nothing about the number of axes.
_KEEPS_AXES = ("Dense", "Dropout", "Activation", "BatchNormalization", "LayerNormalization")


def step_missing(refusal: Refusal) -> str | None:
    """A vector where a sequence is wanted: a stacked LSTM, TimeDistributed on a vector, ..."""
    counts = refusal.axes_told
    elsewhere = ("Global", "SpatialDropout", "STFT")
    wants_steps = counts == (3, 2) and not refusal.type.startswith(elsewhere)
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
    counts = refusal.axes_told
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


def steps_taken_away(refusal: Refusal) -> str | None:
    """TimeDistributed hands its layer one step, which has an axis less than the layer wants."""
    inner = refusal.inner
    if refusal.type != "TimeDistributed" or inner is None or refusal.rank < 3:
        return None
    counts = refusal.axes_told or refusal.kernel_axes_told
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


STEP_RULES: tuple[Rule, ...] = (repeated_sequence, steps_taken_away, step_missing)
