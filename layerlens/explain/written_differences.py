"""Find and carry over the differences of two layers as a scenario writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from layerlens.scenario.notation import argument_text
from layerlens.scenario.reading.call_arguments import CALL
from layerlens.scenario.spec import LayerSpec, inner_layers, with_inner_layer

#: Ends of the names of arguments that do not change the outputs once weights are set.
WITHOUT_EFFECT = ("_initializer", "_regularizer", "_constraint", "name", "trainable", "seed")


def written_differences(
    ours: LayerSpec, theirs: LayerSpec, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path of each written argument that differs, and the change to make, in words.

    The layers are alike (`are_alike`). A path has the names of arguments and of inner layers.
    """
    for name in {**ours.arguments, **theirs.arguments}:
        mine, other = ours.arguments.get(name), theirs.arguments.get(name)
        if name.endswith(WITHOUT_EFFECT) or (
            name in ours.arguments and name in theirs.arguments and _equal(mine, other)
        ):
            continue
        inner = (*path, name)
        if isinstance(mine, LayerSpec) and isinstance(other, LayerSpec) and are_alike(mine, other):
            yield from written_differences(mine, other, inner)
        elif name in ours.arguments:
            yield inner, f"set `{argument_text(name, mine)}`"
        else:
            yield inner, f"remove `{name}`"
    inside = inner_layers(theirs)
    for key, mine in inner_layers(ours).items():
        yield from written_differences(mine, inside[key], (*path, key))
    if ours.call != theirs.call:
        text = f"set `{argument_text('call', ours.call)}`" if ours.call else "remove `call`"
        yield (*path, CALL), text


def are_alike(ours: LayerSpec, theirs: LayerSpec) -> bool:
    """Return whether two layers are of one type, with models inside that have the same structure.

    Then they differ in arguments only.
    """
    return ours.type == theirs.type and _structure(ours) == _structure(theirs)


def _structure(layer: LayerSpec) -> Any:
    """Return the model of a layer without the arguments of its layers."""
    model = layer.model
    if model is None:
        return None
    nodes = [(node.name, node.inputs, node.share, node.shared_call) for node in model.nodes]
    types = {key: inner.type for key, inner in inner_layers(layer).items()}
    return model.file, model.inputs, model.outputs, nodes, types


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, LayerSpec) and isinstance(other, LayerSpec):
        return are_alike(one, other) and not list(written_differences(one, other, ()))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def with_argument(own: LayerSpec, ours: LayerSpec, path: tuple[str, ...]) -> LayerSpec:
    name = path[0]
    if name == CALL:
        return replace(own, call=ours.call)
    if name in (inside := inner_layers(own)):
        changed = with_argument(inside[name], inner_layers(ours)[name], path[1:])
        return with_inner_layer(own, name, changed)
    arguments = dict(own.arguments)
    if len(path) > 1:
        arguments[name] = with_argument(own.arguments[name], ours.arguments[name], path[1:])
    elif name in ours.arguments:
        arguments[name] = ours.arguments[name]
    else:
        del arguments[name]
    return replace(own, arguments=arguments)
