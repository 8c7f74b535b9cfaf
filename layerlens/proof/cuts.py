"""Cut out of two models what differs: between tensors that both share and pairs to be shown equal.

Both models are numbered (`expressions`). From the inputs, tensors with equal numbers are shared;
from the outputs, pairs of equal calls are followed back to the first that differ. What lies between
is a function of the shared tensors in either model; if these two functions are equal for all values
of the shared tensors, so are the models.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import keras

from layerlens.models.execute.receptive_field import PartCall
from layerlens.proof.expressions import Step, Value, is_mask
from layerlens.proof.keras_layers import activation_host, ignores_masks
from layerlens.scenario.slices import parse_select

#: Two tensors that have yet to be shown equal: the reference's and the candidate's.
Goal = tuple[Value, Value]
#: Returns whether a part starts at a tensor.
Start = Callable[[Value], bool]

#: Operations of `keras.ops` that are not defined for every number.
_QUOTIENTS = frozenset({"Divide", "FloorDivide", "Mod", "TrueDivide"})
_PARTIAL = _QUOTIENTS | {
    *("Arccos", "Arccosh", "Arcsin", "Arctanh", "Erfinv", "Log", "Log10", "Log1p", "Log2"),
    *("Cholesky", "Inv", "Power", "Reciprocal", "Rsqrt", "Solve", "Sqrt", "Tan"),
}
#: Layers that divide by the number of steps that are not masked, which may be none.
_AVERAGES = frozenset({"GlobalAveragePooling1D"})

#: So many calls around what differs are taken in where the whole models are too large.
AROUND = 3


@dataclass(frozen=True)
class Cut:
    """What differs between two models, as a part of each; `reference` is 0 and `candidate` 1."""

    goals: tuple[Goal, ...]
    #: The tensors at which both parts start, as each model has them, in the same order.
    starts: tuple[Goal, ...]
    #: The tensors of either part, each behind those that it is computed from.
    parts: tuple[tuple[Value, ...], tuple[Value, ...]]

    def steps(self, side: int) -> list[Step]:
        """Return the calls of one part, each once."""
        numbers = {start[side].number for start in self.starts}
        steps = [v.step for v in self.parts[side] if v.number not in numbers and v.step is not None]
        return list({id(step): step for step in steps}.values())

    def calls_of(self, side: int) -> list[PartCall]:
        """Return the calls of one part with the numbers of their tensors, in their order."""
        results: dict[int, dict[int, int]] = {}
        for value in self.parts[side]:
            results.setdefault(id(value.step), {})[value.index] = value.number
        return [
            PartCall(
                step.node,
                step.tensors,
                tuple(value.number for value in step.inputs),
                results[id(step)],
                step.select,
            )
            for step in self.steps(side)
        ]

    def layers(self, side: int) -> list[Any]:
        """Return the layers that one part calls, each once."""
        layers = (step.layer for step in self.steps(side))
        return list({id(layer): layer for layer in layers if layer is not None}.values())

    @property
    def calls(self) -> int:
        """The number of calls in the larger part."""
        return max(len(self.steps(side)) for side in (0, 1))

    def __str__(self) -> str:
        names = []
        for side in (0, 1):
            called = dict.fromkeys(f"`{step.name}`" for step in self.steps(side))
            names.append(_listed(list(called)) or "nothing")
        return " against ".join(names)


def _listed(names: Sequence[str]) -> str:
    """Name some layers; of many, the first and the last."""
    if len(names) <= 4:
        return ", ".join(names)
    return f"{names[0]}, {names[1]}, ... {names[-1]} ({len(names)} layers)"


def cut_between(pairs: Sequence[Goal], *, around: int = 0) -> Cut | None:
    """Return what differs, with so many calls around it; None where it cannot be cut out.

    `pairs` are the outputs of both models. Where all are equal, there are no goals.
    """
    shared = _numbers([one for one, _ in pairs]) & _numbers([other for _, other in pairs])
    goals = _Pairs(shared).goals([pair for pair in pairs if _differs(pair)], around)
    for _ in range(around):
        starts = _starts(goals, shared)
        shared = shared - {one.number for one, _ in starts if one.step is not None}
    starts = _starts(goals, shared)
    parts = tuple(_cone([goal[side] for goal in goals], _within(shared)) for side in (0, 1))
    cut = Cut(tuple(goals), tuple(starts), (tuple(parts[0]), tuple(parts[1])))
    fits = all(map(_is_alike, starts)) and _is_whole(cut) and _are_always_defined(starts)
    return cut if fits else None


def calls_behind(outputs: Sequence[Value]) -> int:
    """Return how many calls compute these outputs."""
    cone = _cone(outputs, lambda value: False)
    return len({id(value.step) for value in cone if value.step is not None})


def _differs(pair: Goal) -> bool:
    return pair[0].number != pair[1].number


def _within(shared: Collection[int]) -> Start:
    return lambda value: value.number in shared or value.step is None


def _numbers(values: Sequence[Value]) -> set[int]:
    return {value.number for value in _cone(values, lambda value: False)}


def _cone(values: Sequence[Value], is_start: Start) -> list[Value]:
    """Return all values that these are computed from, in topological order."""
    done: dict[int, Value] = {}
    stack = [(value, False) for value in values]
    while stack:
        value, ready = stack.pop()
        if id(value) in done:
            continue
        if ready or value.step is None or is_start(value):
            done[id(value)] = value
            continue
        stack.append((value, True))
        stack.extend((given, False) for given in value.step.inputs)
    return list(done.values())


def _starts(goals: Sequence[Goal], shared: Collection[int]) -> list[Goal]:
    """Return the tensors at which parts start that end at these goals."""
    found: tuple[dict[int, Value], dict[int, Value]] = {}, {}
    is_start = _within(shared)
    for side in (0, 1):
        for value in _cone([goal[side] for goal in goals], is_start):
            if is_start(value):
                found[side].setdefault(value.number, value)
    numbers = dict.fromkeys([*found[0], *found[1]])
    # What one part alone needs has the same values in the other model.
    return [
        (found[0].get(number) or found[1][number], found[1].get(number) or found[0][number])
        for number in numbers
    ]


def _is_alike(start: Goal) -> bool:
    """Return whether Keras announces a shared tensor alike in both models."""
    one, other = start
    return one.shape == other.shape and one.dtype == other.dtype


def _are_always_defined(starts: Sequence[Goal]) -> bool:
    """Return whether shared tensors are numbers whatever the inputs are, as parts take them to be.

    `where(isnan(x), 0, x)` and `0 * x` are x and 0 for every number x, but not for the root of -1.
    """
    above = _cone([value for start in starts for value in start], lambda value: False)
    return not any(value.step is not None and _may_be_undefined(value.step) for value in above)


def _may_be_undefined(step: Step) -> bool:
    """Return whether a call may divide by zero, or take a function where it is not defined."""
    name = type(step.layer).__name__
    if name in _AVERAGES:
        return any(value.mask is not None for value in step.inputs)
    if name not in _PARTIAL or step.node is None:
        return False
    given = [*step.node.arguments.args, *step.node.arguments.kwargs.values()]
    # A tensor over a number, or to a whole power, is a number.
    number = given[1] if len(given) > 1 else None
    if not isinstance(number, int | float) or isinstance(number, bool) or number == 0:
        return True
    is_whole_power = number > 0 and float(number).is_integer()
    return not (name in _QUOTIENTS or (name == "Power" and is_whole_power))


def _is_whole(cut: Cut) -> bool:
    """Return whether both parts can be called on their own: nothing that is cut away is needed.

    A mask of a tensor at which the parts start is cut away, and so is one of a call left out.
    """
    numbers = {start[0].number for start in cut.starts}
    for side in (0, 1):
        for value in cut.parts[side]:
            if value.number not in numbers and not _is_callable(value.step):
                return False
        loses_masks = any(
            value.mask is not None and (value.number in numbers or not value.makes_mask)
            for value in cut.parts[side]
        )
        if loses_masks and not all(map(_needs_no_mask, cut.steps(side))):
            return False
    return True


def _is_callable(step: Step | None) -> bool:
    return step is not None and step.signature is not None


def _needs_no_mask(step: Step) -> bool:
    return (
        step.kind in ("activation", "select")
        or all(value.mask is None for value in step.inputs)
        or ignores_masks(step.layer)
    )


# --- back from the outputs ------------------------------------------------------------------------


@dataclass
class _Pairs:
    """Pairs of values, followed back through equal calls."""

    shared: Collection[int]
    _behind: dict[tuple[int, int], list[Goal] | None] = field(default_factory=dict)

    def goals(self, pairs: Sequence[Goal], around: int) -> list[Goal]:
        """Return the pairs to show equal: the first that differ, or so many calls behind them."""
        heights = self._heights(pairs)
        goals: dict[tuple[int, int], Goal] = {}
        waiting, seen = list(pairs), set()
        while waiting:
            pair = waiting.pop()
            key = _key(pair)
            if key in seen:
                continue
            seen.add(key)
            behind = self.behind(pair)
            if behind is None or heights[key] <= around:
                goals[key] = pair
            else:
                waiting.extend(behind)
        return list(goals.values())

    def _heights(self, pairs: Sequence[Goal]) -> dict[tuple[int, int], int]:
        """Return how many calls lie at most between each pair and the first that differ."""
        heights: dict[tuple[int, int], int] = {}
        stack = [(pair, False) for pair in pairs]
        while stack:
            pair, ready = stack.pop()
            if _key(pair) in heights:
                continue
            behind = self.behind(pair)
            if behind is None:
                heights[_key(pair)] = 0
            elif ready:
                heights[_key(pair)] = 1 + max(heights[_key(one)] for one in behind)
            else:
                stack.append((pair, True))
                stack.extend((one, False) for one in behind)
        return heights

    def behind(self, pair: Goal) -> list[Goal] | None:
        """Return the pairs that make a pair equal if they are; None where there are none."""
        key = _key(pair)
        if key not in self._behind:
            self._behind[key] = self._inputs(pair)
        return self._behind[key]

    def _inputs(self, pair: Goal) -> list[Goal] | None:
        """Return the pairs of inputs that differ, of two calls that are equal otherwise.

        None where the calls differ, or where they take what both models have in another order.
        """
        one, other = pair
        reference, candidate = one.step, other.step
        if reference is None or candidate is None or reference.signature is None:
            return None
        ignores_mask = reference.kind in ("activation", "select") or ignores_masks(reference.layer)
        if not (
            reference.signature == candidate.signature
            and one.index == other.index
            and len(reference.inputs) == len(candidate.inputs)
            and all(
                a.shape == b.shape and a.dtype == b.dtype and (ignores_mask or a.mask == b.mask)
                for a, b in zip(reference.inputs, candidate.inputs, strict=True)
            )
        ):
            return None
        found = [
            (a, b)
            for a, b in zip(reference.inputs, candidate.inputs, strict=True)
            if a.number != b.number
        ]
        crossed = {a.number for a, _ in found} & {b.number for _, b in found}
        apart = any(a.number in self.shared and b.number in self.shared for a, b in found)
        return None if crossed or apart or not found else found


def _key(pair: Goal) -> tuple[int, int]:
    return id(pair[0]), id(pair[1])


# --- calling a part -------------------------------------------------------------------------------


def call_part(cut: Cut, side: int, tensors: Sequence[Any]) -> list[Any]:
    """Call one model's part on the tensors at which it starts; return those at its ends."""
    known = {start[side].number: t for start, t in zip(cut.starts, tensors, strict=True)}
    called: dict[int, list[Any]] = {}
    for value in cut.parts[side]:
        step = value.step
        if value.number in known or step is None:
            continue
        if id(step) not in called:
            called[id(step)] = _called(step, known)
        known[value.number] = called[id(step)][value.index]
    return [known[goal[side].number] for goal in cut.goals]


def _called(step: Step, known: dict[int, Any]) -> list[Any]:
    if step.kind == "select":
        assert step.select is not None
        return [known[step.inputs[0].number][parse_select(step.select)]]
    if step.kind == "activation":
        host = activation_host(step.layer)
        function = step.layer if host is None else host.activation
        return _flat(function(known[step.inputs[0].number]))
    tensors = {
        id(symbolic): known[value.number]
        for symbolic, value in zip(step.tensors, step.inputs, strict=True)
    }
    args, kwargs = step.node.arguments.fill_in(tensors)
    # Masks are those that the tensors carry.
    kwargs = {name: value for name, value in kwargs.items() if not is_mask(name)}
    if getattr(step.layer, "_call_has_training_arg", False):
        kwargs["training"] = False
    with _without_activation(step) if step.kind == "linear" else nullcontext():
        return _flat(step.layer(*args, **kwargs))


@contextmanager
def _without_activation(step: Step) -> Iterator[None]:
    """Set aside the final activation of a layer, which is a step of its own."""
    host = activation_host(step.layer)
    assert host is not None
    activation, host.activation = host.activation, keras.activations.linear
    try:
        yield
    finally:
        host.activation = activation


def _flat(outputs: Any) -> list[Any]:
    return list(keras.tree.flatten(outputs))
