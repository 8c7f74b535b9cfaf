"""Widen an ONNX file from float32 to float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from .onnx_tensors import graphs_of, nodes_of, tensors_of

#: Attributes that name the dtype of a result.
_DTYPE_ATTRIBUTES = ("to", "dtype")
_NARROW = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def widened(model: Any) -> Any:
    """Return a copy in which every float32 tensor is float64; None if it has narrower ones.

    A file in half precision rounds where float64 does not, so that the copy would say nothing
    about its rounding.
    """
    copy = type(model)()
    copy.CopyFrom(model)
    if any(tensor.data_type in _NARROW for tensor in tensors_of(copy)):
        return None
    for tensor in tensors_of(copy):
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for graph in graphs_of(copy):
        for value in (*graph.input, *graph.output, *graph.value_info):
            _widen_type(value.type)
    for function in copy.functions:
        for value in function.value_info:
            _widen_type(value.type)
    for node in nodes_of(copy):
        _widen_node(node)
    return copy


def _widen_node(node: Any) -> None:
    for attribute in node.attribute:
        if attribute.name in _DTYPE_ATTRIBUTES and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.DOUBLE
        if attribute.HasField("tp"):
            _widen_type(attribute.tp)
    if node.op_type == "Constant":
        for attribute in node.attribute:
            values: Any = None
            if attribute.name == "value_float":
                values = np.float64(attribute.f)
            elif attribute.name == "value_floats":
                values = np.asarray(attribute.floats, np.float64)
            if values is not None:
                attribute.ClearField("f")
                attribute.ClearField("floats")
                attribute.name, attribute.type = "value", 4  # AttributeProto.TENSOR
                attribute.t.CopyFrom(numpy_helper.from_array(np.asarray(values)))
    if node.op_type == "ConstantOfShape" and not any(a.name == "value" for a in node.attribute):
        attribute = node.attribute.add()
        attribute.name, attribute.type = "value", 4
        attribute.t.CopyFrom(numpy_helper.from_array(np.zeros(1)))


def _widen_type(kind: Any) -> None:
    for field in ("tensor_type", "sparse_tensor_type"):
        if kind.HasField(field) and getattr(kind, field).elem_type == TensorProto.FLOAT:
            getattr(kind, field).elem_type = TensorProto.DOUBLE
    for field in ("sequence_type", "optional_type"):
        if kind.HasField(field):
            _widen_type(getattr(kind, field).elem_type)
