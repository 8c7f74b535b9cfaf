"""A SavedModel folder, in TensorFlow: its signature `serving_default`."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .batches import in_batches
from .names import are_numbered, natural

_SIGNATURE = "serving_default"


def about() -> dict[str, Any]:
    """Return the name and version of the runtime."""
    return {"name": "TensorFlow SavedModel", "version": tf.__version__}


def load(head: dict[str, Any]) -> Signature:
    """Load the folder of a message."""
    return Signature(tf.saved_model.load(head["path"]))


class Signature:
    """The function that a SavedModel serves."""

    def __init__(self, loaded: Any) -> None:
        if _SIGNATURE not in loaded.signatures:
            given = ", ".join(sorted(loaded.signatures)) or "none"
            raise ValueError(f"the folder has no signature `{_SIGNATURE}`; it has: {given}")
        self._loaded = loaded  # the signature alone does not keep its variables
        self._call_signature = loaded.signatures[_SIGNATURE]
        specs = self._call_signature.structured_input_signature[1]
        order = [str(one.name).partition(":")[0] for one in self._call_signature.inputs]
        self._names = sorted(specs, key=lambda name: _place(name, specs[name], order))
        self._inputs = [_row(name, specs[name]) for name in self._names]
        outputs = self._call_signature.structured_outputs
        if not outputs:
            raise ValueError(f"the signature `{_SIGNATURE}` has no outputs")
        self._returned = sorted(outputs, key=natural)
        self._outputs = [_row(name, outputs[name]) for name in self._returned]
        batches = {row["shape"][0] for row in self._inputs if row["shape"]}
        fixed = batches - {None}
        self._batch = fixed.pop() if len(batches) == 1 and len(fixed) == 1 else None

    def described(self) -> dict[str, Any]:
        """Return the inputs, the outputs and what else is known of the folder."""
        return {
            "inputs": self._inputs,
            "outputs": self._outputs,
            "batch": self._batch,
            "float64": "none",
            "quantized": None,
            "ordered_outputs": are_numbered(self._returned),
        }

    def run(self, precision: str, arrays: list[Any]) -> list[Any]:
        """Return the outputs for inputs in the order of `described`."""
        if precision != "working":
            raise ValueError("a SavedModel computes in its own dtypes")

        def call(batch: list[Any]) -> list[Any]:
            feed = {name: tf.constant(a) for name, a in zip(self._names, batch)}  # noqa: B905
            outputs = self._call_signature(**feed)
            return [np.asarray(outputs[name].numpy()) for name in self._returned]

        return in_batches(call, arrays, self._batch)


def _row(name: str, spec: Any) -> dict[str, Any]:
    if spec.shape.rank is None:
        return {"name": name, "dtype": spec.dtype.name, "shape": []}
    return {"name": name, "dtype": spec.dtype.name, "shape": spec.shape.as_list()}


def _place(name: str, spec: Any, order: list[str]) -> tuple[int, Any]:
    """Return a sort key: the order of the function's arguments, and then the name."""
    known = {str(name), str(getattr(spec, "name", name))}
    places = [n for n, one in enumerate(order) if one in known or one.endswith("_" + name)]
    return (places[0] if places else len(order), natural(name))
