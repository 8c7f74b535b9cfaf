"""Name the layer inside a nested model that an argument of the model's row belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from layerlens.report.layers import MODEL_TYPES, LayerRow

#: The start of an argument of an inner layer: `layer.` or `layers[2].`.
_HOLDER = re.compile(r"(layer|layers\[\d+\])\.(?=.)")


@dataclass(frozen=True, slots=True)
class InnerArgument:
    """An argument and the layer that has it: `mask_zero` of `base/embedding`."""

    name: str
    layer: str
    #: Whether the layer is inside a model in the place of a layer.
    is_nested: bool


def inner_argument(row: LayerRow, name: str) -> InnerArgument:
    """Return whose argument `layers[0].mask_zero` of a row is.

    The argument of a layer in a wrapper, such as `layer.units`, belongs to the wrapper, as does one
    whose layer is not known.
    """
    holder, names, start, is_nested = row, [row.name], 0, False
    while (match := _HOLDER.match(name, start)) is not None:
        held = _held(holder, row, name[:start], match[1])
        if held is None:
            break
        is_nested = is_nested or holder.type in MODEL_TYPES
        holder, start = held, match.end()
        names.append(held.name)
    if not is_nested:
        return InnerArgument(name, row.name, is_nested=False)
    return InnerArgument(name[start:], "/".join(names), is_nested=True)


def _held(holder: LayerRow, row: LayerRow, prefix: str, key: str) -> LayerRow | None:
    """Return the layer inside `holder` that an argument's name calls `key`; None if unknown."""
    if holder.type in MODEL_TYPES:
        keys = [
            argument[len(prefix) :]
            for argument, value in row.arguments.items()
            if re.fullmatch(rf"{re.escape(prefix)}layers\[\d+\]", argument)
            and value != "InputLayer"
        ]
    else:
        keys = ["layer"]
    if key not in keys or len(keys) != len(holder.holds):
        return None
    held = holder.holds[keys.index(key)]
    return held if row.arguments.get(f"{prefix}{key}") == held.type else None
