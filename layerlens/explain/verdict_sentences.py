"""Sentences for the `explanation` of a pair, written from its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from layerlens.comparison.decision import OwnWeights
from layerlens.comparison.output_shapes import Misannounced, OutputShapes
from layerlens.explain.working_transfer import WorkingTransfer
from layerlens.models.inspect.input_order import is_generated_name
from layerlens.numerics.differences import Difference
from layerlens.numerics.judge import SAME_DISTRIBUTION, Judgement
from layerlens.numerics.observation import CallRefusal, ShapeSurprise
from layerlens.numerics.recording import Recording
from layerlens.numerics.weight_transfer import Transfer
from layerlens.plain.listing import listed
from layerlens.plain.shapes import shape_text
from layerlens.report.layers import ModelError, ModelReport
from layerlens.report.pairs import InputsRow, PairReport, Rounding

_SAVED = "--weights saved"
#: A difference was rounding if the float64 difference is less than this share of it.
SHRUNK = 2.0**-10
#: The most weights that are named: those that keep their own values, and those that differ.
_MOST_KEPT, _MOST_NAMED = 4, 3


def refused(report: ModelReport) -> str:
    error = report.error
    assert error is not None
    if not error.layer:
        return f"`{report.name}` cannot be built: {_with_hint(error)}"
    return f"Keras refuses `{report.name}` at layer `{error.layer}`: {_with_hint(error)}"


def call_refused(refusal: CallRefusal) -> str:
    error = refusal.error
    at = f" at layer `{error.layer}`" if error.layer else ""
    called = "" if refusal.everywhere else f" {execution_text(refusal.execution)}"
    return (
        f"`{refusal.model}` builds but cannot be called{called} on input "
        f"{shapes_text(refusal.input_shapes)}{at}: {_with_hint(error)}"
    )


def _with_hint(error: ModelError) -> str:
    """Return the message and the hint of an error as sentences."""
    message = _ended(error.message)
    return f"{message} To fix it: {_ended(error.hint)}" if error.hint else message


def _ended(text: str) -> str:
    """Return a text with a period at its end."""
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def shapes(reference: ModelReport, candidate: ModelReport, found: OutputShapes) -> str:
    return (
        f"`{reference.name}` gives {shapes_text(found.reference)} and `{candidate.name}` "
        f"gives {shapes_text(found.candidate)}, so their outputs cannot be compared "
        "element by element."
    )


def shape_surprise(surprise: ShapeSurprise) -> str:
    called = execution_text(surprise.execution)
    return (
        f"On input {shapes_text(surprise.input_shapes)}, called {called}, the "
        f"candidate gives {shapes_text(surprise.candidate)} where the reference gives "
        f"{shapes_text(surprise.reference)}."
    )


def misannounced(found: Misannounced) -> str:
    """Say which shape Keras announces for a model, or its layer, and which one it computes."""
    layer = found.layer
    if layer is None:
        announced, computed = shapes_text(found.announced), shapes_text(found.computed)
        return f"Keras announces {announced} for `{found.model}`, which computes {computed}"
    return (
        f"Keras announces {shape_text(layer.announced)} for layer `{layer.layer}` of "
        f"`{found.model}`, which computes {shape_text(layer.computed)}"
    )


def weights(reference: ModelReport, candidate: ModelReport, transfer: Transfer) -> str:
    gap = (candidate.params or 0) - (reference.params or 0)
    count = (
        f"`{candidate.name}` has {abs(gap):,} params {'more' if gap > 0 else 'fewer'} than "
        f"`{reference.name}` ({candidate.params:,} against {reference.params:,})"
        if gap
        else f"both have {reference.params:,} params, but with different shapes or positions"
    )
    return f"The reference's weights cannot be carried over: {count}; {transfer.problem}."


def inputs(reference: ModelReport, candidate: ModelReport, reason: str) -> str:
    return (
        f"No input can be given to both `{reference.name}` and `{candidate.name}`: {reason}. "
        "Declare one input for both, and add a `Reshape` or `Permute` to a model that needs "
        "another shape."
    )


def judged(reference: ModelReport, candidate: ModelReport, judgement: Judgement) -> str:
    difference, rounding = judgement.difference, judgement.rounding
    names = f"`{candidate.name}` and `{reference.name}`"
    if judgement.verdict == "inconclusive":
        return f"{names} were not shown to be equivalent or different: {judgement.reason}."
    assert difference is not None
    if judgement.verdict == "within_quantization":
        return (
            f"{names} are not the same function, and within what quantisation allows: the greatest "
            f"difference over {difference.compared:,} outputs is {difference.max_abs:.3g}; "
            f"{judgement.reason}."
        )
    if judgement.verdict == "equivalent":
        if judgement.reason == SAME_DISTRIBUTION:
            return f"{names} are equivalent: {judgement.reason}."
        if difference.max_abs == 0:
            figures = f"all {difference.compared:,} outputs compared agree exactly"
        elif not isfinite(difference.max_abs):
            left = rounding.float64_max_abs
            figures = "in working precision one of them overflows where the other does not" + (
                f", and in float64 they differ by at most {left:.3g}" if left is not None else ""
            )
        else:
            figures = (
                f"the greatest difference over {difference.compared:,} outputs is "
                f"{difference.max_abs:.3g}{_left_in_float64(rounding, difference.max_abs)}"
            )
        because = f"; {judgement.reason}" if judgement.reason else ""
        return f"{names} compute the same: {figures}{because}."
    if judgement.reason:
        return f"{names} differ: {judgement.reason}."
    witness = judgement.witness
    assert witness is not None
    observation = witness.observation
    probe = observation.batch.name_of(witness.sample)
    if witness.inconsistent:
        name = reference.name if witness.inconsistent == "reference" else candidate.name
        return (
            f"`{name}` returns a different result when called "
            f"{execution_text(observation.execution)}: on probe `{probe}` the result deviates by "
            f"more than rounding explains."
        )
    start = ""
    if judgement.only_at_initialization:
        is_exported = any(
            one.runtime is not None and one.runtime.weights == "named"
            for one in (reference, candidate)
        )
        which = "weights that the file holds" if is_exported else "initial weights"
        start = f" They agree only on the {which}."
    if difference.max_abs == 0 and rounding.float64_max_abs is not None:
        gap = (
            f"{rounding.float64_max_abs:.3g} in float64{_share(difference)}, which working "
            "precision does not show"
        )
    else:
        gap = f"{difference.max_abs:.3g}{_share(difference)}{_also_in_float64(rounding)}"
    return f"{names} differ by up to {gap}: not rounding.{start}"


def _share(difference: Difference) -> str:
    return f" in {difference.mismatched:,} of {difference.compared:,} outputs"


def _left_in_float64(rounding: Rounding, max_abs: float) -> str:
    if rounding.expected is None:
        return ", which is rounding"
    if rounding.float64_max_abs is None:
        return ", within the measured rounding (a model has no float64 form)"
    if rounding.float64_max_abs > SHRUNK * max_abs:
        return f", and {rounding.float64_max_abs:.3g} in float64"
    return f" and falls to {rounding.float64_max_abs:.3g} in float64, as rounding does"


def _also_in_float64(rounding: Rounding) -> str:
    if rounding.float64_max_abs is None:
        return " (a model has no float64 form)"
    return f", and by {rounding.float64_max_abs:.3g} in float64"


def about_weights(
    report: PairReport, transfer: Transfer, *, overruled: bool, in_file: bool = True
) -> str | None:
    """Say whose weights a verdict holds for, or None where they are the reference's."""
    if transfer.method == "none" and transfer.reference:
        return (
            "each model kept its own weights (`transfer: none`): the verdict holds only for these "
            "weights"
        )
    own = transfer.keeps_own
    if own and report.certificate is None:
        told = listed([f"`{path}`" for path in own], _MOST_KEPT)
        return (
            f"{told} of `{report.candidate}` kept {'their' if len(own) > 1 else 'its'} own "
            "values (`rest: none`): the verdict holds only for these values"
        )
    if overruled:
        return (
            f"`{report.candidate}` has other weights than `{report.reference}`; they were "
            f"replaced for the comparison, and `{'transfer: none' if in_file else _SAVED}` "
            f"compares the models with their own weights"
        )
    return None


def paired_by_calls(
    report: PairReport, transfer: Transfer, *, differs_by_position: bool
) -> str | None:
    """Say that the weights are paired in the order of the calls, or None where they are not."""
    if transfer.method != "call_order":
        return None
    text = (
        "the weights are paired in the order in which the layers are called, which is not the "
        "order in which the models list them"
    )
    if not differs_by_position:
        return text
    return (
        f"{text}: position by position, as `set_weights` copies them, `{report.candidate}` and "
        f"`{report.reference}` differ"
    )


def working_transfer(found: WorkingTransfer) -> str:
    return f"{found.why} suggest `{found.yaml}`, with which both compute the same"


def own_weights(report: PairReport, own: OwnWeights | None) -> str | None:
    """Say which of the models' own weights differ, and whether the models agree without that."""
    if own is None:
        return None
    rows = sorted(own.comparison.differing, key=lambda row: -row.difference.max_abs)
    named = [
        f"`{row.candidate}` by up to {row.difference.max_abs:.3g}"
        if row.reference == row.candidate
        else f"`{row.candidate}` from `{row.reference}` by up to {row.difference.max_abs:.3g}"
        for row in rows
    ]
    count, of = len(rows), own.comparison.compared
    text = f"{count} of {of} weights differ{'' if count > 1 else 's'}: {listed(named, _MOST_NAMED)}"
    if own.carried is None:
        return text
    then = {
        "equivalent": "they compute the same: only the weights differ",
        "different": "they still differ",
    }.get(own.carried, "that was not decided")
    return f"{text}. With the weights of `{report.reference}` carried over, {then}"


def recorded(report: ModelReport, recording: Recording) -> str:
    """Say what a recording was made with, and how much it holds."""
    versions = recording.versions
    kinds = len(recording.weights)
    return (
        f"`{report.name}` was recorded with Keras {versions.keras} on TensorFlow "
        f"{versions.tensorflow}: {recording.samples:,} samples, on its own weights"
        + (f" and {kinds - 1} other set{'s' if kinds > 2 else ''} of weights" if kinds > 1 else "")
    )


def elsewhere(
    report: ModelReport, live: ModelReport, pair: PairReport, *, evaluated: bool = False
) -> str:
    """Say what ran a model besides Keras here, on which weights, and what that keeps hidden.

    `evaluated` says that onnx's reference evaluator computed the float64 results.
    """
    runtime = report.runtime
    assert runtime is not None
    precision = {
        "widened": "in float32, and in float64 with the file widened"
        + (", in onnx's reference evaluator" if evaluated else ""),
        "native": "in float64 too",
        "none": "only in its own precision",
    }[runtime.float64]
    if runtime.weights == "open":
        kinds = "on several sets of weights, the same for both"
        if pair.transfer is not None and pair.transfer.method == "none":
            kinds = "each model on its own weights"
        if runtime.revision is not None:
            changes = "with" if runtime.revision.dirty else "without"
            return (
                f"`{report.name}` was built at {runtime.revision} and ran {precision}, {kinds}; "
                f"`{live.name}` is from the working tree, {changes} uncommitted changes"
            )
        return f"`{report.name}` ran in {runtime.name} ({runtime.version}) {precision}, {kinds}"
    text = (
        f"`{report.name}` ran in {runtime.name} {runtime.version} {precision}, on the weights that "
        f"it holds; `{live.name}` ran on the weights that it was saved with"
    )
    if runtime.weights == "named":
        return f"{text}. Then both ran on other weights, put into the file in the place of its own"
    if pair.verdict == "equivalent" and pair.unseen:
        return (
            f"{text}. {listed([f'`{path}`' for path in pair.unseen[:_MOST_NAMED]])}"
            + (f" and {len(pair.unseen) - _MOST_NAMED} more" * (len(pair.unseen) > _MOST_NAMED))
            + " could be wrong in the file without changing these outputs: to check, export the "
            "model with random weights"
        )
    return text


def insides_unseen(report: ModelReport) -> str:
    """Say why the report does not name the layer at which two models part."""
    assert report.runtime is not None
    return (
        f"The layer where they part is not known: {report.runtime.name} does not show the results "
        "inside a file"
    )


def about_recorded_weights(
    recorded: ModelReport, live: ModelReport, transfer: Transfer, *, overruled: bool
) -> str | None:
    """Say whose weights a comparison with a recording is about, where these are not the same."""
    if transfer.method == "none" and transfer.reference:
        return (
            f"`{live.name}` kept its own weights (`transfer: none`): the verdict holds only for "
            "these"
        )
    if overruled:
        return (
            f"`{live.name}` has other weights than `{recorded.name}`; they were replaced for the "
            "comparison, and `transfer: none` compares the model with its own"
        )
    return None


def paired_inputs(
    inputs: InputsRow, reference: Sequence[str], candidate: Sequence[str]
) -> str | None:
    """Say how the inputs of two models are paired, or None where it is obvious.

    `reference` and `candidate` are the input names in each model's own order; both are empty for a
    model that takes a mapping.
    """
    if inputs.method == "by_name":
        if reference == candidate and reference:
            return None
        listed = ", ".join(f"`{name}`" for name, _ in inputs.pairs)
        why = ", not by position: the models list them in another order"
        return f"the inputs are paired by name ({listed})" + (
            why if reference and candidate else ""
        )
    if all(is_generated_name(name) for names in inputs.pairs for name in names):
        return None
    pairs = ", ".join(f"`{one}` with `{other}`" for one, other in inputs.pairs)
    if inputs.method == "by_shape":
        return (
            "the inputs are paired by shape and dtype, because neither their names nor their "
            f"positions tell which is which: {pairs}"
        )
    return f"the inputs are paired by position, because their names differ: {pairs}"


def notes(reference: ModelReport, candidate: ModelReport) -> str | None:
    """Return the notes on both models, each with the model's name; None without any."""
    texts = [
        f"in `{model.name}`, {note}" for model in (reference, candidate) for note in model.remarks
    ]
    return "; ".join(texts) or None


def outside_code(reference: ModelReport, candidate: ModelReport) -> str | None:
    """Say whose code was not compared because saved files do not hold it; None without such.

    A recording shows what the code did, so that the current code is compared with it.
    """
    if reference.runtime is not None or candidate.runtime is not None:
        return None
    holders = [model for model in (reference, candidate) if model.outside_code]
    if not holders:
        return None
    names = dict.fromkeys(name for model in holders for name in model.outside_code)
    models = listed([f"`{model.name}`" for model in holders])
    return (
        f"The code of {listed([f'`{name}`' for name in names])} was not compared: a saved file "
        f"does not hold it, and {models} ran with the current code, so a later change to it is "
        "not detected."
    )


def unrestored(reference: ModelReport, candidate: ModelReport, why: str) -> str:
    return (
        f"`{candidate.name}` and `{reference.name}` agree as they were read, but parts of a "
        f"saved model are unknown: {why}."
    )


def beyond_lengths(shortfall: Mapping[int, int], longest: int) -> str | None:
    """Say that the layers look across more steps than were tried; None if they do not.

    `shortfall` maps an input axis to the number of steps the layers look across there; `longest`
    is the greatest length tried.
    """
    if not shortfall:
        return None
    steps = listed(
        [
            f"{span:,} steps" if axis == 1 else f"{span:,} along axis {axis}"
            for axis, span in shortfall.items()
        ]
    )
    return (
        f"the receptive field of the layers is {steps}, which needs more memory or time than "
        f"allowed: lengths up to {longest:,} were tried"
    )


def unknown_lengths(layers: Sequence[str], longest: int) -> str | None:
    """Name the layers that look across an unknown number of steps; None without any."""
    if not layers:
        return None
    names = listed([f"`{name}`" for name in layers])
    return f"the receptive field of {names} is unknown: lengths up to {longest:,} were tried"


def with_sentence(text: str, more: str | None) -> str:
    """Append a sentence to a text, if there is one."""
    return text if more is None else f"{text} {more[:1].upper()}{more[1:].rstrip('.')}."


def execution_text(execution: str) -> str:
    """Return a phrase for a way of calling a model: `eagerly`, `traced with known shapes`."""
    return {
        "eager": "eagerly",
        "traced": "traced with known shapes",
        "traced_dynamic": "traced with unknown batch and lengths",
    }[execution]


def shapes_text(shapes: Any) -> str:
    """Write one shape, or the shapes of several tensors: `[(None, 64), (None, 15)]`."""
    if isinstance(shapes, (tuple, list)) and shapes and isinstance(shapes[0], (tuple, list)):
        parts = [shapes_text(one) for one in shapes]
        return parts[0] if len(parts) == 1 else "[" + ", ".join(parts) + "]"
    return "an unknown shape" if shapes is None else shape_text(shapes)
