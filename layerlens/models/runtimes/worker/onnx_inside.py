"""The results inside an ONNX file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper


def inner_results(
    model: Any, start: Callable[[Any], Any], feed: dict[str, Any]
) -> tuple[list[dict[str, str]], list[Any]]:
    """Return what each node of the main graph gives for one batch, and those results.

    They are made outputs of a copy of the file, so that ONNX Runtime does not merge nodes.
    """
    copy = type(model)()
    copy.CopyFrom(model)
    known = {one.name for one in copy.graph.output}
    makers = {name: node for node in copy.graph.node for name in node.output if name}
    copy.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in makers if name not in known
    )
    session = start(copy)
    names = [one.name for one in session.get_outputs()]
    values = dict(zip(names, session.run(None, feed)))  # noqa: B905
    rows, found = [], []
    for name, node in makers.items():  # in the order of the nodes
        value = values[name]
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            rows.append({"tensor": name, "name": node.name or name, "type": node.op_type})
            found.append(value)
    return rows, found
