"""A text that has to be one of a few names enters; what is wrong with it, and the nearest, leaves.

Names of functions and classes are those of the installed Keras. The other lists hold what any
layer takes: what one layer does not is left to Keras, whose refusal is part of the report.
"""

from __future__ import annotations

import re

from layerlens import catalogue
from layerlens.catalogue import Argument
from layerlens.faultfinding import Faults, nearest, suggestion
from layerlens.placed import Position

#: The end of an argument's name → where Keras keeps what it takes.
_PACKAGES: dict[str, catalogue.Package] = {
    "activation": "activations",
    "_initializer": "initializers",
    "_regularizer": "regularizers",
    "_constraint": "constraints",
}
_WORDS = {
    "padding": ("valid", "same", "causal"),
    "data_format": ("channels_last", "channels_first"),
    "merge_mode": ("sum", "mul", "concat", "ave"),
    "interpolation": ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
}
_DTYPE = re.compile(r"(?:mixed_)?(?:b?float|u?int|complex)\d+|bool|string|\w*(?:_from_|float8)\w*")
_DTYPES = (
    *("float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"),
)


def check_choice(
    argument: Argument, layer: str, value: str, at: Position | None, faults: Faults
) -> None:
    """Tell a text that Keras would not know for this argument of a layer."""
    name = argument.name
    package = next((kept for end, kept in _PACKAGES.items() if name.endswith(end)), None)
    if package is not None:
        known = catalogue.object_names(package)
        # `package>name` is somebody's own, registered with Keras.
        if value not in known and ">" not in value:
            near = nearest(value, known)
            hint = f"did you mean `{near}`?" if near else f"such as {', '.join(known[:8])}"
            faults.add(f"`{name}` of `{layer}`: `keras.{package}` has no `{value}`", at, hint)
        return
    words = _WORDS.get(name)
    # A `padding` without a word for its default takes numbers, of which the layer says more.
    if (
        words is not None
        and (argument.default or "None") != "None"
        and "(" in str(argument.default)
    ):
        return
    if name == "dtype":
        words = _DTYPES
        if _DTYPE.fullmatch(value):
            return
    if words is not None and value.lower() not in words:
        faults.add(f"`{name}` of `{layer}` does not take `{value}`", at, suggestion(value, words))
