"""The segment in which two models differ, found from both ends."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from layerlens.models.inspect.nested_layers import with_nested
from layerlens.proof.expressions import Step, Value
from layerlens.proof.one_hot import choices
from layerlens.proof.polynomials import (
    VARIABLE,
    Growth,
    activation_host,
    growth_of,
    ignores_masks,
    is_beyond_exact,
    is_exactly,
    is_linear,
)

#: Two values that have yet to be shown equal: the reference's and the candidate's.
Goal = tuple[Value, Value]
#: Returns whether a value is a variable at which a segment starts.
Start = Callable[[Value], bool]


def numbers_in(values: Sequence[Value]) -> set[int]:
    return {value.number for value in _cone(values, lambda value: False)}


def _cone(values: Sequence[Value], is_variable: Start) -> list[Value]:
    """Return all values that these are computed from, in topological order."""
    done: dict[int, Value] = {}
    stack = [(value, False) for value in values]
    while stack:
        value, ready = stack.pop()
        if id(value) in done:
            continue
        if ready or value.step is None or is_variable(value):
            done[id(value)] = value
            continue
        stack.append((value, True))
        stack.extend((given, False) for given in value.step.inputs)
    return list(done.values())


def from_shared(shared: set[int]) -> Start:
    return lambda value: value.number in shared


def from_the_last_other(shared: set[int]) -> Start:
    return lambda value: value.number in shared and not _is_polynomial(value)


def open_goals(
    pairs: list[Goal], is_variable: Start, *, up_to_polynomials: bool = False
) -> list[Goal] | None:
    """Return the pairs of values that have yet to be shown equal; None where one cannot be.

    Equal steps give equal values for equal inputs, so each pair moves towards the inputs while the
    steps are equal, or with `up_to_polynomials` only until it is a polynomial of the variables.
    """
    goals: list[Goal] = []
    provable = _Provable(is_variable)
    seen: set[tuple[int, int]] = set()
    while pairs:
        one, other = pairs.pop()
        # The number of paths to a pair may double with every step: visit each pair once.
        if one.number == other.number or (id(one), id(other)) in seen:
            continue
        seen.add((id(one), id(other)))
        inputs = _paired_inputs(one, other)
        if (up_to_polynomials or inputs is None) and provable.both(one, other):
            goals.append((one, other))
        elif inputs is not None:
            pairs.extend(inputs)
        else:
            return None
    return goals


class _Provable:
    """Finds out which values are polynomials of the variables of a segment, each once."""

    def __init__(self, is_variable: Start) -> None:
        self.is_variable = is_variable
        self._known: dict[int, bool] = {}

    def both(self, one: Value, other: Value) -> bool:
        known = self._known
        for value in _cone(
            (one, other), lambda value: id(value) in known or self.is_variable(value)
        ):
            if id(value) not in known:
                known[id(value)] = self.is_variable(value) or (
                    value.step is not None
                    and all(known[id(given)] for given in value.step.inputs)
                    and _is_polynomial(value)
                )
        return known[id(one)] and known[id(other)]


def _paired_inputs(one: Value, other: Value) -> list[Goal] | None:
    """Return the pairs of inputs of two steps that are equal otherwise; None where they are not."""
    reference, candidate = one.step, other.step
    if reference is None or candidate is None or reference.signature is None:
        return None
    ignores_mask = reference.kind in ("activation", "select") or ignores_masks(reference.layer)
    same = (
        reference.signature == candidate.signature
        and one.index == other.index
        and len(reference.inputs) == len(candidate.inputs)
        and all(
            a.shape == b.shape and a.dtype == b.dtype and (ignores_mask or a.mask == b.mask)
            for a, b in zip(reference.inputs, candidate.inputs, strict=True)
        )
    )
    return list(zip(reference.inputs, candidate.inputs, strict=True)) if same else None


def _is_polynomial(value: Value) -> bool:
    if value.step is None:
        return False
    return _growth(value.step, [VARIABLE] * len(value.step.inputs)) is not None


def _growth(step: Step, inputs: Sequence[Growth]) -> Growth | None:
    if step.kind == "select":
        return inputs[0]
    if step.kind not in ("layer", "linear") or step.signature is None:
        return None
    host = activation_host(step.layer)
    if host is not None and step.kind != "linear" and not is_linear(host.activation):
        return None
    return growth_of(
        step.layer,
        inputs,
        [value.shape for value in step.inputs],
        masked=any(value.mask is not None for value in step.inputs),
    )


# --- the segment ----------------------------------------------------------------------------------


class Segment:
    """The goals to prove, with the steps that compute them in both models from the variables."""

    def __init__(
        self,
        goals: Sequence[Goal],
        is_variable: Start,
        names: Mapping[int, Hashable],
    ) -> None:
        self.goals = goals
        self.is_variable = is_variable
        self.names = names
        self.sides = tuple(_cone([goal[side] for goal in goals], is_variable) for side in (0, 1))

    @property
    def steps(self) -> list[Step]:
        """Return every step of either model once, in an order in which they can be run."""
        ordered: dict[int, Step] = {}
        for values in self.sides:
            for value in values:
                if not self.starts_with(value):
                    assert value.step is not None
                    ordered.setdefault(id(value.step), value.step)
        return list(ordered.values())

    @property
    def variables(self) -> dict[int, Value]:
        """Return the values at which the segment starts, by number."""
        return {
            value.number: value
            for values in self.sides
            for value in values
            if self.starts_with(value)
        }

    @property
    def has_open_axes(self) -> bool:
        return any(None in value.shape[1:] for value in self.variables.values())

    def is_like(self, other: Segment) -> bool:
        """Return whether another segment starts and ends at the same values."""
        ends = [{(a.number, b.number) for a, b in segment.goals} for segment in (self, other)]
        return ends[0] == ends[1] and self.variables.keys() == other.variables.keys()

    def starts_with(self, value: Value) -> bool:
        return value.step is None or self.is_variable(value)

    def weights(self) -> list[Any]:
        """Return the Keras variables of the steps, each once."""
        layers = [step.layer for step in self.steps if step.layer is not None]
        return list({id(v): v for layer in layers for v in layer.weights}.values())

    def growths(self) -> list[Growth] | None:
        """Return the growth of each value; None where one is no polynomial or cannot be exact.

        It stops at the first such value, since the degree, and with it the number of digits of the
        bound, doubles with every squaring.
        """
        known: dict[int, Growth] = {}
        for values in self.sides:
            for value in values:
                if self.starts_with(value):
                    known[id(value)] = VARIABLE
                    continue
                assert value.step is not None
                grown = _growth(value.step, [known[id(v)] for v in value.step.inputs])
                if grown is None or is_beyond_exact(grown):
                    return None
                known[id(value)] = grown
        return list(known.values())

    def vocabularies(self) -> dict[int, int] | None:
        """Return the vocabulary size of each integer input, by the input's number.

        None where one is used for something besides look-ups in vocabularies of one size.
        """
        found: dict[int, int] = {}
        for step in self.steps:
            count = choices(step.layer) if step.kind == "layer" else None
            for value in step.inputs:
                if _is_floating(value) == (count is not None):
                    return None
                if count is None:
                    continue
                if value.step is not None or found.setdefault(value.number, count) != count:
                    return None
        numbers = self.variables.items()
        is_complete = all(_is_floating(value) or number in found for number, value in numbers)
        return found if is_complete else None

    def lookups(self) -> list[tuple[Any, Value]]:
        """Return the layers that look up numbers, each with its input."""
        layers = ((step.layer, step.inputs[0]) for step in self.steps if step.kind == "layer")
        return [(layer, value) for layer, value in layers if choices(layer) is not None]

    def __str__(self) -> str:
        parts = []
        for values in self.sides:
            steps = {id(v.step): v.step for v in values if not self.starts_with(v)}
            names = [f"`{step.name}`" for step in steps.values() if step is not None]
            parts.append(", ".join(names) or "nothing")
        return f"{parts[0]} against {parts[1]}"


def _is_floating(value: Value) -> bool:
    return value.dtype in ("float32", "float64")


def unit_variances(segment: Segment) -> dict[Hashable, float] | None:
    """Return the variance to set for each BatchNormalization, so that it scales by 1.

    This is valid where both models normalize by the same variance and epsilon, always times the
    same gamma, and use neither elsewhere: then scale and gamma act as one variable. Otherwise None
    is returned.
    """
    found: list[set[tuple[Hashable, Hashable, float]]] = []
    others: set[Hashable] = set()
    for values in segment.sides:
        normalizations: set[tuple[Hashable, Hashable, float]] = set()
        for step in {id(v.step): v.step for v in values if not segment.starts_with(v)}.values():
            if step is None or step.layer is None:
                continue
            taken: set[Hashable] = set()
            for layer in with_nested(step.layer):
                if is_exactly(layer, "BatchNormalization"):
                    gamma, variance = (
                        segment.names[id(v)] for v in (layer.gamma, layer.moving_variance)
                    )
                    normalizations.add((gamma, variance, float(layer.epsilon)))
                    taken |= {gamma, variance}
                    added = (layer.beta, layer.moving_mean)
                    others |= {segment.names[id(v)] for v in added if v is not None}
            others |= {segment.names[id(v)] for v in step.layer.weights} - taken
        found.append(normalizations)
    gammas = {gamma for gamma, _, _ in found[0]}
    variances = {variance: epsilon for _, variance, epsilon in found[0]}
    single = len(gammas) == len(variances) == len(found[0])
    if found[0] != found[1] or not single or others & (gammas | variances.keys()):
        return None
    exact = all((1.0 - epsilon) + epsilon == 1.0 for epsilon in variances.values())
    return {v: 1.0 - epsilon for v, epsilon in variances.items()} if exact else None
