"""The graph of layer calls behind a symbolic tensor."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

#: Arguments that Keras fills in from the masks of the tensors; they are not inputs.
_MASK_ARGUMENT = re.compile(r"(?:^|_)mask$")


def graph_ends(model: Any) -> tuple[list[Any], list[Any]]:
    """Return a model's symbolic inputs and outputs; both are empty without a graph."""
    # The attributes of an unbuilt Sequential raise; a subclassed model has none.
    if not getattr(model, "built", False):
        return [], []
    inputs = getattr(model, "inputs", None) or []
    outputs = getattr(model, "outputs", None) or []
    return list(inputs), list(outputs)


def calls_between(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """Return the call nodes on the way from `inputs` to `outputs`, in the order of the calls.

    Calls that compute a mask are on that way if the mask was given to a layer by hand, and not if
    Keras made it.
    """
    found: dict[int, Any] = {}
    entries = {id(item) for item in inputs}
    # Depth first without recursion, since a chain can be deeper than Python's stack allows.
    stack: list[tuple[Any, bool]] = [(item, False) for item in reversed(list(outputs))]
    visited: set[int] = set()
    while stack:
        tensor, done = stack.pop()
        node = producing_call(tensor)
        if node is None:
            continue
        if done:
            found.setdefault(id(node), node)
            continue
        if id(node) in visited:
            continue
        visited.add(id(node))
        stack.append((tensor, True))
        if id(tensor) not in entries:
            sources = (*data_inputs(node), *_sources_of_given_masks(node))
            stack.extend((item, False) for item in reversed(sources))
    return _in_call_order(list(found.values()))


def upstream_names(tensor: Any) -> tuple[str, ...]:
    """Return the names of the operations that lead to a tensor, last first.

    The names end with the input, or with the first operation that has several inputs.
    """
    names = []
    node = producing_call(tensor)
    while node is not None:
        names.append(str(node.operation.name))
        sources = data_inputs(node)
        node = producing_call(sources[0]) if len(sources) == 1 else None
    return tuple(names)


def _in_call_order(nodes: list[Any]) -> list[Any]:
    """Return nodes sorted by the time of their call, or as they are where it is unknown.

    Keras numbers symbolic tensors as it creates them, which gives the order between branches.
    """
    order: dict[int, int] = {}
    for node in nodes:
        number = _creation_number(node.outputs)
        if number is None:
            return nodes
        order[id(node)] = number
    consistent = all(
        order[id(parent)] < order[id(node)]
        for node in nodes
        for parent in map(producing_call, data_inputs(node))
        if parent is not None and id(parent) in order
    )
    return sorted(nodes, key=lambda node: order[id(node)]) if consistent else nodes


def _creation_number(tensors: Sequence[Any]) -> int | None:
    numbers = []
    for tensor in tensors:
        if is_input_call(producing_call(tensor)):
            return -1
        match = re.fullmatch(r"keras_tensor(?:_(\d+))?", getattr(tensor, "name", None) or "")
        if match is None:
            return None
        numbers.append(int(match[1] or 0))
    return min(numbers, default=None)


def producing_call(tensor: Any) -> Any:
    """Return the call node that produced a symbolic tensor; None for any other tensor."""
    history = getattr(tensor, "_keras_history", None)
    if history is None or history.operation is None:
        return None
    return history.operation._inbound_nodes[history.node_index]


def is_input_call(node: Any) -> bool:
    """Return whether a call node is that of an `InputLayer`."""
    return node is not None and type(node.operation).__name__ == "InputLayer"


def data_inputs(node: Any) -> list[Any]:
    """Return the symbolic tensors passed to a call, without the masks that Keras adds."""
    found = list(_tensors(node.arguments.args))
    for name, value in node.arguments.kwargs.items():
        if not _MASK_ARGUMENT.search(name) or name == "attention_mask":
            found.extend(_tensors(value))
    return found


def given_masks(node: Any) -> list[tuple[str, Any]]:
    """Return the masks that a call was given by hand, each with the name of its argument.

    A mask that Keras adds is attached to an input of the call. In a model that was read from a
    file, such a mask can be another tensor, which an operation made; it is returned too.
    """
    added = {id(getattr(tensor, "_keras_mask", None)) for tensor in data_inputs(node)}
    return [
        (name, tensor)
        for name, value in _named_arguments(node).items()
        if _MASK_ARGUMENT.search(name)
        for tensor in _tensors(value)
        if id(tensor) not in added
    ]


def _named_arguments(node: Any) -> dict[str, Any]:
    """Return the arguments of a call by name; the first, its input, is left out."""
    given: dict[str, Any] = {}
    if len(node.arguments.args) > 1:
        with suppress(TypeError, ValueError):  # a `call` without a signature
            names = list(inspect.signature(node.operation.call).parameters)
            given = dict(zip(names[1:], node.arguments.args[1:], strict=False))
    return {**given, **node.arguments.kwargs}


def _sources_of_given_masks(node: Any) -> list[Any]:
    """Return the outputs of layers from which the masks given to a call were computed."""
    waiting = [tensor for _, tensor in given_masks(node)]
    found: dict[int, Any] = {}
    seen: set[int] = set()
    while waiting:
        tensor = waiting.pop(0)
        call = producing_call(tensor)
        if id(tensor) in seen or call is None:
            continue
        seen.add(id(tensor))
        if is_layer_call(call):
            found[id(tensor)] = tensor
        else:  # an operation on a mask, such as `logical_and`
            waiting.extend(data_inputs(call))
    return list(found.values())


def is_layer_call(node: Any) -> bool:
    """Return whether a call node is that of a layer, and not of an operation of `keras.ops`."""
    return node is not None and hasattr(node.operation, "_flatten_layers")


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif hasattr(value, "_keras_history"):
        yield value
