"""Look into a model: what every layer, and every operation between layers, makes of one input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from layerlens.models.build.session import in_fresh_session
from layerlens.models.build.symbolic import functional
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.lengths import MOST_EAGER, goes_by_steps
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Array, Inputs
from layerlens.vocabulary import Execution

#: How models are called here: nothing has to be traced, and one call is all there is.
PLAIN: Execution = "eager"


@dataclass(frozen=True, slots=True)
class TensorValue:
    """What one tensor of a model holds on the input."""

    double: Array
    working: Array
    sensitivity: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.double.shape


@dataclass(frozen=True, slots=True)
class LayerCall:
    """One application of a layer, or of an operation between layers, and what it gave."""

    layer: str
    type: str
    #: The tensors it was given as values, and those given as masks, by their numbers.
    sources: tuple[int, ...]
    masks: tuple[int, ...]
    #: Its place among layers and operations on values; -1 for what only makes masks.
    place: int
    operation: Any
    #: The tensors it gave, by their numbers, and what they hold.
    gives: tuple[int, ...]
    values: tuple[TensorValue, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values[0].shape


@dataclass(frozen=True)
class Intermediates:
    """A model on one input: its layers from the inputs on, and every tensor by its number."""

    layers: tuple[LayerCall, ...]
    #: Numbers count from 0; those of inputs are negative and not in here.
    values: Mapping[int, TensorValue]
    #: Which use gave a tensor.
    makers: Mapping[int, LayerCall]


@dataclass(frozen=True)
class InstrumentedSide:
    """A side whose model gives the outputs of all its layers and operations."""

    side: Side
    nodes: tuple[Any, ...]
    #: id of a symbolic tensor → its number: inputs are negative, all others count from 0.
    numbers: dict[int, int]
    #: id of each node that counts as a layer: what only makes masks does not.
    counted: frozenset[int]

    @classmethod
    def of(cls, side: Side) -> InstrumentedSide | None:
        model = side.working.built.model
        nodes = tuple(_nodes(model))
        layers = {id(layer) for layer in model.layers}
        if not any(id(node.operation) in layers for node in nodes):
            return None
        counted = _ids_before(model) | {id(n) for n in nodes if id(n.operation) in layers}
        numbers = {id(tensor): -1 - n for n, tensor in enumerate(model.inputs)}
        for tensor in (tensor for node in nodes for tensor in node.outputs):
            numbers[id(tensor)] = len(numbers) - len(model.inputs)
        opened = Side(side.name, _opened(side.working), _opened(side.float64), side.training)
        return cls(opened, nodes, numbers, frozenset(counted))

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
        """Tell whether a layer would go through many steps in Python, one by one."""
        steps = max((array.shape[1] for array in inputs if array.ndim > 1), default=0)
        return steps > MOST_EAGER and any(map(goes_by_steps, (n.operation for n in self.nodes)))

    def _use(self, node: Any, held: Mapping[int, TensorValue], place: int) -> LayerCall:
        masks = _masks_of(node)
        given = [id(tensor) for tensor in node.input_tensors if id(tensor) not in masks]
        gives = tuple(self.numbers[id(tensor)] for tensor in node.outputs)
        return LayerCall(
            layer=node.operation.name,
            type=type(node.operation).__name__,
            sources=tuple(self.numbers[tensor] for tensor in given),
            masks=tuple(self.numbers[tensor] for tensor in masks if tensor in self.numbers),
            place=place if id(node) in self.counted else -1,
            operation=node.operation,
            gives=gives,
            values=tuple(held[number] for number in gives),
        )


def _nodes(model: Any) -> Iterator[Any]:
    """Yield the applications of layers and operations from the inputs on."""
    by_depth = getattr(model, "_nodes_by_depth", None) or {}
    for depth in sorted(by_depth, reverse=True):
        yield from (node for node in by_depth[depth] if not node.is_input)


def _masks_of(node: Any) -> dict[int, None]:
    """Return the ids of the tensors that a layer is given as masks, in their order."""
    return {
        id(tensor): None
        for name, value in node.arguments.kwargs.items()
        if name.endswith("mask")
        for tensor in _flat(value)
    }


def _ids_before(model: Any) -> set[int]:
    """Return the ids of the nodes whose values lead to the outputs, other than as masks."""
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


def _opened(runner: KerasRunner) -> KerasRunner:
    """Return a runner of the same layers, with every tensor of the model as an output."""
    built = runner.built
    tensors = tuple(tensor for node in _nodes(built.model) for tensor in node.outputs)
    model = in_fresh_session(
        lambda: functional(tuple(built.model.inputs), tensors, f"inside_{built.spec.name}"),
        runner.seed,
    )
    spec = replace(built.spec, select=None)
    return KerasRunner(replace(built, model=model, spec=spec), runner.seed)
