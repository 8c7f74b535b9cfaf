"""A `.tflite` file, in LiteRT."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from .batches import in_batches
from .names import are_numbered, natural

_WHOLE = ("int8", "uint8", "int16")


def about() -> dict[str, Any]:
    """Return the name and version of the runtime."""
    return {"name": "LiteRT", "version": importlib.metadata.version("ai-edge-litert")}


def load(head: dict[str, Any]) -> LiteModel:
    """Load the file of a message."""
    return LiteModel(head["path"])


class LiteModel:
    """A file in an interpreter, which is shaped anew for each shape of inputs."""

    def __init__(self, path: str) -> None:
        self._interpreter = Interpreter(model_path=path, num_threads=1)
        self._interpreter.allocate_tensors()
        self._ins = self._interpreter.get_input_details()
        details = {one["index"]: one for one in self._interpreter.get_output_details()}
        inputs, outputs = self._signature_names(set(details))
        returned = outputs or [(one["name"], one["index"]) for one in details.values()]
        #: Where there is a signature, the converter takes inputs by name, and lists them anyhow.
        self._is_ordered = not inputs
        self._inputs = [_row(d, inputs.get(d["index"], d["name"])) for d in self._ins]
        self._outputs = [_row(details[index], name) for name, index in returned]
        #: The places of the outputs, in the order of the exported model; one may be there twice.
        self._returned = [index for _, index in returned]
        batches = {row["shape"][0] for row in self._inputs if row["shape"]}
        fixed = batches - {None}
        self._batch = fixed.pop() if len(batches) == 1 and len(fixed) == 1 else None

    def _signature_names(self, known: set[int]) -> tuple[dict[int, str], list[tuple[str, int]]]:
        """Return the name of each input by its place, and the names and places of the outputs.

        They are those of the signature, which has the names of the exported model. The file may
        list its outputs in another order, and one that the model returns twice a single time. The
        signatures of other functions in the file have outputs that are not among the known ones.
        """
        for key in self._interpreter.get_signature_list():
            runner = self._interpreter.get_signature_runner(key)
            inputs = {one["index"]: name for name, one in runner.get_input_details().items()}
            outputs = [(name, one["index"]) for name, one in runner.get_output_details().items()]
            if known == {place for _, place in outputs}:
                return inputs, sorted(outputs, key=lambda each: natural(each[0]))
        return {}, []

    def described(self) -> dict[str, Any]:
        """Return the inputs, the outputs and what else is known of the file."""
        return {
            "inputs": self._inputs,
            "outputs": self._outputs,
            "batch": self._batch,
            "float64": "none",
            "quantized": self._quantized(),
            "steps": self._steps(),
            "ordered": self._is_ordered,
            "ordered_outputs": self._is_ordered
            or are_numbered(row["name"] for row in self._outputs),
        }

    def _quantized(self) -> str | None:
        """Return the dtype to which weights or results are quantised, None for a float32 file."""
        found = None
        for tensor in self._interpreter.get_tensor_details():
            name = np.dtype(tensor["dtype"]).name
            if name in _WHOLE and len(tensor["quantization_parameters"]["scales"]):
                return "int8"
            if name == "float16":
                found = "float16"
        return found

    def _steps(self) -> list[dict[str, Any]]:
        """Return the shape, the step and the range of each result that is quantised."""
        found = []
        for tensor in self._interpreter.get_tensor_details():
            name = np.dtype(tensor["dtype"]).name
            scales = tensor["quantization_parameters"]["scales"]
            shape = [int(n) for n in tensor["shape"]]
            if name not in _WHOLE or len(scales) != 1 or len(shape) < 2 or shape[0] != 1:
                continue
            zero = int(tensor["quantization_parameters"]["zero_points"][0])
            limits, scale = np.iinfo(tensor["dtype"]), float(scales[0])
            low, high = ((float(end) - zero) * scale for end in (limits.min, limits.max))
            found.append({"shape": shape[1:], "size": scale, "low": low, "high": high})
        return found

    def run(self, precision: str, arrays: list[Any]) -> list[Any]:
        """Return the outputs for inputs in the file's own order."""
        if precision != "working":
            raise ValueError("LiteRT does not compute in float64")
        return in_batches(self._call, arrays, self._batch)

    def _call(self, arrays: list[Any]) -> list[Any]:
        runner, again = self._interpreter, False
        for detail, array in zip(self._interpreter.get_input_details(), arrays):  # noqa: B905
            if list(detail["shape"]) != list(array.shape):
                runner.resize_tensor_input(detail["index"], list(array.shape), strict=True)
                again = True
        if again:
            runner.allocate_tensors()
        runner.reset_all_variables()
        for detail, array in zip(runner.get_input_details(), arrays):  # noqa: B905
            runner.set_tensor(detail["index"], _quantized(array, detail))
        runner.invoke()
        details = {one["index"]: one for one in runner.get_output_details()}
        return [_real(runner.get_tensor(n), details[n]) for n in self._returned]


def _row(detail: dict[str, Any], name: str) -> dict[str, Any]:
    shape = [None if n < 0 else int(n) for n in detail["shape_signature"]]
    if not shape:
        shape = [int(n) for n in detail["shape"]]
    dtype = np.dtype(detail["dtype"]).name
    return {"name": name, "dtype": "float32" if _scaled(detail) else dtype, "shape": shape}


def _scaled(detail: dict[str, Any]) -> bool:
    return np.dtype(detail["dtype"]).name in _WHOLE and bool(detail["quantization"][0])


def _quantized(array: Any, detail: dict[str, Any]) -> Any:
    if not _scaled(detail):
        return np.ascontiguousarray(array)
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    steps = np.round(array / scale) + zero
    return np.clip(steps, limits.min, limits.max).astype(detail["dtype"])


def _real(array: Any, detail: dict[str, Any]) -> Any:
    array = np.array(array)
    if not _scaled(detail):
        return array
    scale, zero = detail["quantization"]
    return ((array.astype(np.float64) - zero) * scale).astype(np.float32)
