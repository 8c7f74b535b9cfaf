"""The tensors of an ONNX file, wherever they are stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from onnx import external_data_helper

_EXTERNAL = 1  # TensorProto.EXTERNAL


def embed_external_data(model: Any, folder: str) -> None:
    """Read the tensors that are stored in other files, which have to be in the folder.

    Raises:
        ValueError: a tensor is stored outside the folder, or its file is missing.
    """
    inside = os.path.realpath(folder)
    for tensor in tensors_of(model):
        if tensor.data_location != _EXTERNAL:
            continue
        places = [entry.value for entry in tensor.external_data if entry.key == "location"]
        if len(places) != 1:
            raise ValueError(f"the data of `{tensor.name}` has no place")
        path = os.path.realpath(os.path.join(inside, places[0]))  # noqa: PTH118
        if os.path.isabs(places[0]) or os.path.commonpath([inside, path]) != inside:  # noqa: PTH117
            raise ValueError(
                f"the data of `{tensor.name}` is in {places[0]}, outside the folder of the file"
            )
        if not os.path.exists(path):  # noqa: PTH110
            raise ValueError(f"the data of `{tensor.name}` is in {places[0]}, which is missing")
        if not os.path.isfile(path):  # noqa: PTH113
            raise ValueError(f"the data of `{tensor.name}` is in {places[0]}, which is not a file")
        external_data_helper.load_external_data_for_tensor(tensor, inside)
        tensor.data_location = 0
        del tensor.external_data[:]


def tensors_of(model: Any) -> Iterator[Any]:
    """Yield every tensor of a model: of its graphs, and in the attributes of their nodes."""
    for graph in graphs_of(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
    for node in nodes_of(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor.values
                yield attribute.sparse_tensor.indices


def graphs_of(model: Any) -> Iterator[Any]:
    """Yield the graph of a model and those inside its nodes."""
    yield model.graph
    for node in nodes_of(model):
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
            yield from attribute.graphs


def nodes_of(model: Any) -> Iterator[Any]:
    """Yield every node of a model, those of inner graphs and of its functions too."""
    left = [*model.graph.node]
    for function in model.functions:
        left += function.node
    while left:
        node = left.pop()
        yield node
        for attribute in node.attribute:
            for graph in ([attribute.g] if attribute.HasField("g") else []) + [*attribute.graphs]:
                left += graph.node
