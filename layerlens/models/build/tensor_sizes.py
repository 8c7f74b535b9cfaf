"""Refuse tensors with more values than any backend can index.

Sizes multiply from layer to layer: a short file can describe sizes that Python does not print, and
that need no estimate of memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from layerlens.errors import Fault, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.models.inspect.call_graph import calls_between
from layerlens.plain.sizes import MOST_VALUES, is_oversized


def refuse_oversized(name: str, tensors: Sequence[Any], where: Where | None) -> None:
    """Raise ScenarioError if one of these outputs of a layer has too many values."""
    for tensor in tensors:
        shape = tuple(tensor.shape)[1:]
        if is_oversized(shape):
            raise ScenarioError(
                (
                    Fault(
                        Code.SHAPE_TOO_LARGE,
                        f"`{name}` gives a tensor of the per-sample shape {_text(shape)}, "
                        f"which has more than {MOST_VALUES:,} values, the limit of a tensor",
                        where,
                        "make the layer, or the input, smaller",
                    ),
                )
            )


def refuse_oversized_model(model: Any, where: Where | None) -> None:
    """Raise ScenarioError if a tensor in a model, or in a nested model, has too many values."""
    for name, tensors in _tensors_of(model):
        refuse_oversized(name, tensors, where)


def _tensors_of(model: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    waiting, seen = [model], {id(model)}
    while waiting:
        one = waiting.pop()
        if not getattr(one, "built", False):  # an unbuilt Sequential raises below
            continue
        outputs = list(getattr(one, "outputs", None) or ())
        for node in calls_between(list(getattr(one, "inputs", None) or ()), outputs):
            yield str(node.operation.name), node.outputs
            if id(node.operation) not in seen:
                seen.add(id(node.operation))
                waiting.append(node.operation)


def _text(shape: Sequence[int | None]) -> str:
    shown = ", ".join("?" if size is None else _number(int(size)) for size in shape[:4])
    more = f", … ({len(shape)} axes)" if len(shape) > 4 else ""
    return f"({shown}{more})"


def _number(size: int) -> str:
    return f"{size:,}" if size <= MOST_VALUES else f"more than {MOST_VALUES:,}"
