"""What no graph tells of a model, or what would take too long to prove."""

from __future__ import annotations

from typing import Any

import keras

from layerlens.proof.field.value import CannotProveError
from layerlens.proof.parts import Part, params

#: Layers whose only state are recurrent ones, which are cleared before each call.
_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)


def refuse_what_no_graph_tells(part: Part, side: int) -> None:
    """Raise unless the graph of a part of a model is all that its outputs depend on.

    Raises:
        CannotProveError: it is not, or the part is too large.
    """
    if part.built[side].model is None:
        raise CannotProveError("there is no TensorFlow graph")
    for spec in part.inputs:
        if not spec.is_integer and spec.dtype not in ("float32", "float64"):
            raise CannotProveError(f"an input is of {spec.dtype}")
    layers = part.layers(side)
    if part.runs_user_code(side) and part.variable_starts:
        raise CannotProveError("user code may depend on any number of steps")
    for layer in layers:
        if is_half_precise(layer):
            raise CannotProveError("it computes in half precision")
        if getattr(layer, "stateful", False) and not isinstance(layer, _RECURRENT):
            raise CannotProveError(f"`{layer.name}` keeps state from call to call")
    if params(part, side) > part.limits.params:
        raise CannotProveError(f"there are more than {part.limits.params:,} weights")
    if part.multiply_adds > part.limits.multiply_adds:
        raise CannotProveError(f"it needs more than {part.limits.multiply_adds:,} multiply-adds")
    if part.activations(side) > part.limits.activations:
        raise CannotProveError(f"layers return more than {part.limits.activations:,} values")


def is_half_precise(layer: Any) -> bool:
    """Return whether a layer computes, or keeps its weights, in half precision."""
    dtypes = (str(getattr(layer, name, "")) for name in ("compute_dtype", "variable_dtype"))
    return any(name.startswith(("float16", "bfloat16")) for name in dtypes)
