"""Connect layers in a chain or a graph, up to the first that Keras refuses."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import keras

from layerlens.errors import Fault, LayerlensError, ScenarioError, Where
from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.build.layer import automatic_name, make_layer
from layerlens.models.build.precision import Precision
from layerlens.models.build.tensor_sizes import refuse_oversized
from layerlens.scenario.spec import InputSpec, LayerSpec, ModelSpec, NodeSpec

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
    precision: Precision,
) -> WiredGraph:
    """Make and connect the layers of a model given as `layers` or `graph`.

    Raises:
        LayerRefusal: Keras refuses a layer.
        ScenarioError: the graph has a cycle or an unknown name.
    """
    wired = WiredGraph(inputs=tensors)
    if spec.form == "layers":
        return _wire_chain(spec.layers, wired, precision)
    wired.given.update(
        {given.name: (tensor,) for given, tensor in zip(inputs, tensors, strict=True)}
    )
    return _wire_graph(spec, wired, precision)


def shapes_of(tensors: Tensors) -> tuple[tuple[int | None, ...], ...]:
    return tuple(tuple(tensor.shape) for tensor in tensors)


def _wire_chain(
    layers: tuple[LayerSpec, ...], wired: WiredGraph, precision: Precision
) -> WiredGraph:
    tensors = wired.inputs
    names: set[str] = set()
    for position, spec in enumerate(layers):
        layer = _make(spec, None, tensors, wired, precision)
        _refuse_duplicate(layer.name, names, spec, tensors, wired)
        # After the first layer, Keras decides how a layer takes several tensors.
        tensors = _apply(layer, spec, tensors, wired, listed=position > 0)
    wired.outputs = tensors
    return wired


def _wire_graph(spec: ModelSpec, wired: WiredGraph, precision: Precision) -> WiredGraph:
    layers: dict[str, tuple[Any, LayerSpec]] = {}
    names: set[str] = set()
    for node in in_order(spec.nodes):
        tensors = tuple(
            tensor for name in node.inputs for tensor in _addressed(name, wired, node.where)
        )
        if node.share is not None:
            layer, layer_spec = layers[node.share]
        else:
            assert node.layer is not None  # the reader gives every node a layer or a share
            layer_spec = node.layer
            layer = _make(layer_spec, node.name, tensors, wired, precision)
            _refuse_duplicate(layer.name, names, layer_spec, tensors, wired)
        layers[node.name] = (layer, layer_spec)
        wired.given[node.name] = _apply(layer, layer_spec, tensors, wired, listed=False)
    wired.outputs = tuple(
        tensor for name in spec.outputs for tensor in _addressed(name, wired, spec.where)
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
            raise _fault(f"the graph has a cycle: {loop}", node.where)
        open_names.append(node.name)
        for name in (*node.inputs, *((node.share,) if node.share else ())):
            source = by_name.get(name, by_name.get(name.rpartition(":")[0]))
            if source is not None:
                visit(source)
        open_names.pop()
        ordered[node.name] = node

    for node in nodes:
        visit(node)
    return list(ordered.values())


def _addressed(name: str, wired: WiredGraph, where: Where | None) -> Tensors:
    """Return all tensors of a node or input, or a single one for a name such as `node:1`."""
    if name in wired.given:
        return wired.given[name]
    node, _, index = name.rpartition(":")
    tensors = wired.given.get(node)
    if tensors is None or not index.isdecimal():
        known = ", ".join(f"`{given}`" for given in wired.given)
        raise _fault(f"`{name}` is not a node or input; there are {known}", where)
    if int(index) >= len(tensors):
        message = (
            f"`{name}` takes output {index} of `{node}`, which has {len(tensors)} "
            f"(they count from 0)"
        )
        raise _fault(message, where)
    return (tensors[int(index)],)


def _fault(message: str, where: Where | None) -> ScenarioError:
    return ScenarioError((Fault(message, where),))


def _make(
    spec: LayerSpec, name: str | None, tensors: Tensors, wired: WiredGraph, precision: Precision
) -> Any:
    try:
        return make_layer(spec, precision, name)
    except LayerlensError:
        raise
    except Exception as error:  # Keras may raise anything
        raise_if_out_of_memory(error, f"while a `{spec.type}` was created", spec.where)
        given = spec.arguments.get("name") or name or automatic_name(spec.type, error)
        raise LayerRefusal(error, str(given), spec, tensors, wired) from error


def _apply(
    layer: Any, spec: LayerSpec, tensors: Tensors, wired: WiredGraph, *, listed: bool
) -> Tensors:
    histories = [tensor._keras_history for tensor in tensors]
    try:
        result = _listed(layer, tensors) if listed else apply_layer(layer, spec.type, tensors)
        outputs = flat_outputs(result, layer.name)
        _refuse_circle(layer, tensors, outputs, histories)
    except Exception as error:  # Keras may raise anything
        raise_if_out_of_memory(error, f"while `{layer.name}` was built", spec.where)
        raise LayerRefusal(error, layer.name, spec, tensors, wired) from error
    refuse_oversized(layer.name, outputs, spec.where)
    wired.made.extend(outputs)
    return outputs


def _listed(layer: Any, tensors: Tensors) -> Any:
    return layer(tensors[0] if len(tensors) == 1 else list(tensors))


def apply_layer(layer: Any, layer_type: str, tensors: Tensors) -> Any:
    """Call a layer on several inputs in the form that its class takes."""
    if layer_type in SEPARATE_INPUTS:
        return layer(*tensors)
    if layer_type in LISTED_INPUTS:
        return layer(list(tensors))
    if len(tensors) > 1 and "initial_state" in inspect.signature(layer.call).parameters:
        return layer(tensors[0], initial_state=list(tensors[1:]))
    return _listed(layer, tensors)


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
