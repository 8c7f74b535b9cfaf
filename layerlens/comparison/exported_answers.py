"""Run an exported file on the probes of the model that it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerlens.comparison.examination import Examination
from layerlens.comparison.observer import Interrupted
from layerlens.comparison.probe_plan import ProbePlan
from layerlens.comparison.recording_plan import PLANS, RecordingProbes
from layerlens.errors import Fault, ScenarioError
from layerlens.models.build.request import Built, Exported
from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import (
    as_array,
    given_weights,
    pair_model_weights,
    weight_variables,
)
from layerlens.models.external.exported_file import runtime_of
from layerlens.models.runtimes.process import RuntimeAnswerError, RuntimeLostError
from layerlens.models.runtimes.remedies import loss, refusal
from layerlens.models.variants import ModelVariants
from layerlens.numerics.arrays import Array
from layerlens.numerics.noise_floor import ROUNDOFFS
from layerlens.numerics.observation import CallRefusal
from layerlens.numerics.probes import EXTREME, ProbeBatch
from layerlens.numerics.recording import SAVED, Answers, RecordedRun
from layerlens.plain import stage
from layerlens.report.layers import ModelError
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import InputSpec


def ask_exported(exported: Exported, live: Built, seed: int) -> Answers:
    """Run a file that is lined up with a model on that model's probes, of lengths both take.

    Raises:
        Interrupted: the runtime refused a probe, or was lost.
    """
    narrowed = replace(live, inputs=tuple(map(_narrowed, live.inputs, exported.inputs)))
    batches = _batches(Side.of(live.spec.name, narrowed, training=False, seed=seed), seed)
    stage.enter(f"running `{exported.spec.name}` in {exported.foreign.about.name}")
    runs = tuple(
        RecordedRun(SAVED, position, {"traced_dynamic": outputs}, outputs)
        for position, batch in enumerate(batches)
        for outputs in [_outputs(exported, batch.inputs, float64=False)]
    )
    doubles = _in_float64(exported, batches)
    if doubles is not None:
        runs = tuple(replace(run, float64=one) for run, one in zip(runs, doubles, strict=True))
    dtypes = tuple(port.dtype for port in exported.foreign.outputs)
    return Answers(
        weights={SAVED: ()},
        batches=batches,
        runs=runs,
        output_dtypes=dtypes,
        coarsest_dtype=max(
            (dtype for dtype in dtypes if dtype in ROUNDOFFS),
            key=ROUNDOFFS.__getitem__,
            default="float32",
        ),
        exact=doubles is not None,
        float32=None,
    )


def _batches(side: Side, seed: int) -> tuple[ProbeBatch, ...]:
    """Return the probes of one model, chosen as for a recording.

    Without those near the ends of float32's range: there, results depend on the order in which a
    runtime adds.
    """
    transfer = pair_model_weights(side.built, side.built, "by_order")
    alone = Examination(side, side, transfer, seed)
    base = ProbePlan(alone).base_length()
    alone.prepare(base)
    probes, plan = RecordingProbes(alone, base), PLANS[0]
    main = probes.main_batch(plan)
    own = alone.sets[0].reference
    outcome = side.run(own, main.inputs, "working", "traced_dynamic")
    if outcome.error is not None:
        shapes = tuple(array.shape for array in main.inputs)
        raise Interrupted(CallRefusal(side.name, "traced_dynamic", outcome.error, shapes))
    seen = RecordedRun(alone.sets[0].kind, 0, {"traced_dynamic": outcome.outputs}, outcome.outputs)
    others = probes.other_batches(plan, main, seen)
    return (main, *(one for one in others if not set(one.names) & set(EXTREME)))


def without_float64(answers: Answers) -> Answers:
    """Return the answers in the runtime's own precision alone."""
    runs = tuple(replace(run, float64=run.outputs["traced_dynamic"]) for run in answers.runs)
    return replace(answers, runs=runs, exact=False)


def _narrowed(own: InputSpec, other: InputSpec) -> InputSpec:
    shape = tuple(b if a is None else a for a, b in zip(own.shape, other.shape, strict=True))
    return replace(own, shape=shape)


def _in_float64(
    exported: Exported, batches: Sequence[ProbeBatch]
) -> tuple[tuple[Array, ...], ...] | None:
    """Return the outputs of the widened file; None where it has none, or the runtime lacks it."""
    if exported.foreign.float64 == "none":
        return None
    try:
        return tuple(_outputs(exported, batch.inputs, float64=True) for batch in batches)
    except Interrupted:  # the file itself ran on the same batches
        return None


def _outputs(exported: Exported, inputs: Sequence[Array], *, float64: bool) -> tuple[Array, ...]:
    try:
        outputs = exported.foreign.run(inputs, float64=float64)
    except RuntimeLostError as lost:
        raise _refused(exported, inputs, loss(exported.foreign.about, lost, "it ran")) from lost
    except RuntimeAnswerError as error:
        kind = runtime_of(exported.spec)
        raise _refused(exported, inputs, refusal(kind, exported.foreign.about, error)) from error
    if exported.spec.select is None:
        return outputs
    part = parse_select(exported.spec.select)
    return tuple(np.asarray(output[part]) for output in outputs)


def _refused(exported: Exported, inputs: Sequence[Array], error: ModelError) -> Interrupted:
    shapes = tuple(array.shape for array in inputs)
    return Interrupted(
        CallRefusal(exported.spec.name, "traced_dynamic", error, shapes, everywhere=True)
    )


# --- weights --------------------------------------------------------------------------------------


def refuse_without_weights(exported: Exported, live: Built, variants: ModelVariants) -> None:
    """Refuse a model whose weights are not saved, but drawn when it is built.

    Raises:
        ScenarioError: the model has weights that no file and no scenario gives.
    """
    if _has_own_weights(live, variants):
        return
    name, other = live.spec.name, exported.spec.name
    raise ScenarioError(
        (
            Fault(
                f"`{name}` has no saved weights, and `{other}` holds those that it was exported "
                "with: on other weights the two differ whatever they compute",
                live.spec.where,
                hint="save the model that was exported as `.keras`, and name that file: "
                f"`{name}: {{file: model.keras}}`",
            ),
        )
    )


def _has_own_weights(live: Built, variants: ModelVariants) -> bool:
    variables = weight_variables(live)
    if len(given_weights(live)) == len(variables):
        return True
    match live.spec.form:
        case "file":
            return not str(live.spec.file).lower().endswith(".json")
        case "object":
            return True
        case "python":  # it may load them, and then they do not depend on the seed
            again = variants.with_seed(variants.options.seed + 1).build(live.spec)
            values = [as_array(variable) for variable in variables]
            return isinstance(again, Built) and all(
                map(np.array_equal, values, map(as_array, weight_variables(again)))
            )
        case _:
            return False


def fresh_weights(live: Built) -> tuple[str, ...]:
    """Return the weights that have the value that Keras gives new ones: all 0, or all 1.

    An export that leaves out such a weight, or mixes it up with another, looks right.
    """
    found = []
    for variable in weight_variables(live):
        value = as_array(variable)
        if value.dtype.kind == "f" and value.size and (np.all(value == 0) or np.all(value == 1)):
            found.append(str(variable.path))
    return tuple(found)
