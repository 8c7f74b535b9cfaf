"""Certify that two models compute one function: the segments in which they differ, or all of it.

Equal layers with equal inputs are matched from the inputs and from the outputs. The segments
between them are run in float64 on whole numbers small enough that every sum is exact: two different
polynomials of degree d agree on a draw from a set of S numbers with a probability of at most d / S
(Schwartz 1980, Zippel 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import ceil, floor, lcm, log, prod
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from layerlens.models.execute.graph_rewriting import runnable
from layerlens.models.execute.side import Side
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.numerics.arrays import Float
from layerlens.numerics.probes import generator
from layerlens.numerics.weight_transfer import Transfer
from layerlens.proof.expressions import Numbering, Step, Value, express, is_graph
from layerlens.proof.graphs import Unproved, prove_graphs
from layerlens.proof.one_hot import choices, is_looked_up, looked_up
from layerlens.proof.polynomials import DRAW_LIMIT, EXACT, Growth, activation_host
from layerlens.proof.segments import (
    Goal,
    Segment,
    Start,
    from_shared,
    from_the_last_other,
    numbers_in,
    open_goals,
    unit_variances,
)
from layerlens.proof.shared_prefix import has_same_weights, variable_names
from layerlens.proof.sizes import (
    ERROR_BOUND,
    VARIABLE_SIZES,
    beyond_all_layers,
    lengths_text,
    variable_sizes,
    with_lengths,
)
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import InputSpec

MAX_DRAWS = 48
#: The greatest number of scalars in the inputs of a segment, and in its weights.
MAX_INPUTS, MAX_PARAMS = 4_000_000, 40_000_000
FIXED_SIZE: tuple[tuple[int, int], ...] = ((2, 0),)

Run = Callable[..., Sequence[Any]]


def certify(
    reference: Side, candidate: Side, transfer: Transfer, *, seed: int
) -> CertificateRow | Unproved:
    """Return a certificate that both compute one function in inference, or why there is none.

    The segments in which the models differ are tried first, then the whole graphs. That there is
    none does not mean that they differ. The float64 models of both sides have other weights
    afterwards.
    """
    row = certify_segments(reference, candidate, transfer, seed=seed)
    return row or prove_graphs(reference, candidate, transfer, seed=seed)


def certify_segments(
    reference: Side, candidate: Side, transfer: Transfer, *, seed: int
) -> CertificateRow | None:
    """Return a certificate that what differs computes one polynomial, or that nothing differs."""
    if not (_may_be_certified(reference) and _may_be_certified(candidate)):
        return None
    if [_form(s) for s in reference.built.inputs] != [_form(s) for s in candidate.built.inputs]:
        return None
    if not has_same_weights(candidate.built, transfer):
        return None
    if not all(is_graph(side.float64.built.model) for side in (reference, candidate)):
        return None
    numbering = Numbering()
    names = variable_names(reference.float64.built, candidate.float64.built, transfer)
    reference_outputs, candidate_outputs = (
        express(side.float64.built.model, numbering, names, side.built.spec.select)
        for side in (reference, candidate)
    )
    if len(reference_outputs) != len(candidate_outputs):
        return None
    beyond = beyond_all_layers(reference.built, candidate.built)
    if beyond is None:
        return None  # no affordable length is as long as the receptive fields
    tried: list[Segment] = []
    for goals, is_variable in _attempts(
        list(zip(reference_outputs, candidate_outputs, strict=True))
    ):
        if not goals:
            return CertificateRow("none: both are the same computation", 0, 0, 0.0, "identical")
        segment = Segment(goals, is_variable, names)
        if any(segment.is_like(other) for other in tried):
            continue
        tried.append(segment)
        row = _prove(segment, reference.built.inputs, beyond, seed)
        for side in (reference, candidate):
            side.forget()
        if row is not None:
            return row
    return None


def _attempts(pairs: list[Goal]) -> Iterator[tuple[list[Goal], Start]]:
    """Yield the goals to prove and where to start: for the smallest segment, then for larger ones.

    Segments that differ may be equal together with the layers around them, as where zeros are
    padded and then cropped. Layers around a segment can be included as far as they are polynomials.
    """
    shared = numbers_in([one for one, _ in pairs]) & numbers_in([other for _, other in pairs])
    for is_variable in (from_shared(shared), from_the_last_other(shared)):
        for up_to_polynomials in (False, True):
            goals = open_goals(list(pairs), is_variable, up_to_polynomials=up_to_polynomials)
            if goals is not None:
                yield goals, is_variable


# --- what may be certified ------------------------------------------------------------------------


def _may_be_certified(side: Side) -> bool:
    """Return whether a float64 run is valid for a model: inference, in full precision."""
    if side.training or not side.is_exact:
        return False
    working, double = (list(flat_layers(r.built.model)) for r in (side.working, side.float64))
    return len(working) == len(double) and all(
        type(one) is type(other) and _is_full_precision(one)
        for one, other in zip(working, double, strict=True)
    )


def _is_full_precision(layer: Any) -> bool:
    dtypes = {str(layer.compute_dtype), str(layer.variable_dtype)}
    return all(not d.startswith(("float", "bfloat")) or d in ("float32", "float64") for d in dtypes)


def _form(spec: Any) -> tuple[Any, str]:
    return (spec.shape, spec.dtype)


@dataclass(frozen=True, slots=True)
class _Draws:
    """Whole numbers to draw: `count` times from -reach to reach, multiplied by `unit`."""

    reach: int
    unit: int
    count: int
    degree: int

    @property
    def error_bound(self) -> float:
        return float((self.degree / (2 * self.reach + 1)) ** self.count)


def planned(growths: Sequence[Growth]) -> _Draws | None:
    """Return the widest draws that stay exact, as many as ERROR_BOUND needs; None if too many."""
    unit = lcm(*(growth.divisor for growth in growths))
    reach = DRAW_LIMIT
    for growth in growths:
        if growth.terms >= EXACT:
            return None
        if growth.degree:
            widest = (EXACT / growth.terms) ** (1 / growth.degree) * (1 - 1e-9)
            reach = min(reach, floor(widest / unit))
    degree = max(growth.degree for growth in growths)
    if reach < 1 or degree >= 2 * reach + 1:
        return None
    count = max(1, ceil(log(ERROR_BOUND) / log(degree / (2 * reach + 1))))
    return _Draws(reach, unit, count, degree) if count <= MAX_DRAWS else None


def _prove(
    segment: Segment, inputs: Sequence[InputSpec], beyond: int, seed: int
) -> CertificateRow | None:
    growths = segment.growths()
    draws = None if growths is None else planned(growths)
    vocabularies = segment.vocabularies()
    if draws is None or vocabularies is None or not _is_affordable(segment, vocabularies):
        return None
    scales = unit_variances(segment)
    if scales is None or not _declared_within(inputs, vocabularies):
        return None
    plan = _Plan(segment, draws, scales, vocabularies)
    with _without_activations(segment.steps):
        run = _runnable(plan)
        for sizes in variable_sizes(beyond) if segment.has_open_axes else (FIXED_SIZE,):
            agreed = _agree_at_all_sizes(plan, run, sizes, seed)
            if agreed is None:
                continue  # perhaps too short for one of the layers
            return _row(plan, sizes) if agreed else None
    return None


def _agree_at_all_sizes(
    plan: _Plan, run: Run, sizes: Sequence[tuple[int, int]], seed: int
) -> bool | None:
    """Return whether both agree at all sizes; None where the first is refused."""
    for position, size in enumerate(sizes):
        agree = _agree_at(plan, run, size, seed)
        if not agree:
            return None if agree is None and position == 0 else False
    return True


def _row(plan: _Plan, sizes: Sequence[tuple[int, int]]) -> CertificateRow:
    text, draws = str(plan.segment), plan.draws
    if plan.segment.has_open_axes:
        text = f"{text}, at lengths {lengths_text(sizes)}"
    return CertificateRow(text, draws.degree, draws.count, draws.error_bound)


def _declared_within(inputs: Sequence[InputSpec], vocabularies: Mapping[int, int]) -> bool:
    """Return whether the declared ranges of integer inputs are within the vocabularies."""
    least = min(vocabularies.values(), default=0)
    return not vocabularies or all(
        (given.low or 0) >= 0 and (given.high is None or given.high <= least)
        for given in inputs
        if given.is_integer
    )


def _is_affordable(segment: Segment, vocabularies: Mapping[int, int]) -> bool:
    inputs = sum(
        prod(VARIABLE_SIZES[0][0][1] if n is None else n for n in value.shape[1:])
        * vocabularies.get(number, 1)
        for number, value in segment.variables.items()
    )
    params = sum(prod(int(n) for n in variable.shape) for variable in segment.weights())
    return inputs <= MAX_INPUTS and params <= MAX_PARAMS


# --- running --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    """A segment to run, with its draws, the values of variances, and its vocabularies."""

    segment: Segment
    draws: _Draws
    scales: Mapping[Hashable, float]
    vocabularies: Mapping[int, int]

    def one_hot_axis(self, number: int) -> tuple[int, ...]:
        """Return the additional axis of an integer input that is drawn as one-hot rows."""
        return (self.vocabularies[number],) if number in self.vocabularies else ()


def _agree_at(plan: _Plan, run: Run, size: tuple[int, int], seed: int) -> bool | None:
    """Return whether both agree bit for bit on every draw; None where Keras refuses the length."""
    segment, rng = plan.segment, generator(seed, "certificate", *size)
    for _ in range(plan.draws.count):
        drawn = _DrawnNumbers(plan.draws, rng)
        _assign(plan, drawn)
        started = [
            drawn.of(
                ("variable", number), (*_drawn_shape(value, *size), *plan.one_hot_axis(number))
            )
            for number, value in segment.variables.items()
        ]
        try:
            results = [np.asarray(result) for result in run(*started)]
            lookups_hold = all(
                is_looked_up(layer, _drawn_shape(value, *size), value.dtype, rng)
                for layer, value in segment.lookups()
            )
        except Exception:  # whatever Keras or TensorFlow raises is a refusal: no certificate
            return None
        if not all(result.size for result in results):
            return None  # nothing is compared
        half = len(results) // 2
        alike = all(map(np.array_equal, results[:half], results[half:]))
        if not (alike and lookups_hold):
            return False
    return True


@dataclass(frozen=True, slots=True)
class _DrawnNumbers:
    """The whole numbers of one draw, independent for each variable and each weight."""

    draws: _Draws
    rng: np.random.Generator
    _drawn: dict[Hashable, Float] = field(default_factory=dict)

    def of(self, name: Hashable, shape: Sequence[int]) -> Float:
        # Kept flat, so that a weight transferred by reshaping has the same numbers.
        if name not in self._drawn:
            reach = self.draws.reach
            whole = self.rng.integers(-reach, reach + 1, prod(shape))
            self._drawn[name] = whole.astype(np.float64) * self.draws.unit
        return np.reshape(self._drawn[name], shape)


def _assign(plan: _Plan, drawn: _DrawnNumbers) -> None:
    for variable in plan.segment.weights():
        name, shape = plan.segment.names[id(variable)], tuple(int(n) for n in variable.shape)
        if name in plan.scales:
            variable.assign(np.full(shape, plan.scales[name]))
        else:
            variable.assign(drawn.of(name, shape))


def _runnable(plan: _Plan) -> Run:
    """Return a function for the values at the goals: the reference's, then the candidate's.

    Where axes are variable it is traced with unknown ones, as in `predict` and `fit`, since a layer
    may compute something different then.
    """
    segment = plan.segment
    if not segment.has_open_axes:
        return lambda *arrays: _evaluate(segment, [tf.constant(array) for array in arrays])
    function = tf.function(lambda *tensors: _evaluate(segment, tensors), autograph=False)
    signature = [
        tf.TensorSpec((*value.shape, *plan.one_hot_axis(number)), tf.float64)
        for number, value in segment.variables.items()
    ]
    traced: list[Any] = []

    def run(*arrays: Float) -> Sequence[Any]:
        if not traced:
            traced.append(runnable(function.get_concrete_function(*signature)))
        result: Sequence[Any] = traced[0](*(tf.constant(array) for array in arrays))
        return result

    return run


def _evaluate(segment: Segment, started: Sequence[Any]) -> list[Any]:
    """Evaluate both segments.

    Raises:
        TypeError: a tensor is not float64.
    """
    variables = dict(zip(segment.variables, started, strict=True))
    known: dict[int, Any] = {}
    for values in segment.sides:
        for value in values:
            if segment.starts_with(value):
                known[id(value)] = variables[value.number]
            elif id(value) not in known:
                assert value.step is not None
                result = _apply(value.step, [known[id(v)] for v in value.step.inputs])
                if result.dtype != tf.float64:
                    raise TypeError(f"`{value.step.name}` computes in {result.dtype.name}")
                known[id(value)] = result
    return [known[id(goal[side])] for side in (0, 1) for goal in segment.goals]


def _apply(step: Step, inputs: Sequence[Any]) -> Any:
    if step.kind == "select":
        assert step.select is not None
        return inputs[0][parse_select(step.select)]
    if choices(step.layer) is not None:
        return looked_up(step.layer, inputs[0])
    return step.layer(list(inputs) if step.listed else inputs[0])


def _drawn_shape(value: Value, samples: int, length: int) -> tuple[int, ...]:
    """Return a shape to draw; where several axes are variable, their lengths differ."""
    batch, *rest = value.shape
    return (samples if batch is None else batch, *with_lengths(rest, length))


@contextmanager
def _without_activations(steps: Sequence[Step]) -> Iterator[None]:
    """Context manager that replaces the activations of linear steps, and restores them."""
    with ExitStack() as put_back:
        for step in steps:
            host = activation_host(step.layer) if step.kind == "linear" else None
            if host is not None:
                put_back.callback(setattr, host, "activation", host.activation)
                host.activation = keras.activations.linear
        yield
