"""Run a model of another runtime on probes for the model of Keras that it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerlens.comparison.calibrated_inputs import calibrated_inputs
from layerlens.comparison.examination import Examination
from layerlens.comparison.observer import Interrupted
from layerlens.comparison.pair import Pair
from layerlens.comparison.probe_plan import ProbePlan, may_broadcast
from layerlens.comparison.recording_plan import PLANS, RecordingPlan, RecordingProbes
from layerlens.errors import Fault, ScenarioError
from layerlens.fault_codes import Code
from layerlens.models.build.request import Built, Foreign
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import (
    as_array,
    given_weights,
    pair_model_weights,
    weight_variables,
    written_order,
)
from layerlens.models.runtimes.process import RuntimeAnswerError, RuntimeLostError
from layerlens.models.runtimes.remedies import loss, refusal
from layerlens.models.variants import ModelVariants
from layerlens.numerics.arrays import Array
from layerlens.numerics.noise_floor import ROUNDOFFS
from layerlens.numerics.observation import CallRefusal
from layerlens.numerics.probes import EXTREME, ProbeBatch, generator
from layerlens.numerics.recording import SAVED, Answers, RecordedRun
from layerlens.numerics.weight_transfer import Transfer
from layerlens.numerics.weight_values import WeightSlot, draw_weight
from layerlens.plain import stage
from layerlens.report.layers import ModelError
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import InputSpec

#: The kinds of weights on which a model is run whose weights can be set, besides its own, and those
#: of which all probes are run.
_DRAWN = ("drawn", "gentle", "strong", "degenerate")
_MAIN = (SAVED, "drawn")


def ask_foreign(foreign: Foreign, live: Built, transfer: Transfer, pair: Pair) -> Answers:
    """Run a model of another runtime, lined up with one of Keras here, on probes for the latter.

    A frozen model answers with its own weights, one whose weights can be set with several.

    Raises:
        Interrupted: the runtime refused a probe, or was lost.
    """
    narrowed = replace(live, inputs=tuple(map(_narrowed, live.inputs, foreign.inputs)))
    side = Side.of(live.spec.name, narrowed, training=False, seed=pair.seed)
    twin = pair.variants.in_float64(live)
    if isinstance(twin, Built) and twin.precision == "float64":
        side.add_float64(twin)
    # A file, or other code, may hold anything; Keras' own layers know no batch size.
    all_sizes = foreign.twin is None or may_broadcast((live, foreign.twin))
    batches = _batches(side, pair.seed, replace(PLANS[0], all_batch_sizes=all_sizes))
    if foreign.runtime.steps:
        batches = (calibrated_inputs(side, foreign, pair.seed),)
    sets = _weight_sets(foreign, side, transfer, pair)
    plan = [(kind, n) for kind in sets for n in (range(len(batches)) if kind in _MAIN else (0,))]
    if foreign.runtime.is_open and len(sets) > 1:
        plan = [(kind, n) for kind, n in plan if kind != SAVED or n == 0]
    stage.enter(f"running `{foreign.spec.name}` in {foreign.runtime.about.name}")
    runs, doubles = [], []
    held = None if foreign.runtime.is_open else SAVED
    is_wide = foreign.runtime.float64 != "none"
    for kind, n in plan:
        if kind != held:
            assign(foreign, sets[kind][1])
            held = kind
        outputs = _outputs(foreign, batches[n].inputs, float64=False)
        runs.append(RecordedRun(kind, n, {"traced_dynamic": outputs}, outputs))
        if is_wide:
            try:
                doubles.append(_outputs(foreign, batches[n].inputs, float64=True))
            except Interrupted:  # the model itself ran on the same batch
                is_wide = False
                continue
            # onnx's reference evaluator is wrong about some loops.
            if [one.shape for one in doubles[-1]] != [one.shape for one in outputs]:
                is_wide = False
    if is_wide:
        runs = [replace(run, float64=one) for run, one in zip(runs, doubles, strict=True)]
    dtypes = tuple(port.dtype for port in foreign.runtime.outputs)
    return Answers(
        weights={kind: values for kind, (values, _) in sets.items()},
        batches=batches,
        runs=tuple(runs),
        output_dtypes=dtypes,
        coarsest_dtype=max(
            (dtype for dtype in dtypes if dtype in ROUNDOFFS),
            key=ROUNDOFFS.__getitem__,
            default="float32",
        ),
        exact=is_wide,
        float32=None,
        assigned={kind: values for kind, (_, values) in sets.items() if values},
    )


def _weight_sets(
    foreign: Foreign, side: Side, transfer: Transfer, pair: Pair
) -> dict[str, tuple[Values, Values]]:
    """Return kind → the weights of the model of Keras here, and those of the other one."""
    own = tuple(side.working.values())
    if foreign.runtime.is_named:
        drawn = _drawn(side.working.slots(), own, given_weights(side.built), pair.seed)
        return {kind: (values, values) for kind, values in drawn.items()}
    if not foreign.runtime.is_open:
        return {SAVED: (own, ())}
    theirs = _values_of(foreign)
    if transfer.method == "none" or not transfer.candidate:
        return {SAVED: (own, theirs)}
    is_reference = pair.reference.spec.name == foreign.spec.name
    listed = [foreign.runtime.slots[position] for position in written_order(foreign)]
    slots = listed if is_reference else side.working.slots()
    start = theirs if is_reference else own
    given = given_weights(foreign if is_reference else side.built)
    sets = _drawn(slots, start, given, pair.seed)
    mine = own if is_reference else theirs
    pinned = given_weights(side.built if is_reference else foreign)
    carried = {
        kind: tuple(
            old if position in pinned else new
            for position, (old, new) in enumerate(
                zip(mine, transfer.carry(values, mine), strict=True)
            )
        )
        for kind, values in sets.items()
    }
    return {
        kind: (carried[kind], values) if is_reference else (values, carried[kind])
        for kind, values in sets.items()
    }


def _drawn(
    slots: Sequence[WeightSlot], start: Values, given: frozenset[int], seed: int
) -> dict[str, Values]:
    """Return kind → weights: the first ones, and drawn ones in the place of those not given."""
    sets = {SAVED: start}
    for kind in _DRAWN:
        sets[kind] = tuple(
            value
            if position in given or not slot.dtype.startswith("float")
            else draw_weight(slot, value, kind, generator(seed, "weights", kind, position)).astype(
                "float32"
            )
            for position, (slot, value) in enumerate(zip(slots, start, strict=True))
        )
    return sets


def _batches(side: Side, seed: int, plan: RecordingPlan) -> tuple[ProbeBatch, ...]:
    """Return the probes of one model, chosen as for a recording.

    Without those near the ends of float32's range: there, results depend on the order in which a
    runtime adds.
    """
    transfer = pair_model_weights(side.built, side.built, "by_order")
    alone = Examination(side, side, transfer, seed)
    base = ProbePlan(alone).base_length()
    alone.prepare(base)
    probes = RecordingProbes(alone, base)
    main = probes.main_batch(plan)
    own = alone.sets[0].reference
    # In working precision, rounding would look as if outputs depended on the rest of a batch.
    outcome = side.run(own, main.inputs, "float64", "traced_dynamic")
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


def _values_of(foreign: Foreign) -> Values:
    try:
        values = foreign.runtime.values()
        return tuple(values[position] for position in written_order(foreign))
    except RuntimeLostError as lost:
        raise _refused(foreign, (), loss(foreign.runtime.about, lost, "it was asked")) from lost


def assign(foreign: Foreign, values: Values) -> None:
    """Set the weights of a model: in written order, or in that of the model with its weights.

    Raises:
        Interrupted: the runtime refused them, or was lost.
    """
    if foreign.runtime.is_open:
        placed = sorted(zip(written_order(foreign), values, strict=True), key=lambda each: each[0])
        values = tuple(value for _, value in placed)
    try:
        foreign.runtime.assign(values)
    except RuntimeLostError as lost:
        raise _refused(foreign, (), loss(foreign.runtime.about, lost, "it got weights")) from lost
    except RuntimeAnswerError as error:
        raise _refused(foreign, (), refusal(foreign.runtime.about, error)) from error


def _outputs(foreign: Foreign, inputs: Sequence[Array], *, float64: bool) -> tuple[Array, ...]:
    try:
        outputs = foreign.runtime.run(inputs, float64=float64)
    except RuntimeLostError as lost:
        raise _refused(foreign, inputs, loss(foreign.runtime.about, lost, "it ran")) from lost
    except RuntimeAnswerError as error:
        raise _refused(foreign, inputs, refusal(foreign.runtime.about, error)) from error
    if foreign.spec.select is None:
        return outputs
    part = parse_select(foreign.spec.select)
    return tuple(np.asarray(output[part]) for output in outputs)


def _refused(foreign: Foreign, inputs: Sequence[Array], error: ModelError) -> Interrupted:
    shapes = tuple(array.shape for array in inputs)
    return Interrupted(
        CallRefusal(foreign.spec.name, "traced_dynamic", error, shapes, everywhere=True)
    )


# --- weights --------------------------------------------------------------------------------------


def refuse_without_weights(foreign: Foreign, live: Built, variants: ModelVariants) -> None:
    """Refuse a model whose weights are not saved, but drawn when it is built.

    Raises:
        ScenarioError: the model has weights that no file and no scenario gives.
    """
    if _has_own_weights(live, variants):
        return
    name, other = live.spec.name, foreign.spec.name
    raise ScenarioError(
        (
            Fault(
                Code.FIXED_MODEL,
                f"`{name}` has no saved weights, so it cannot run on the weights in `{other}`, "
                "with which that file was exported",
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
