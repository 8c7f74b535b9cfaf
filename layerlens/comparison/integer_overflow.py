"""Find layers that compute in whole numbers, and lose what their dtype cannot hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from layerlens.models.build.session import in_fresh_session
from layerlens.models.execute.intermediates import InstrumentedSide, Intermediates, LayerCall
from layerlens.models.execute.side import Side, Values
from layerlens.models.execute.variables import as_array
from layerlens.numerics.arrays import Array, Inputs, greatest_index

#: Layers without weights that calculate in the dtype of what they are given.
_CALCULATES = (
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
#: What float32 cannot hold of a whole number is no loss of a whole number's dtype.
_ROUNDED = 1e-5


def losses(side: Side, values: Values, inputs: Inputs) -> tuple[str, ...]:
    """Say which layers of a model lose something in whole numbers on these inputs, and what.

    Each is called again in float64 on what it is given here. Layers inside wrappers and nested
    models are not looked at.
    """
    inside = InstrumentedSide.of(side)
    look = inside.look(values, inputs) if inside is not None else None
    if look is None:
        return ()
    return tuple(
        f"`{use.layer}` of `{side.name}` {lost}"
        for use in look.layers
        for lost in _loss(use, look, inputs)
    )


def _loss(use: LayerCall, look: Intermediates, inputs: Inputs) -> Iterator[str]:
    kind = type(use.operation)
    if kind.__name__ not in _CALCULATES or not kind.__module__.startswith("keras."):
        return
    given = [inputs[-1 - n] if n < 0 else look.values[n].working for n in use.sources]
    found = use.values[0].working
    dtypes = [array.dtype for array in (found, *given) if array.dtype.kind in "iu"]
    if not dtypes:
        return
    exact = in_fresh_session(lambda: _in_float64(use.operation, given), 0)
    gap = np.abs(exact - found.astype(np.float64))
    lost = gap > _ROUNDED * np.maximum(np.abs(exact), 1.0)
    if lost.any():
        at = greatest_index(lost)
        due = f"where {exact[at]:.9g} is due it gives {found[at]:.9g}"
        if gap[at] < 1.0:
            yield f"cuts off what is no whole number, as it computes in {dtypes[0]}: {due}"
        else:
            yield f"computes in {dtypes[0]} and leaves its range, an integer overflow: {due}"


def _in_float64(layer: Any, given: Sequence[Array]) -> Array:
    copy = type(layer).from_config({**layer.get_config(), "dtype": "float64"})
    arrays = [array.astype(np.float64) for array in given]
    return as_array(copy(arrays if len(arrays) > 1 else arrays[0]))
