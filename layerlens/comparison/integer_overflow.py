"""Find layers that compute in an integer dtype and overflow it, or cut off fractions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from layerlens.models.build.session import in_fresh_session
from layerlens.models.execute.intermediates import InstrumentedSide, Intermediates, LayerCall
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import as_array
from layerlens.numerics.arrays import Array, Inputs, greatest_index

#: Layers without weights that compute in the dtype of their inputs.
_ARITHMETIC_LAYERS = (
    "Add",
    "Subtract",
    "Multiply",
    "Average",
    "Dot",
    "Rescaling",
    "Activation",
    "ReLU",
    "LeakyReLU",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
)
#: A relative error below this may come from float32 and is not an integer's.
_ROUNDED = 1e-5


def integer_losses(side: Side, values: Values, inputs: Inputs) -> tuple[str, ...]:
    """Return a sentence for each layer of a model that overflows or cuts off fractions.

    Each layer is called again in float64 on its inputs in this run. Layers inside wrappers and
    nested models are left out.
    """
    if not any(map(_computes_in_integers, side.working.layers)):
        return ()  # spares a run of the whole model
    inside = InstrumentedSide.of(side)
    look = inside.look(values, inputs) if inside is not None else None
    if look is None:
        return ()
    return tuple(
        f"`{use.layer}` of `{side.name}` {text}"
        for use in look.layers
        for text in _losses_of(use, look, inputs)
    )


def _computes_in_integers(layer: Any) -> bool:
    """Return whether a layer of arithmetic takes or makes integers, as it was announced."""
    return _is_arithmetic(layer) and any(
        str(tensor.dtype).startswith(("int", "uint"))
        for node in layer._inbound_nodes
        for tensor in (*node.input_tensors, *node.output_tensors)
    )


def _is_arithmetic(layer: Any) -> bool:
    kind = type(layer)
    return kind.__name__ in _ARITHMETIC_LAYERS and kind.__module__.startswith("keras.")


def _losses_of(use: LayerCall, look: Intermediates, inputs: Inputs) -> Iterator[str]:
    if not _is_arithmetic(use.operation):
        return
    given = [inputs[-1 - n] if n < 0 else look.values[n].working for n in use.sources]
    found = use.values[0].working
    dtypes = [array.dtype for array in (found, *given) if array.dtype.kind in "iu"]
    if not dtypes:
        return
    exact = in_fresh_session(lambda: _in_float64(use.operation, given), 0)
    error = np.abs(exact - found.astype(np.float64))
    is_wrong = error > _ROUNDED * np.maximum(np.abs(exact), 1.0)
    if is_wrong.any():
        at = greatest_index(is_wrong)
        due = f"{found[at]:.9g} instead of {exact[at]:.9g}"
        if error[at] < 1.0:
            yield f"computes in {dtypes[0]} and truncates a fraction: {due}"
        else:
            yield f"computes in {dtypes[0]} and overflows its range: {due}"


def _in_float64(layer: Any, given: Sequence[Array]) -> Array:
    copy = type(layer).from_config({**layer.get_config(), "dtype": "float64"})
    arrays = [array.astype(np.float64) for array in given]
    return as_array(copy(arrays if len(arrays) > 1 else arrays[0]))
