"""The graph of layer calls behind a symbolic tensor."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

#: Arguments that Keras fills in from the masks of the tensors; they are not inputs.
_MASK_ARGUMENT = re.compile(r"(?:^|_)mask$")


def calls_between(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    """Return the call nodes on the way from `inputs` to `outputs`, in the order of the calls.

    Calls that only compute a mask are not on that way.
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
            stack.extend((item, False) for item in reversed(data_inputs(node)))
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


def _tensors(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif hasattr(value, "_keras_history"):
        yield value
