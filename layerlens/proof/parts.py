"""What of two models a proof speaks of: all of them, or what lies in a cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import prod
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import look_up_limit
from layerlens.models.execute.receptive_field import (
    ReceptiveField,
    field_of_part,
    receptive_field,
)
from layerlens.models.execute.side import Side
from layerlens.models.execute.tracing import trace_call
from layerlens.models.inspect.cost import multiply_adds
from layerlens.models.inspect.nested_layers import flat_layers, weights_of, with_nested
from layerlens.proof.cuts import Cut, call_part
from layerlens.proof.expressions import Step, Value, is_mask
from layerlens.proof.field.value import CannotProveError
from layerlens.proof.limits import Limits, limits_of_part, limits_of_whole
from layerlens.proof.sizes import Size, known_shape, trace
from layerlens.proof.user_code import runs_user_code, trace_guarded
from layerlens.scenario.spec import InputSpec


class Part(Protocol):
    """What of both models is proved; sides are numbered, the reference is 0."""

    @property
    def built(self) -> tuple[Built, Built]:
        """The models whose weights may be read, and whose slices are taken of the results."""

    @property
    def is_training(self) -> bool: ...

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """The tensors at which both start, as they are declared."""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is taken for granted of these tensors, as sentences."""

    @property
    def variable_starts(self) -> int:
        """At how many tensors that have an unknown axis, besides that of the batch, both start."""

    @property
    def fields(self) -> tuple[ReceptiveField, ReceptiveField]:
        """What both look across along open axes, from where they start."""

    @property
    def limits(self) -> Limits:
        """The most that the proof takes on."""

    def runs_user_code(self, side: int) -> bool:
        """Return whether code that Keras does not define runs in one side."""

    def starts(self, size: Size) -> tuple[InputSpec, ...]:
        """Return the tensors of one size at which both start.

        Raises:
            TooShortError: a layer does not take this size.
        """

    def traced(self, side: int, size: Size, *, static: bool = False, lengths: bool = False) -> Any:
        """Return the traced function of one side.

        With `static` it knows all shapes, and with `lengths` all but the number of samples.

        Raises:
            TooShortError: a layer does not take this size.
        """

    def takes(self, size: Size) -> bool:
        """Return whether both sides can be run at a size."""

    def ends_alike(self, traced: Sequence[Any]) -> bool:
        """Return whether what follows in both models receives the same of both results."""

    def layers(self, side: int) -> list[Any]:
        """Return the layers of one side, nested ones too."""

    def weights(self, side: int) -> list[Any]:
        """Return the weights of one side, each once."""

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of the larger side for one sample, as far as they are known."""

    @property
    def shapes(self) -> Any:
        """The shapes of all tensors and weights of both sides, nested in any way."""

    def activations(self, side: int) -> int:
        """Return how many values the layers of one side return for one sample."""


@dataclass(frozen=True)
class WholeModels:
    """All of both models, from their inputs to their outputs."""

    sides: tuple[Side, Side]

    def __str__(self) -> str:
        return "the whole graphs"

    @property
    def built(self) -> tuple[Built, Built]:
        return self.sides[0].built, self.sides[1].built

    @property
    def is_training(self) -> bool:
        return any(side.training for side in self.sides)

    @property
    def limits(self) -> Limits:
        return limits_of_whole()

    @cached_property
    def _run_user_code(self) -> tuple[bool, bool]:
        return runs_user_code(self.built[0]), runs_user_code(self.built[1])

    def runs_user_code(self, side: int) -> bool:
        return self._run_user_code[side]

    @cached_property
    def inputs(self) -> tuple[InputSpec, ...]:
        return _ranged(self.built)

    @property
    def assumptions(self) -> tuple[str, ...]:
        return _assumptions(self.built[0].inputs, self.inputs)

    @property
    def variable_starts(self) -> int:
        return sum(None in spec.shape for spec in self.inputs)

    @cached_property
    def fields(self) -> tuple[ReceptiveField, ReceptiveField]:
        return receptive_field(self.built[0]), receptive_field(self.built[1])

    def starts(self, size: Size) -> tuple[InputSpec, ...]:
        return tuple(size.of(spec, place) for place, spec in enumerate(self.inputs))

    def traced(self, side: int, size: Size, *, static: bool = False, lengths: bool = False) -> Any:
        model = self.sides[side]
        runner = model.working.keras
        if runner is None:
            raise CannotProveError("there is no TensorFlow graph")
        arrays = _zeros(self.starts(size), size.batch)
        mode: dict[str, bool] = {"training": model.training, "known_shapes": static}
        if not self.runs_user_code(side):
            return trace(partial(runner.concrete, arrays, **mode, known_lengths=lengths))
        key = model.training, tuple(array.shape for array in arrays) if static else None
        if key not in runner.guarded:
            model.forget()
            runner.guarded[key] = trace_guarded(runner, arrays, **mode)
        return runner.guarded[key]

    def takes(self, size: Size) -> bool:
        return _takes(self, size)

    def ends_alike(self, traced: Sequence[Any]) -> bool:
        return True  # nothing follows

    def layers(self, side: int) -> list[Any]:
        return list(flat_layers(self.built[side].model))

    def weights(self, side: int) -> list[Any]:
        return list(weights_of(self.built[side].model))

    @property
    def multiply_adds(self) -> int:
        return _multiply_adds(self.built)

    @cached_property
    def shapes(self) -> Any:
        rows = [row for built in self.built for row in built.report.layers]
        return [(row.input_shape, row.output_shape, [w.shape for w in row.weights]) for row in rows]

    def activations(self, side: int) -> int:
        return _activations(self.built[side])


@dataclass(frozen=True)
class CutModels:
    """What lies in a cut: nothing is known of the tensors at which it starts.

    The trace knows of these tensors what Keras announces. Masks do not cross a cut.
    """

    cut: Cut
    models: tuple[Built, Built]
    is_training: bool = False
    #: The traces: by side, and by shapes where these are known.
    _traces: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return str(self.cut)

    @cached_property
    def built(self) -> tuple[Built, Built]:
        # A slice that the scenario selects is part of the cut, or behind it.
        one, other = (
            replace(built, spec=replace(built.spec, select=None)) for built in self.models
        )
        return one, other

    @property
    def limits(self) -> Limits:
        return limits_of_part(_multiply_adds(self.models), max(map(_activations, self.models)))

    def runs_user_code(self, side: int) -> bool:
        return False  # only what is known by class and settings is in a cut

    @cached_property
    def _starts(self) -> list[Value]:
        return [one for one, _ in self.cut.starts]

    @cached_property
    def _model_inputs(self) -> tuple[InputSpec, ...]:
        return _ranged(self.models)

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        return tuple(self._start(value, value.shape[1:]) for value in self._starts)

    @property
    def assumptions(self) -> tuple[str, ...]:
        places = [value.position for value in self._starts if value.step is None]
        declared = self.models[0].inputs
        return _assumptions([declared[n] for n in places], [self._model_inputs[n] for n in places])

    @property
    def variable_starts(self) -> int:
        return sum(None in value.shape[1:] for value in self._starts)

    @cached_property
    def fields(self) -> tuple[ReceptiveField, ReceptiveField]:
        if self.variable_starts != 1:  # their lengths follow from those of the models' inputs
            return receptive_field(self.models[0]), receptive_field(self.models[1])
        one, other = (
            field_of_part(
                {start[side].number: start[side].shape for start in self.cut.starts},
                self.cut.calls_of(side),
            )
            for side in (0, 1)
        )
        return one, other

    def starts(self, size: Size) -> tuple[InputSpec, ...]:
        if len(self._starts) == 1:
            (value,) = self._starts
            return (size.of(self._start(value, value.shape[1:]), 0),)
        shapes = trace(partial(_shapes_at, self._starts, self._model_inputs, size))
        if any(not shape or shape[0] != size.batch for shape in shapes):
            raise CannotProveError("the batch is not the first axis of a tensor")
        # One length that is open may be any.
        is_free = self.variable_starts == 1
        return tuple(
            size.of(self._start(value, value.shape[1:]), 0)
            if is_free
            else self._start(value, shape[1:])
            for value, shape in zip(self._starts, shapes, strict=True)
        )

    def _start(self, value: Value, shape: Sequence[int | None]) -> InputSpec:
        if value.step is None:
            return replace(self._model_inputs[value.position], shape=tuple(shape))
        return InputSpec(value.step.name, tuple(shape), value.dtype)

    def traced(self, side: int, size: Size, *, static: bool = False, lengths: bool = False) -> Any:
        batch = size.batch if static else None
        known = static or lengths
        signature = [
            tf.TensorSpec((batch, *start.shape) if known else value.shape, value.dtype)
            for start, value in zip(self.starts(size), self._starts, strict=True)
        ]
        key = side, tuple(tuple(spec.shape) for spec in signature)
        if key not in self._traces:
            self._traces[key] = trace(
                partial(trace_call, lambda *given: call_part(self.cut, side, given), signature)
            )
        return self._traces[key]

    def takes(self, size: Size) -> bool:
        return _takes(self, size)

    def ends_alike(self, traced: Sequence[Any]) -> bool:
        # A layer may compute something else where it does not know a length.
        one, other = (
            [(tensor.shape.as_list(), tensor.dtype) for tensor in function.structured_outputs]
            for function in traced
        )
        return bool(one == other)

    def layers(self, side: int) -> list[Any]:
        return [held for layer in self.cut.layers(side) for held in with_nested(layer)]

    def weights(self, side: int) -> list[Any]:
        held = (v for layer in self.cut.layers(side) for v in getattr(layer, "weights", ()))
        return list({id(variable): variable for variable in held}.values())

    @cached_property
    def shapes(self) -> Any:
        values = [value.shape for part in self.cut.parts for value in part]
        return [values, [tuple(w.shape) for side in (0, 1) for w in self.weights(side)]]

    def activations(self, side: int) -> int:
        return sum(_scalars(value.shape) for value in self.cut.parts[side])

    @property
    def multiply_adds(self) -> int:
        return max(sum(map(_of_step, self.cut.steps(side))) for side in (0, 1))


def _multiply_adds(models: tuple[Built, Built]) -> int:
    return max(built.report.multiply_adds or 0 for built in models)


def _activations(built: Built) -> int:
    return sum(_scalars(row.output_shape) for row in built.report.layers)


def _of_step(step: Step) -> int:
    """Return the multiply-adds of one step for one sample; 0 where they are unknown."""
    if step.node is None:  # an activation, or a slice
        return 0
    outputs = [tuple(tensor.shape) for tensor in step.node.outputs]
    return multiply_adds(step.layer, [value.shape for value in step.inputs], outputs) or 0


def params(part: Part, side: int) -> int:
    """Return how many params the weights of one side have."""
    return sum(prod(int(n) for n in weight.shape) for weight in part.weights(side))


def _takes(part: Part, size: Size) -> bool:
    """Return whether both sides can be run on zeros of a size, whatever they return."""
    try:
        given = [tf.constant(array) for array in _zeros(part.starts(size), size.batch)]
        for side in (0, 1):
            part.traced(side, size, static=False)(*given)
    except Exception:  # Keras, TensorFlow or a layer may raise anything
        return False
    return True


def _zeros(starts: Sequence[InputSpec], batch: int) -> list[NDArray[Any]]:
    return [np.zeros((batch, *known_shape(spec)), spec.dtype) for spec in starts]


def _ranged(models: tuple[Built, Built]) -> tuple[InputSpec, ...]:
    """Return the inputs; integers that are looked up have a range, declared or not."""
    found = []
    for position, spec in enumerate(models[0].inputs):
        if spec.is_integer and spec.high is None:
            high = look_up_limit(models, position)
            if high is not None:
                spec = replace(spec, low=spec.low or 0, high=high)
        found.append(spec)
    return tuple(found)


def _assumptions(declared: Sequence[InputSpec], ranged: Sequence[InputSpec]) -> tuple[str, ...]:
    return tuple(
        f"`{spec.name}` holds integers from {spec.low} to {spec.high - 1}, used as indices."
        for own, spec in zip(declared, ranged, strict=True)
        if own.high is None and spec.high is not None
    )


def _shapes_at(
    values: Sequence[Value], inputs: Sequence[InputSpec], size: Size
) -> list[tuple[int, ...]]:
    """Return the shapes that tensors have where the inputs are of one size.

    Where a part starts at several tensors, their lengths depend on each other.
    """
    known: dict[int, Any] = {}
    waiting = [(value, False) for value in values]
    while waiting:
        value, ready = waiting.pop()
        if value.number in known:
            continue
        if value.step is None:
            shape = known_shape(size.of(inputs[value.position], value.position))
            known[value.number] = keras.KerasTensor((size.batch, *shape), value.dtype)
        elif ready:
            known[value.number] = _announced(value.step, known)[value.index]
        else:
            waiting.append((value, True))
            waiting.extend((given, False) for given in value.step.inputs)
    return [tuple(known[value.number].shape) for value in values]


def _announced(step: Step, known: Mapping[int, Any]) -> list[Any]:
    """Return what Keras announces that a call returns."""
    if step.kind in ("activation", "select"):
        if step.kind == "select":
            raise CannotProveError("another layer uses a slice of an output")
        return [known[step.inputs[0].number]]
    tensors = {
        id(symbolic): known[value.number]
        for symbolic, value in zip(step.tensors, step.inputs, strict=True)
    }
    args, kwargs = step.node.arguments.fill_in(tensors)
    kwargs = {name: value for name, value in kwargs.items() if not is_mask(name)}
    return list(keras.tree.flatten(step.layer.compute_output_spec(*args, **kwargs)))


def _scalars(shape: Any) -> int:
    """Return the values of one sample in a shape, or in several; unknown lengths count as 1."""
    if not shape:
        return 0
    if not all(n is None or isinstance(n, int) for n in shape):
        return sum(_scalars(one) for one in shape)
    return prod(n for n in shape[1:] if n is not None)
