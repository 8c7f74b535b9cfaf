"""Connect layers in a chain or a graph, up to the first that Keras refuses."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from layerlens.errors import Fault, LayerlensError, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.build.layer import LayerMaker, automatic_name
from layerlens.models.build.tensor_sizes import refuse_oversized
from layerlens.scenario.spec import (
    InputSpec,
    LayerSpec,
    ModelSpec,
    NamedTensor,
    NodeSpec,
    addressed,
    named_tensors,
)

#: Layers that take their inputs as separate arguments (query, value, key), not as one list.
SEPARATE_INPUTS = ("MultiHeadAttention", "GroupQueryAttention")
#: Layers that take a list even of a single input.
LISTED_INPUTS = (
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "Attention",
    "AdditiveAttention",
    "HashedCrossing",
)

Tensors = tuple[Any, ...]


@dataclass
class WiredGraph:
    """The tensors of a model: by the name of their node, and all of them in order of creation."""

    inputs: tuple[Any, ...]
    #: The tensors of inputs and layers, by name.
    given: dict[str, Tensors] = field(default_factory=dict)
    made: list[Any] = field(default_factory=list)
    outputs: tuple[Any, ...] = ()


class LayerRefusal(Exception):  # noqa: N818 (it becomes a result, not an error)
    """Keras refused one layer: its description, its inputs, and the graph before it."""

    def __init__(
        self,
        error: Exception,
        layer_name: str,
        spec: LayerSpec,
        inputs: Tensors | None,
        wired: WiredGraph,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.layer_name = layer_name
        self.spec = spec
        self.inputs = inputs or ()
        self.input_shapes = shapes_of(self.inputs)
        self.wired = wired


def wire_model(
    spec: ModelSpec,
    inputs: tuple[InputSpec, ...],
    tensors: tuple[Any, ...],
    maker: LayerMaker,
) -> WiredGraph:
    """Make and connect the layers of a model given as `layers` or `graph`.

    Raises:
        LayerRefusal: Keras refuses a layer.
        ScenarioError: the graph has a cycle or an unknown name, or a nested model receives
            another number of tensors than it has inputs.
    """
    given = {given.name: (tensor,) for given, tensor in zip(inputs, tensors, strict=True)}
    wired = WiredGraph(inputs=tensors, given=given)
    if spec.form == "layers":
        return _wire_chain(spec.layers, wired, maker)
    return _wire_graph(spec, wired, maker)


def shapes_of(tensors: Tensors) -> tuple[tuple[int | None, ...], ...]:
    return tuple(tuple(tensor.shape) for tensor in tensors)


def _wire_chain(layers: tuple[LayerSpec, ...], wired: WiredGraph, maker: LayerMaker) -> WiredGraph:
    tensors = wired.inputs
    names: set[str] = set()
    for position, spec in enumerate(layers):
        layer = _make(spec, None, tensors, wired, maker)
        _refuse_duplicate(layer.name, names, spec, tensors, wired)
        # After the first layer, Keras decides how a layer takes several tensors.
        _refuse_wrong_count(layer, spec, tensors, spec.where)
        call = _Call(layer, spec, tensors, spec.call)
        tensors = _apply(call, wired, listed=position > 0)
    wired.outputs = tensors
    return wired


def _wire_graph(spec: ModelSpec, wired: WiredGraph, maker: LayerMaker) -> WiredGraph:
    layers: dict[str, tuple[Any, LayerSpec]] = {}
    names: set[str] = set()
    for node in in_order(spec.nodes):
        tensors = tuple(
            tensor
            for name in node.inputs
            for tensor in _addressed(name, wired, node.places.get(name, node.where))
        )
        if node.share is not None:
            layer, layer_spec = layers[node.share]
        else:
            assert node.layer is not None  # the reader gives every node a layer or a share
            layer_spec = node.layer
            layer = _make(layer_spec, node.name, tensors, wired, maker)
            _refuse_duplicate(layer.name, names, layer_spec, tensors, wired)
        layers[node.name] = (layer, layer_spec)
        _refuse_wrong_count(layer, layer_spec, tensors, node.where)
        call = _Call(layer, layer_spec, tensors, node.call)
        wired.given[node.name] = _apply(call, wired, listed=False)
    wired.outputs = tuple(
        tensor
        for name in spec.outputs
        for tensor in _addressed(name, wired, spec.places.get(name, spec.where))
    )
    return wired


def in_order(nodes: tuple[NodeSpec, ...]) -> list[NodeSpec]:
    """Return the nodes sorted so that each follows its inputs, otherwise as written.

    Raises:
        ScenarioError: the graph has a cycle.
    """
    by_name = {node.name: node for node in nodes}
    ordered: dict[str, NodeSpec] = {}
    open_names: list[str] = []

    def visit(node: NodeSpec) -> None:
        if node.name in ordered:
            return
        if node.name in open_names:
            loop = " -> ".join([*open_names[open_names.index(node.name) :], node.name])
            raise _fault(Code.GRAPH_CYCLE, f"the graph has a cycle: {loop}", node.where)
        open_names.append(node.name)
        for name in (*node.sources, *((node.share,) if node.share else ())):
            if (source := addressed(name, by_name)) is not None:
                visit(by_name[source[0]])
        open_names.pop()
        ordered[node.name] = node

    for node in nodes:
        visit(node)
    return list(ordered.values())


def _addressed(name: str, wired: WiredGraph, where: Where | None) -> Tensors:
    """Return all tensors of a node or input, or a single one for a name such as `node:1`."""
    source = addressed(name, wired.given)
    if source is None:
        known = ", ".join(f"`{given}`" for given in wired.given)
        raise _fault(
            Code.UNKNOWN_NODE, f"`{name}` is not a node or input; there are {known}", where
        )
    node, index = source
    tensors = wired.given[node]
    if index is None:
        return tensors
    if index >= len(tensors):
        message = (
            f"`{name}` takes output {index} of `{node}`, which has {len(tensors)} "
            f"(they count from 0)"
        )
        last = f"the last one is `{node}:{len(tensors) - 1}`"
        raise _fault(Code.UNKNOWN_NODE, message, where, last)
    return (tensors[index],)


def _with_tensors(value: Any, wired: WiredGraph, where: Where | None) -> Any:
    """Return the arguments of a call with the tensors that they name."""
    if isinstance(value, NamedTensor):
        tensors = _addressed(value.name, wired, value.where or where)
        return tensors[0] if len(tensors) == 1 else list(tensors)
    if isinstance(value, Mapping):
        return {name: _with_tensors(item, wired, where) for name, item in value.items()}
    if isinstance(value, tuple) and any(named_tensors(value)):
        return [_with_tensors(item, wired, where) for item in value]
    return value


def _fault(code: Code, message: str, where: Where | None, hint: str | None = None) -> ScenarioError:
    return ScenarioError((Fault(code, message, where, hint),))


def _make(
    spec: LayerSpec, name: str | None, tensors: Tensors, wired: WiredGraph, maker: LayerMaker
) -> Any:
    try:
        return maker.make(spec, name)
    except LayerlensError:
        raise
    except LayerRefusal as inner:
        inner.wired = wired  # the rows before a nested model are those of this graph
        raise
    except Exception as error:  # Keras may raise anything
        raise_if_out_of_memory(error, f"while a `{spec.type}` was created", spec.where)
        given = spec.arguments.get("name") or name or automatic_name(spec.type, error)
        raise LayerRefusal(error, str(given), spec, tensors, wired) from error


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a layer."""

    layer: Any
    spec: LayerSpec
    tensors: Tensors
    #: The arguments besides the inputs, as described.
    arguments: Mapping[str, Any]


def _apply(call: _Call, wired: WiredGraph, *, listed: bool) -> Tensors:
    layer, spec, tensors = call.layer, call.spec, call.tensors
    histories = [tensor._keras_history for tensor in tensors]
    arguments = _with_tensors(call.arguments, wired, spec.where)
    try:
        if listed:
            result = _listed(layer, tensors, arguments)
        else:
            result = apply_layer(layer, spec.type, tensors, **arguments)
        outputs = flat_outputs(result, layer.name)
        _refuse_circle(layer, tensors, outputs, histories)
    except Exception as error:  # Keras may raise anything
        raise_if_out_of_memory(error, f"while `{layer.name}` was built", spec.where)
        _raise_for_inner_layer(call, wired)
        raise LayerRefusal(error, layer.name, spec, tensors, wired) from error
    refuse_oversized(layer.name, outputs, spec.where)
    wired.made.extend(outputs)
    return outputs


def _raise_for_inner_layer(call: _Call, wired: WiredGraph) -> None:
    """Raise the refusal of the layer inside a `Sequential` that Keras refuses on its own."""
    if call.spec.type != "Sequential" or call.spec.model is None:
        return
    tensors, inside = call.tensors, replace(wired, made=list(wired.made))
    for layer, spec in zip(call.layer.layers, call.spec.model.layers, strict=True):
        tensors = _apply(_Call(layer, spec, tensors, {}), inside, listed=True)


def _listed(layer: Any, tensors: Tensors, arguments: Mapping[str, Any]) -> Any:
    return layer(tensors[0] if len(tensors) == 1 else list(tensors), **arguments)


def apply_layer(layer: Any, layer_type: str, tensors: Tensors, **arguments: Any) -> Any:
    """Call a layer on several inputs in the form that its class takes.

    `arguments` are those of the call besides the inputs.
    """
    if layer_type in SEPARATE_INPUTS:
        return layer(*tensors, **arguments)
    if layer_type in LISTED_INPUTS:
        return layer(list(tensors), **arguments)
    if len(tensors) > 1 and "initial_state" in inspect.signature(layer.call).parameters:
        return layer(tensors[0], initial_state=list(tensors[1:]), **arguments)
    return _listed(layer, tensors, arguments)


def _refuse_wrong_count(layer: Any, spec: LayerSpec, tensors: Tensors, where: Where | None) -> None:
    """Refuse a nested model that receives more or fewer tensors than it has inputs."""
    inputs = getattr(layer, "_inputs", None) if spec.model is not None else None
    if inputs and len(inputs) != len(tensors):
        names = ", ".join(f"`{one.name}`" for one in inputs)
        raise _fault(
            Code.BAD_NODE,
            f"`{layer.name}` is a model with {len(inputs)} input{'s' * (len(inputs) != 1)} "
            f"({names}); received {len(tensors)}",
            where,
            "name one node or input for each of its inputs under `from:`, in their order",
        )


def flat_outputs(result: Any, name: str) -> Tensors:
    """Return a layer's outputs as a tuple, nested ones in Keras' order.

    Raises:
        ValueError: the layer returns nothing.
    """
    flat = tuple(keras.tree.flatten(result))
    if not flat:
        raise ValueError(f"`{name}` returns nothing")
    return flat


def _refuse_circle(layer: Any, tensors: Tensors, outputs: Tensors, histories: list[Any]) -> None:
    """Refuse a layer that returns its input tensor itself: Keras then loses the tensor's origin."""
    if not any(output is tensor for output in outputs for tensor in tensors):
        return
    for tensor, history in zip(tensors, histories, strict=True):
        tensor._keras_history = history  # keeps the layers before it for the report
    raise ValueError(
        f"`{layer.name}` returns its input tensor unchanged, which Keras does not support "
        f"in a model: the tensor would be its own source"
    )


def _refuse_duplicate(
    name: str, names: set[str], spec: LayerSpec, tensors: Tensors, wired: WiredGraph
) -> None:
    if name in names:
        error = ValueError(
            f"two layers of the model are called `{name}`; layer names have to be unique"
        )
        raise LayerRefusal(error, name, spec, tensors, wired)
    names.add(name)
