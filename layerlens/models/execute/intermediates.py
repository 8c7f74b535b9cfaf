"""Compute the outputs of every layer and operation inside a model on one input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from layerlens.models.build.inlined import InlinedModel, inlined
from layerlens.models.build.session import in_fresh_session
from layerlens.models.build.symbolic import functional
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.lengths import MOST_EAGER, goes_by_steps
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Array, Inputs
from layerlens.vocabulary import Execution

#: The execution of these calls: a single call is not worth a trace.
PLAIN: Execution = "eager"


@dataclass(frozen=True, slots=True)
class TensorValue:
    """The values of one tensor in float64 and in working precision, and its sensitivity."""

    double: Array
    working: Array
    sensitivity: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.double.shape


@dataclass(frozen=True, slots=True)
class LayerCall:
    """One call of a layer, or of an operation between layers, and its outputs."""

    layer: str
    type: str
    #: The numbers of the tensors passed as values, and of those passed as masks.
    sources: tuple[int, ...]
    masks: tuple[int, ...]
    #: The position among the calls on values; -1 for a call that only computes masks.
    place: int
    operation: Any
    #: The numbers of the output tensors, and their values.
    gives: tuple[int, ...]
    values: tuple[TensorValue, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values[0].shape


@dataclass(frozen=True)
class Intermediates:
    """The inside of a model on one input: its layer calls in order, and every tensor by number."""

    layers: tuple[LayerCall, ...]
    #: Numbers count from 0; inputs, with negative numbers, are left out.
    values: Mapping[int, TensorValue]
    #: The call that produced each tensor.
    makers: Mapping[int, LayerCall]


@dataclass(frozen=True)
class InstrumentedSide:
    """A side whose model returns the outputs of all its layers and operations."""

    side: Side
    nodes: tuple[Any, ...]
    #: id of a symbolic tensor → its number; inputs have negative numbers, others count from 0.
    numbers: dict[int, int]
    #: ids of the nodes that count as layers; those that only compute masks do not.
    counted: frozenset[int]
    inside: InlinedModel

    @classmethod
    def of(cls, side: Side) -> InstrumentedSide | None:
        runners = side.working.keras, side.float64.keras
        if runners[0] is None or runners[1] is None:
            return None
        inside, inside64 = _inlined(runners[0]), _inlined(runners[1])
        model = inside.model
        nodes = tuple(_nodes(model))
        layers = {id(layer) for layer in model.layers}
        if not any(id(node.operation) in layers for node in nodes):
            return None
        counted = _ids_before(model) | {id(n) for n in nodes if id(n.operation) in layers}
        numbers = {id(tensor): -1 - n for n, tensor in enumerate(model.inputs)}
        for tensor in (tensor for node in nodes for tensor in node.outputs):
            numbers[id(tensor)] = len(numbers) - len(model.inputs)
        opened = (_opened(runners[0], model), _opened(runners[1], inside64.model))
        return cls(
            Side(side.name, *opened, side.training), nodes, numbers, frozenset(counted), inside
        )

    def look(
        self, values: Values, inputs: Inputs, execution: Execution | None = None
    ) -> Intermediates | None:
        plain: Execution = "traced_dynamic" if self._takes_long(inputs) else PLAIN
        double = self.side.run_whole(values, inputs, "float64", plain)
        working = self.side.run_whole(values, inputs, "working", execution or plain)
        if double.error is not None or working.error is not None:
            return None
        moved = self.side.sensitivity(values, inputs, double, 0, draws=1, execution=plain)
        held = dict(enumerate(map(TensorValue, double.outputs, working.outputs, moved)))
        layers: list[LayerCall] = []
        makers: dict[int, LayerCall] = {}
        for node in self.nodes:
            use = self._use(node, held, len(layers))
            makers |= dict.fromkeys(use.gives, use)
            if use.place >= 0:
                layers.append(use)
        return Intermediates(tuple(layers), held, makers)

    def _takes_long(self, inputs: Inputs) -> bool:
        """Return whether a layer would loop over many steps in Python."""
        steps = max((array.shape[1] for array in inputs if array.ndim > 1), default=0)
        return steps > MOST_EAGER and any(map(goes_by_steps, (n.operation for n in self.nodes)))

    def _use(self, node: Any, held: Mapping[int, TensorValue], place: int) -> LayerCall:
        masks = _masks_of(node)
        given = [id(tensor) for tensor in node.input_tensors if id(tensor) not in masks]
        gives = tuple(self.numbers[id(tensor)] for tensor in node.outputs)
        return LayerCall(
            layer=self.inside.name_of(node.operation),
            type=type(node.operation).__name__,
            sources=tuple(self.numbers[tensor] for tensor in given),
            masks=tuple(self.numbers[tensor] for tensor in masks if tensor in self.numbers),
            place=place if id(node) in self.counted else -1,
            operation=node.operation,
            gives=gives,
            values=tuple(held[number] for number in gives),
        )


def _nodes(model: Any) -> Iterator[Any]:
    """Yield the calls of layers and operations from the inputs on."""
    by_depth = getattr(model, "_nodes_by_depth", None) or {}
    for depth in sorted(by_depth, reverse=True):
        yield from (node for node in by_depth[depth] if not node.is_input)


def _masks_of(node: Any) -> dict[int, None]:
    """Return the ids of the tensors that a call takes as masks, in order."""
    return {
        id(tensor): None
        for name, value in node.arguments.kwargs.items()
        if name.endswith("mask")
        for tensor in _flat(value)
    }


def _ids_before(model: Any) -> set[int]:
    """Return the ids of the nodes whose values reach the outputs, other than as masks."""
    makers = {id(tensor): node for node in _nodes(model) for tensor in node.outputs}
    waiting = [id(tensor) for tensor in model.outputs]
    found: set[int] = set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or id(node) in found:
            continue
        found.add(id(node))
        masks = _masks_of(node)
        waiting += [id(t) for t in node.input_tensors if id(t) not in masks]
    return found


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [one for item in value for one in _flat(item)]
    return [value]


def _inlined(runner: KerasRunner) -> InlinedModel:
    return in_fresh_session(lambda: inlined(runner.built.model), runner.seed)


def _opened(runner: KerasRunner, inside: Any) -> KerasRunner:
    """Return a runner of a model with the same layers, `inside`, that returns all its tensors."""
    built = runner.built
    tensors = tuple(tensor for node in _nodes(inside) for tensor in node.outputs)
    model = in_fresh_session(
        lambda: functional(tuple(inside.inputs), tensors, f"inside_{built.spec.name}"),
        runner.seed,
    )
    spec = replace(built.spec, select=None)
    opened = KerasRunner(replace(built, model=model, spec=spec), runner.seed)
    opened.variables = runner.variables  # in the order in which values are given
    return opened
