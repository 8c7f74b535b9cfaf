"""Write layers and arguments on one line in the format of a scenario file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerlens.scenario.spec import LayerSpec, NamedTensor, NodeSpec
from layerlens.scenario.yaml.scalars import scalar_notation


def layer_text(layer: LayerSpec) -> str:
    """Return a layer as an item of a list of layers: `Dense: {units: 4}`, or `ReLU`."""
    if not layer.arguments and not layer.call and layer.model is None:
        return layer.type
    return _item(layer)


def _item(layer: LayerSpec) -> str:
    call = f", {argument_text('call', layer.call)}" if layer.call else ""
    return f"{layer.type}: {value_text(_body(layer))}{call}"


def _body(layer: LayerSpec) -> Any:
    """Return what stands below the name of a layer."""
    model = layer.model
    if model is None:
        return layer.arguments
    if model.form == "file":
        return {"file": model.file, **layer.arguments}
    if model.inputs is None:
        return {"layers": model.layers, **layer.arguments} if layer.arguments else model.layers
    inputs = {
        one.name: {"shape": one.shape, **({} if one.dtype == "float32" else {"dtype": one.dtype})}
        for one in model.inputs
    }
    if model.form == "layers":
        return {"layers": model.layers, "inputs": inputs, **layer.arguments}
    nodes = {node.name: _node(node) for node in model.nodes}
    return {"graph": nodes, "outputs": model.outputs, "inputs": inputs, **layer.arguments}


def _node(node: NodeSpec) -> dict[str, Any]:
    own = {node.layer.type: _body(node.layer)} if node.layer else {"share": node.share}
    call = {"call": node.call} if node.call else {}
    return {**own, "from": node.inputs, **call}


def argument_text(name: str, value: Any) -> str:
    """Return one argument as in a layer's mapping: `units: 4`."""
    return f"{scalar_notation(name)}: {value_text(value)}"


def value_text(value: Any) -> str:
    """Return a value in YAML's flow style, on one line."""
    match value:
        case LayerSpec():
            return f"{{{_item(value)}}}"
        case NamedTensor():
            return scalar_notation(f"{value.kind}:{value.name}")
        case Mapping():
            if set(value) == {"class_name", "config"} and isinstance(value["config"], Mapping):
                return f"{{{scalar_notation(value['class_name'])}: {value_text(value['config'])}}}"
            return f"{{{', '.join(argument_text(str(key), item) for key, item in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(value_text, value))}]"
    return scalar_notation(value)
