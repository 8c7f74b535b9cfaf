"""An ONNX file, in ONNX Runtime."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx
import onnxruntime

from .batches import in_batches
from .onnx_float64 import float64_form
from .onnx_inside import inner_results
from .onnx_tensors import embed_external_data, nodes_of, tensors_of
from .onnx_weights import NamedWeights

_FATAL_ONLY = 4
_FLOAT16 = 10  # TensorProto.FLOAT16
#: The types of tensors that are passed, as ONNX Runtime names them.
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int8)": "int8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(uint32)": "uint32",
    "tensor(uint64)": "uint64",
    "tensor(bool)": "bool",
}
#: Operators that only quantised files have.
_QUANTIZING = (
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "MatMulInteger",
    "ConvInteger",
)


def about() -> dict[str, Any]:
    """Return the name and version of the runtime."""
    onnxruntime.set_default_logger_severity(_FATAL_ONLY)
    return {"name": "ONNX Runtime", "version": onnxruntime.__version__}


def load(head: dict[str, Any]) -> OnnxModel:
    """Load the file of a message."""
    with open(head["path"], "rb") as file:  # noqa: PTH123 - as everywhere in this folder
        model = onnx.load_model_from_string(file.read())
    del model.training_info[:]  # not used here; its tensors may be in any file
    embed_external_data(model, os.path.dirname(os.path.abspath(head["path"])))  # noqa: PTH100, PTH120
    return OnnxModel(model)


class OnnxModel:
    """A file and its form in float64, if there is one, on its own weights or on others."""

    def __init__(self, model: Any) -> None:
        #: The file, and the same with the weights that were assigned last.
        self._model = self._held = model
        self._weights: NamedWeights | None = None
        self._session = _session(model)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if not outputs:
            raise ValueError("the file has no outputs")
        self._names = [one.name for one in inputs]
        self._inputs = [_row(one) for one in inputs]
        self._outputs = [_row(one) for one in outputs]
        kinds = {node.op_type for node in nodes_of(model)}
        self._quantized = "int8" if kinds & set(_QUANTIZING) else None
        if self._quantized is None and any(one.data_type == _FLOAT16 for one in tensors_of(model)):
            self._quantized = "float16"
        batches = {shape[0] for shape in (row["shape"] for row in self._inputs) if shape}
        fixed = batches - {None}
        self._batch = fixed.pop() if len(batches) == 1 and len(fixed) == 1 else None
        self._wide, self._is_evaluated = self._in_float64(model)

    def _in_float64(self, model: Any) -> tuple[Any, bool]:
        return float64_form(model, self._session, self._inputs, _session)

    def described(self) -> dict[str, Any]:
        """Return the inputs, the outputs and what else is known of the file."""
        return {
            "inputs": self._inputs,
            "outputs": self._outputs,
            "batch": self._batch,
            "float64": "none" if self._wide is None else "widened",
            "evaluated": self._wide is not None and self._is_evaluated,
            "quantized": self._quantized,
        }

    def find(self, weights: list[Any]) -> dict[str, Any]:
        """Find weights in the file by their values, so that others can be assigned.

        The file has its own weights then, whatever was assigned before.
        """
        if self._held is not self._model:
            self._held, self._session = self._model, _session(self._model)
            self._wide, self._is_evaluated = self._in_float64(self._model)
        found = NamedWeights(self._model, weights)
        self._weights = found if found.complete else None
        return {
            "complete": found.complete,
            "missing": found.missing,
            "names": [[source, name] for source, name in sorted(found.names.items())],
            "too_large": found.too_large,
            "numbers": found.numbers,
        }

    def assign(self, values: list[Any]) -> None:
        """Put other values in the place of the weights that `find` found."""
        if self._weights is None:
            raise ValueError("the weights of the file were not found")
        self._held = self._weights.with_values(values)
        self._session = _session(self._held)
        if self._wide is not None:
            self._wide, self._is_evaluated = self._in_float64(self._held)

    def inside(self, arrays: list[Any]) -> tuple[dict[str, Any], list[Any]]:
        """Return what each node gives for one batch of inputs."""
        if self._batch is not None:
            arrays = [np.repeat(array[:1], self._batch, axis=0) for array in arrays]
        feed = {name: np.ascontiguousarray(a) for name, a in zip(self._names, arrays)}  # noqa: B905
        rows, values = inner_results(self._held, _session, feed)
        return {"rows": rows}, values

    def run(self, precision: str, arrays: list[Any]) -> list[Any]:
        """Return the outputs for inputs in the file's own order."""
        if precision != "working" and self._wide is None:
            raise ValueError("the file has no float64 form")

        def call(batch: list[Any]) -> list[Any]:
            feed = {name: np.ascontiguousarray(a) for name, a in zip(self._names, batch)}  # noqa: B905
            if precision != "working":
                return [np.asarray(output) for output in self._wide(feed)]
            return [np.asarray(output) for output in self._session.run(None, feed)]

        return in_batches(call, arrays, self._batch)


def _session(model: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _row(one: Any) -> dict[str, Any]:
    """Return the name, dtype and shape of an input or output; an open length is None."""
    dtype = _DTYPES.get(one.type)
    if dtype is None:
        raise ValueError(f"`{one.name}` is a {one.type}, which cannot be passed to the file")
    shape = [n if isinstance(n, int) and n >= 0 else None for n in one.shape]
    return {"name": one.name, "dtype": dtype, "shape": shape}
