"""The calls of layers that made a symbolic tensor, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

#: Keras hands these over by itself from the tensors' own masks; they are not inputs.
_MASK_ARGUMENT = re.compile(r"(?:^|_)mask$")


def calls_between(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """Return the call nodes that data passes through, in the order the calls were made.

    Masks travel beside the data: what merely computes one is left out.
    """
    found: dict[int, Any] = {}
    entries = {id(item) for item in inputs}
    # Depth first without recursion, since a chain may be longer than Python's stack allows.
    stack: list[tuple[Any, bool]] = [(item, False) for item in reversed(list(outputs))]
    opened: set[int] = set()
    while stack:
        tensor, done = stack.pop()
        node = producing_call(tensor)
        if node is None:
            continue
        if done:
            found.setdefault(id(node), node)
            continue
        if id(node) in opened:
            continue
        opened.add(id(node))
        stack.append((tensor, True))
        if id(tensor) not in entries:
            stack.extend((item, False) for item in reversed(data_inputs(node)))
    return _as_called(list(found.values()))


def upstream_names(tensor: Any) -> tuple[str, ...]:
    """Return what led to a tensor, last first, as far as one chain goes: layers, then the input."""
    names = []
    node = producing_call(tensor)
    while node is not None:
        names.append(str(node.operation.name))
        given = data_inputs(node)
        node = producing_call(given[0]) if len(given) == 1 else None
    return tuple(names)


def _as_called(nodes: list[Any]) -> list[Any]:
    """Sort nodes by when they were made, if that is known; else leave them as they are.

    Keras numbers symbolic tensors as it makes them, which tells the order of branches apart.
    """
    order: dict[int, int] = {}
    for node in nodes:
        number = _serial(node.outputs)
        if number is None:
            return nodes
        order[id(node)] = number
    sound = all(
        order[id(parent)] < order[id(node)]
        for node in nodes
        for parent in map(producing_call, data_inputs(node))
        if parent is not None and id(parent) in order
    )
    return sorted(nodes, key=lambda node: order[id(node)]) if sound else nodes


def _serial(tensors: Sequence[Any]) -> int | None:
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
    history = getattr(tensor, "_keras_history", None)
    if history is None or history.operation is None:
        return None
    return history.operation._inbound_nodes[history.node_index]


def is_input_call(node: Any) -> bool:
    return node is not None and type(node.operation).__name__ == "InputLayer"


def data_inputs(node: Any) -> list[Any]:
    """Return the symbolic tensors a call was given, without the masks Keras added itself."""
    found = list(_tensors(node.arguments.args))
    for name, value in node.arguments.kwargs.items():
        if not _MASK_ARGUMENT.search(name) or name == "attention_mask":
            found.extend(_tensors(value))
    return found


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif hasattr(value, "_keras_history"):
        yield value
