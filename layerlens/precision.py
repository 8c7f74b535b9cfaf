"""Working precision and float64: which dtype a policy, an input or a layer has in each."""

from __future__ import annotations

from typing import Any, Literal

Precision = Literal["working", "float64"]

FLOATING = ("float", "bfloat", "mixed_")


def is_floating(dtype: Any) -> bool:
    return isinstance(dtype, str) and dtype.startswith(FLOATING)


def layer_dtype(dtype: Any, precision: Precision) -> Any:
    """Return a layer's `dtype` argument in this precision; integer dtypes stay."""
    return "float64" if precision == "float64" and is_floating(dtype) else dtype
