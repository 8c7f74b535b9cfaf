"""What no graph tells of a model, or what would take too long to prove."""

from __future__ import annotations

from math import prod
from typing import Any

from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import has_variable_axis
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.proof.field.value import CannotProveError
from layerlens.proof.user_code import runs_user_code

#: Models with more weights, or more values between their layers for one sample, take longer to
#: prove than to probe.
MOST_PARAMS, MOST_ACTIVATIONS = 4_000_000, 500_000


def refuse_what_no_graph_tells(built: Built) -> None:
    """Raise unless the graph of a model is all that its outputs depend on.

    Raises:
        CannotProveError: it is not, or the model is too large.
    """
    for spec in built.inputs:
        if not spec.is_integer and spec.dtype not in ("float32", "float64"):
            raise CannotProveError(f"an input is of {spec.dtype}")
    layers = list(flat_layers(built.model))
    if has_variable_axis(built) and runs_user_code(built):
        raise CannotProveError("code of the user's may look across any number of steps")
    for layer in layers:
        dtypes = {str(layer.compute_dtype), str(layer.variable_dtype)}
        if any(name.startswith(("float16", "bfloat16")) for name in dtypes):
            raise CannotProveError("it computes in half precision")
        if getattr(layer, "stateful", False):
            raise CannotProveError(f"`{layer.name}` keeps state from call to call")
    if sum(row.params or 0 for row in built.report.layers) > MOST_PARAMS:
        raise CannotProveError(f"there are more than {MOST_PARAMS:,} weights")
    if sum(_scalars(row.output_shape) for row in built.report.layers) > MOST_ACTIVATIONS:
        raise CannotProveError(f"layers return more than {MOST_ACTIVATIONS:,} values")


def _scalars(shape: Any) -> int:
    """Return the values of one sample in a shape, or in several; unknown lengths count as 1."""
    if not shape:
        return 0
    if not all(n is None or isinstance(n, int) for n in shape):
        return sum(_scalars(one) for one in shape)
    return prod(n for n in shape[1:] if n is not None)
