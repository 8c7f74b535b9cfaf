"""A model of any version of Keras, on any of its backends; its weights can be set."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .batches import as_given
from .jax_float64 import Unoptimized

_KERAS: Any = None
_BACKEND = "tensorflow"
_MIXED = ("mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float32")


def about(which: str = "keras") -> dict[str, Any]:
    """Import Keras, and return its name and version: `keras`, `tf_keras` or `tensorflow.keras`."""
    global _KERAS, _BACKEND
    if which == "tensorflow.keras":
        _KERAS = importlib.import_module("tensorflow").keras
    else:
        _KERAS = importlib.import_module(which)
    version = getattr(_KERAS, "__version__", None) or importlib.metadata.version("keras")
    _BACKEND = _KERAS.backend.backend() if hasattr(_KERAS.backend, "backend") else "tensorflow"
    if which == "keras" and _BACKEND != "tensorflow":
        _lift_float64()
    backend = {"tensorflow": "TensorFlow", "jax": "JAX"}.get(_BACKEND, _BACKEND)
    name = "Keras" if which == "keras" else which
    return {"name": f"{name} on {backend}", "version": _versions(str(version))}


def _versions(version: str) -> str:
    package = {"jax": "jax", "torch": "torch"}.get(_BACKEND, "tensorflow")
    try:
        return f"Keras {version}, {package} {importlib.import_module(package).__version__}"
    except (ImportError, AttributeError):
        return f"Keras {version}"


def _lift_float64() -> None:
    """Let Keras compute in float64 where asked to: on JAX and torch it takes float32 instead."""
    dtypes = importlib.import_module("keras.src.backend.common.dtypes")
    if hasattr(dtypes, "BIT64_TO_BIT32_DTYPE"):
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"


def load(head: dict[str, Any]) -> KerasModel:
    """Build the model that a message describes, or load its file."""
    if head.get("path"):
        model = _KERAS.models.load_model(head["path"], compile=False)
        return KerasModel(model, lambda: json.loads(model.to_json()))
    config = _without_drawing(json.loads(head["json"]))
    # Keras imports TensorFlow to describe a model, on all backends: the description is kept.
    return KerasModel(_KERAS.models.model_from_json(json.dumps(config)), lambda: config)


class KerasModel:
    """A model, and the same in float64."""

    def __init__(self, model: Any, description: Callable[[], Any]) -> None:
        self._model = model
        self._wide: Any = None
        try:
            self._wide = _in_float64(model, description())
        except Exception:  # a layer cannot be built from its configuration
            self._wide = None
        self._call_wide = Unoptimized(self._wide) if _BACKEND == "jax" else self._predict_wide

    def described(self) -> dict[str, Any]:
        """Return the inputs, the outputs, the weights and what else is known of the model."""
        return {
            "inputs": [_row(one) for one in self._model.inputs],
            "outputs": [_row(one) for one in self._model.outputs],
            "batch": None,
            "float64": "none" if self._wide is None else "native",
            "quantized": None,
            "weights": [
                {
                    "path": str(getattr(one, "path", one.name)),
                    "shape": [int(n) for n in one.shape],
                    "dtype": _name(one.dtype),
                }
                for one in self._model.weights
            ],
        }

    def values(self) -> list[Any]:
        """Return the weights, in the order of `described`."""
        return [_array(one) for one in self._model.weights]

    def assign(self, values: list[Any]) -> None:
        """Set the weights of both forms."""
        for model in (self._model, self._wide):
            if model is None:
                continue
            for variable, value in zip(model.weights, values):  # noqa: B905
                variable.assign(value.astype(_name(variable.dtype)))

    def run(self, precision: str, arrays: list[Any]) -> list[Any]:
        """Return the outputs for inputs in the model's own order."""
        if precision == "working":
            outputs = self._model.predict_on_batch(as_given(arrays))
        elif self._wide is None:
            raise ValueError("the model has no float64 form")
        else:
            outputs = self._call_wide(arrays)
        if not isinstance(outputs, (list, tuple, dict)):
            outputs = [outputs]
        if isinstance(outputs, dict):
            outputs = [outputs[name] for name in sorted(outputs)]
        return [_array(one) for one in outputs]

    def _predict_wide(self, arrays: list[Any]) -> Any:
        return self._wide.predict_on_batch(as_given(arrays))

    def inside(self, arrays: list[Any]) -> tuple[dict[str, Any], list[Any]]:
        """Return what each layer gives for one batch of inputs; without layers called twice."""
        return results_inside(_KERAS, self._model, arrays)


def results_inside(
    keras: Any, model: Any, arrays: Sequence[Any]
) -> tuple[dict[str, Any], list[Any]]:
    """Return what each layer of a model of `keras` gives for one batch of inputs."""
    rows, tensors = [], []
    for layer in model.layers:
        try:
            output = layer.output
        except (AttributeError, RuntimeError, ValueError):  # it has none, or several
            continue
        if hasattr(output, "shape") and _name(output.dtype).startswith(("float", "bfloat")):
            kind = type(layer).__name__
            rows.append({"tensor": layer.name, "name": layer.name, "type": kind})
            tensors.append(output)
    opened = keras.Model(model.inputs, tensors)
    outputs = opened.predict_on_batch(as_given(arrays))
    if len(tensors) == 1:
        outputs = [outputs] if not isinstance(outputs, (list, tuple)) else outputs
    return {"rows": rows}, [_array(one) for one in outputs]


def _in_float64(model: Any, description: Any) -> Any:
    config = _without_drawing(_widened(description))
    wide = _KERAS.models.model_from_json(json.dumps(config))
    for own, value in zip(wide.weights, model.weights):  # noqa: B905
        own.assign(_array(value).astype(_name(own.dtype)))
    return wide


def _widened(value: Any, key: str = "") -> Any:
    """Return a configuration with every floating dtype policy as float64."""
    if isinstance(value, dict):
        is_policy = "Policy" in str(value.get("class_name"))
        return {
            name: _widened(item, "dtype" if is_policy and name == "config" else name)
            if not (key == "dtype" and name == "name" and item in _MIXED)
            else "float64"
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_widened(item) for item in value]
    return "float64" if key == "dtype" and value in _MIXED else value


def _without_drawing(value: Any) -> Any:
    """Return a configuration whose weights start as zeros; their values are assigned afterwards.

    JAX takes seconds to compile what draws orthogonal matrices.
    """
    if isinstance(value, dict):
        return {
            key: {**item, "class_name": "Zeros", "config": {}}
            if key.endswith("_initializer") and _is_initializer(item)
            else _without_drawing(item)
            for key, item in value.items()
        }
    return [_without_drawing(item) for item in value] if isinstance(value, list) else value


def _is_initializer(item: Any) -> bool:
    return isinstance(item, dict) and item.get("module") == "keras.initializers"


def _row(tensor: Any) -> dict[str, Any]:
    return {
        "name": str(tensor.name).partition(":")[0],
        "dtype": _name(tensor.dtype),
        "shape": [None if n is None else int(n) for n in tensor.shape],
    }


def _name(dtype: Any) -> str:
    return str(getattr(dtype, "name", dtype))


def _array(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
