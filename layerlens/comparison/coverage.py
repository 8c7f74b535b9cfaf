"""Find weights and layers whose faults the probes could not have detected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from layerlens.comparison.examination import Examination
from layerlens.comparison.nudges import Nudges
from layerlens.comparison.removals import unseen_layers
from layerlens.models.execute.input_domains import has_variable_axis
from layerlens.models.execute.receptive_field import receptive_field, whole_numbers_in
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import weight_variables
from layerlens.models.execute.weight_sets import moderate_sets
from layerlens.models.inspect.nested_layers import with_nested
from layerlens.numerics.arrays import Array
from layerlens.numerics.weight_transfer import Transfer
from layerlens.plain import stage
from layerlens.proof.influence import without_influence


@dataclass(frozen=True, slots=True)
class Coverage:
    """The weights and layers on which no observed output depends, in the models' order."""

    #: A fault in one of these could have gone undetected.
    unseen: tuple[str, ...] = ()
    #: Weights on which no output depends, whatever the input: this is proved.
    without_influence: tuple[str, ...] = ()


def coverage_of_probes(examination: Examination) -> Coverage:
    """Return what the observed outputs do not depend on, and what of it they cannot depend on."""
    stage.enter("checking which weights and layers the probes can see")
    found: list[str] = []
    proved: list[str] = []
    for side, names in zip(examination.sides, _unseen_by_probes(examination), strict=True):
        weights = {str(variable.path) for variable in weight_variables(side.built)}
        paths = weights.intersection(names)
        powerless = without_influence(side, paths, seed=examination.seed).paths
        found += [name for name in names if name not in powerless]
        proved += [name for name in names if name in powerless]
    return Coverage(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(proved)))


def with_kept_weights(coverage: Coverage, transfer: Transfer) -> Coverage:
    """Return the coverage where a mapping lets weights of the candidate keep their own values.

    They were tried with these values alone, so that others could make a difference, unless it is
    proved that they have no influence.
    """
    if transfer.method != "mapping":
        return coverage
    kept = (path for path in transfer.keeps_own if path not in coverage.without_influence)
    return replace(coverage, unseen=tuple(dict.fromkeys((*coverage.unseen, *kept))))


def _unseen_by_probes(examination: Examination) -> Iterator[tuple[str, ...]]:
    """Yield the weights and layers of each model on which no observed output depends."""
    main = examination.main
    seen = [one.batch for one in examination.observations if one.weights == main.kind]
    observed = {one.weights for one in examination.observations}
    drawn = [one for one in moderate_sets(examination.sets) if one.kind in observed]
    inputs = seen[0].inputs
    if examination.budget.is_heavy:
        inputs = tuple(array[: examination.budget.samples] for array in inputs)
    lengths = examination.lengths
    far_inputs = [batch.inputs for batch in lengths.far_batches]
    longest = max(seen, key=lambda batch: batch.inputs[0].shape[1:]).inputs
    tried = {
        axis: max(
            array.shape[axis]
            for one in far_inputs or [longest]
            for array in one
            if array.ndim > axis
        )
        for axis in lengths.reach.shortfall
    }
    is_heavy = examination.budget.is_heavy
    for side, values in (
        (examination.reference, [one.reference for one in drawn]),
        (examination.candidate, [one.candidate for one in drawn]),
    ):
        nudges = [Nudges(side, one, inputs, examination.seed) for one in values]
        # The gradient of a heavy model is computed once.
        far = (
            nudges[:1]
            if is_heavy and not far_inputs
            else [
                Nudges(side, values[0], given, examination.seed)
                for given in far_inputs or [longest]
            ]
        )
        yield (*unseen(nudges), *unseen_far(far, tried, lengths.longest))


def unseen_by(
    side: Side, sets: Sequence[Values], batches: Sequence[Sequence[Array]], seed: int
) -> tuple[str, ...]:
    """Return the weights and layers of one model on which no output on these inputs depends.

    The first batch has all kinds of probes, the others further lengths. Weights that are proved to
    have no influence on any input are left out.
    """
    stage.enter("checking which weights and layers the probes can see")
    longest = max(batches, key=lambda inputs: inputs[0].shape[1:])
    found = unseen([Nudges(side, values, batches[0], seed) for values in sets])
    tried: dict[int, int] = {}
    if has_variable_axis(side.built):
        lengths = longest[0].shape[1:]
        tried = {axis: int(n) for axis, n in enumerate(lengths, start=1)}
    far = unseen_far([Nudges(side, sets[0], longest, seed)], tried, max(tried.values(), default=0))
    names = tuple(dict.fromkeys((*found, *far)))
    paths = {str(variable.path) for variable in weight_variables(side.built)}
    powerless = without_influence(side, paths.intersection(names), seed=seed).paths
    return tuple(name for name in names if name not in powerless)


def unseen(nudges: Sequence[Nudges]) -> tuple[str, ...]:
    """Return the weights and layers of one model on which its outputs do not depend.

    The `nudges` are those of one model on one batch, with several sets of weights. Each weight is
    perturbed alone: with one of the sets, an output has to change by more than rounding. Each layer
    without weights that keeps its shape is removed: the output has to change, unless the layer is
    the identity on any input. What the limits of `effort` leave unexamined counts as unseen.
    """
    first = nudges[0]
    sets = [one.values for one in nudges]
    return (*_unseen_weights(nudges), *unseen_layers(first.side, sets, first.inputs))


def _unseen_weights(nudges: Sequence[Nudges]) -> Iterator[str]:
    side = nudges[0].side
    runner = side.float64.keras
    remaining: dict[int, str] = {}
    for position, slot in enumerate(side.float64.slots()):
        if side.training and runner is not None and not runner.variables[position].trainable:
            continue  # a statistic that training only writes
        if slot.dtype.startswith(("float", "bfloat")) and 0 not in slot.shape:
            remaining[position] = slot.path
    for one in nudges:
        for position in one.shown(remaining):
            del remaining[position]
    yield from remaining.values()


def unseen_far(nudges: Sequence[Nudges], tried: Mapping[int, int], near: int) -> Iterator[str]:
    """Yield the weights and layers of one model whose far steps no probe reached.

    Where the corners of a kernel are `near` input steps or more apart, each corner is perturbed
    alone, on the batches of the `nudges`, those of the greatest lengths. A layer that looks across
    more steps than were `tried` (by axis) was not covered as a whole.
    """
    side = nudges[0].side
    for row in receptive_field(side.float64.built).layers:
        if max(row.own.values(), default=0) < near:
            continue
        found = [
            path
            for position, path, corners in _kernels(side, row.layer)
            for corner in corners
            if not any(one.clearly_changes(position, corner) for one in nudges)
            and not any(one.left > 0 and one.changes([position], corner) for one in nudges)
        ]
        yield from dict.fromkeys(found)
        if not found and any(
            row.own[axis] and row.total[axis] > length
            for axis, length in tried.items()
            if axis in row.own
        ):
            yield str(row.layer.name)


def _kernels(side: Side, layer: Any) -> Iterator[tuple[int, str, list[tuple[Any, ...]]]]:
    """Yield the position, path and corner indices of each kernel of a layer."""
    runner = side.float64.keras
    variables = runner.variables if runner is not None else ()
    positions = {id(variable): n for n, variable in enumerate(variables)}
    for held in with_nested(layer):
        size = tuple(whole_numbers_in(getattr(held, "kernel_size", ())))  # a user's may be one int
        for variable in getattr(held, "_trainable_variables", ()) if size else ():
            position = positions.get(id(variable))
            if position is not None and tuple(variable.shape[: len(size)]) == size:
                ends = [(0, -1) if n > 1 else (slice(None),) for n in size]
                yield position, str(variable.path), list(product(*ends))
