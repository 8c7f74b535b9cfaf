"""Run traced models on one draw of inputs and weights, in the algebra of a proof."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf

from layerlens.models.build.request import Built
from layerlens.models.execute.variables import stateful_layers, weight_variables
from layerlens.proof.cases import Batch
from layerlens.proof.field.algebra import Algebra, Given
from layerlens.proof.field.arithmetic import ZERO
from layerlens.proof.field.interpreter import Interpreter, Slot, Variable
from layerlens.proof.field.residues import Residues
from layerlens.proof.field.samples import SampleCheck
from layerlens.proof.field.value import CannotProveError, Value, constant
from layerlens.proof.shared_prefix import MadeName
from layerlens.proof.sizes import known_shape
from layerlens.scenario.slices import Index, parse_select
from layerlens.scenario.spec import InputSpec

_MOVING_VARIANCE = "moving_variance"
_NOT_NEGATIVE = "Moving variances are not negative."
_CLEARED = "Recurrent states are cleared before each call."


@dataclass
class Evaluation:
    """One draw of inputs and weights; weights of one name have the same values in all models."""

    algebra: Algebra
    #: The name of each weight by the id of its variable.
    names: Mapping[int, Hashable]
    interpreter: Interpreter = field(init=False)
    #: The names of the variances among the weights.
    _variances: frozenset[Hashable] = frozenset()
    _drawn: dict[Hashable, Residues] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.interpreter = Interpreter(self.algebra)

    @classmethod
    def of(
        cls, algebra: Algebra, models: Sequence[Built], names: Mapping[int, Hashable]
    ) -> Evaluation:
        """Return the evaluation of some models."""
        is_variance: dict[Hashable, bool] = {}
        made: set[MadeName] = set()
        for built in models:
            for variable in weight_variables(built):
                name = names[id(variable)]
                ends = str(variable.path).endswith(_MOVING_VARIANCE)
                is_variance[name] = ends and is_variance.get(name, True)
                if isinstance(name, MadeName):
                    made.add(name)
        for name in made:
            sources = all(is_variance.get(source, False) for source, _ in name.sources)
            is_variance[name] = is_variance[name] and sources
        evaluation = cls(algebra, names)
        evaluation._variances = frozenset(name for name, ends in is_variance.items() if ends)
        return evaluation

    def inputs(self, batch: Batch, residues: Sequence[Residues] = ()) -> list[Value]:
        """Return the inputs of one batch, drawn unless their residues are given."""
        self.algebra.inputs = []
        for index, spec in enumerate(batch.starts):
            shape = batch.size, *known_shape(spec)
            drawn = residues[index] if residues else self._drawn_input(spec, shape)
            self.algebra.inputs.append(batch.given(self.algebra, index, drawn))
        return [self._input(*one) for one in zip(batch.starts, self.algebra.inputs, strict=True)]

    def _drawn_input(self, spec: InputSpec, shape: tuple[int, ...]) -> Residues:
        if spec.is_integer and spec.high is not None and spec.high - 1 == (spec.low or 0):
            return self.algebra.field.of_integers(np.full(shape, spec.high - 1))
        return self.algebra.field.draw_samples(shape)

    def _input(self, spec: InputSpec, given: Given) -> Value:
        residues = given.residues
        if spec.is_integer:
            low = Fraction(spec.low or 0) if spec.low is not None or spec.high is not None else None
            high = None if spec.high is None else Fraction(spec.high - 1)
            return self.algebra.made(residues, kind="int", low=low, high=high)
        return self.algebra.made(residues)

    def outputs(
        self,
        built: Built,
        function: Any,
        inputs: Sequence[Value],
        *,
        anew: Collection[Hashable] = (),
        samples: SampleCheck | None = None,
    ) -> list[Value]:
        """Return a model's outputs, or what is selected of them, in the order it returns them.

        The weights named in `anew` are drawn for this run alone; `samples` looks for what depends
        on the number of samples.
        """
        variables = {id(variable._value.handle): variable for variable in built.model.variables}
        weights = {id(variable) for variable in weight_variables(built)}
        states = {
            id(state._value.handle): state
            for layer in stateful_layers(built)
            for state in tf.nest.flatten(getattr(layer, "states", None))
        }
        captured: dict[str, Slot] = {}
        known: dict[int, Variable] = {}
        for outside, inside in function.graph.captures:
            if outside.dtype != tf.resource:
                captured[inside.name] = constant(outside.numpy())
                continue
            if id(outside) not in known:
                variable = variables.get(id(outside))
                if id(outside) in states:
                    state = states[id(outside)]
                    cleared = constant(np.zeros(state.shape, state.dtype))
                    known[id(outside)] = Variable(cleared, _CLEARED)
                elif variable is None or id(variable) not in weights:
                    known[id(outside)] = Variable(_reason(variable))
                else:
                    known[id(outside)] = self._weight(variable, anew)
            captured[inside.name] = known[id(outside)]
        given = iter(inputs)
        arguments = [
            captured[tensor.name] if tensor.name in captured else next(given)
            for tensor in function.graph.inputs
        ]
        self.interpreter.samples = samples
        found = self.interpreter.run(function.graph, arguments)
        return [
            _selected(self.algebra, built, _tensor(found[position]))
            for position in _positions(function)
        ]

    def _weight(self, variable: Any, anew: Collection[Hashable]) -> Variable:
        """Return a weight, kept flat, so that one carried over by reshaping is the same numbers."""
        name, shape = self.names[id(variable)], tuple(int(n) for n in variable.shape)
        if str(variable.dtype) not in ("float32", "float64"):
            return Variable(f"a weight is of {variable.dtype}")
        if name in anew:
            residues = self.algebra.field.draw((prod(shape),))
        elif isinstance(name, MadeName):
            residues = self._made(name)
        else:
            residues = self._drawn_weight(name, shape)
        residues = residues.reshape(len(residues), *shape)
        if name in self._variances:
            return Variable(self.algebra.made(residues, low=ZERO), _NOT_NEGATIVE)
        return Variable(self.algebra.made(residues))

    def _made(self, name: MadeName) -> Residues:
        """Return a weight that is made from others, which are drawn where they are not yet."""
        sources = [
            self._drawn_weight(source, shape).reshape(-1, *shape) for source, shape in name.sources
        ]
        return np.asarray(name.change.apply(sources, leading=1), np.int64)

    def _drawn_weight(self, name: Hashable, shape: tuple[int, ...]) -> Residues:
        """Return the residues of the weights of one name, flat."""
        if name not in self._drawn:
            self._drawn[name] = self.algebra.field.draw((prod(shape),))
        return self._drawn[name]


def _reason(variable: Any) -> str:
    """Return why a variable has no value."""
    if variable is not None and "seed_generator_state" in str(variable.path):
        return "an output depends on random numbers"
    return "an output depends on a variable that is not a weight"


def _positions(function: Any) -> list[int]:
    """Return where a model's outputs are among those of its graph."""
    listed = function.graph.outputs
    return [
        next(n for n, tensor in enumerate(listed) if tensor is output)
        for output in tf.nest.flatten(function.structured_outputs)
    ]


def _tensor(slot: Slot) -> Value:
    if isinstance(slot, str):
        raise CannotProveError(slot)
    assert isinstance(slot, Value)
    return slot


def _selected(algebra: Algebra, built: Built, value: Value) -> Value:
    if built.spec.select is None:
        return value
    part = parse_select(built.spec.select)
    part = part if isinstance(part, tuple) else (part,)
    if built.batch_size is None and not _keeps_all_samples(part, value.rank):
        raise CannotProveError("a slice takes some of the samples")
    chosen = (slice(None), *part)
    try:
        residues = algebra.residues(value)[chosen]
    except IndexError as error:  # Keras announces more than the model computes
        raise CannotProveError("a slice takes more than an output has") from error
    return algebra.made(
        residues,
        kind=value.kind,
        growth=value.growth,
        spread=None,
        needs=None if value.needs is None else value.needs[chosen],
    )


def _keeps_all_samples(part: Sequence[Index], rank: int) -> bool:
    """Return whether a slice takes all of the first axis, whatever its size."""
    taken = [item for item in part if item is not None]
    if taken[:1] == [Ellipsis]:
        skipped = rank - (len(taken) - 1)
        taken = [slice(None)] * skipped + taken[1:]
    return not taken or taken[0] in (slice(None), Ellipsis)
