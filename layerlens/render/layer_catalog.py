"""Render the catalog of layers for a terminal."""

from __future__ import annotations

import textwrap

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.plain.suggestion import nearest_names
from layerlens.scenario.keras_catalog import (
    Argument,
    LayerSignature,
    layer_groups,
    layer_names,
    signature,
)
from layerlens.scenario.model_layers import MODEL_LAYERS, model_signature


def render_layer_names(width: int) -> str:
    """Return the names of all layers, grouped as Keras groups them."""
    lines: list[str] = []
    groups = {**layer_groups(), "models in the place of layers": tuple(MODEL_LAYERS)}
    for group, names in groups.items():
        lines += ["", f"{group}:"] if lines else [f"{group}:"]
        lines += textwrap.wrap("  ".join(names), width, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([*lines, ""])


def render_layer(name: str, width: int) -> str:
    """Return one layer's arguments with defaults and documentation.

    Raises:
        UsageError: there is no layer of this name.
    """
    try:
        found = model_signature(name) if name in MODEL_LAYERS else signature(name)
    except KeyError:
        raise UsageError(
            f"there is no layer {name!r}", hint=_nearest(name), code=Code.UNKNOWN_LAYER
        ) from None
    prose = min(width, 100)
    lines = [_call(found, prose), ""]
    if found.summary:
        lines += [*textwrap.wrap(found.summary, prose), ""]
    for argument in found.arguments:
        if not argument.legacy:
            lines += _argument(argument, prose)
    if found.call:
        lines += ["Arguments of its call, under `call:` beside the layer:", ""]
        for argument in found.call:
            lines += _argument(argument, prose)
    package = "keras" if name in MODEL_LAYERS else "keras.layers"
    return "\n".join([*lines, f"{package}.{name}, Keras {found.keras}", ""])


def _nearest(name: str) -> str:
    near = nearest_names(name, (*layer_names(), *MODEL_LAYERS), most=3)
    return f"did you mean {' or '.join(near)}?" if near else "`layerlens layers` lists all of them"


def _call(found: LayerSignature, width: int) -> str:
    parts = [
        argument.name if argument.required else f"{argument.name}={argument.default}"
        for argument in found.arguments
        if not argument.legacy
    ]
    head = f"{found.name}("
    return textwrap.fill(
        head + ", ".join(parts) + ")",
        width,
        subsequent_indent=" " * min(len(head), 8),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _argument(argument: Argument, width: int) -> list[str]:
    status = "required" if argument.required else f"default {argument.default}"
    lines = textwrap.wrap(
        f"{argument.name}  ({status})", width, subsequent_indent="    ", break_on_hyphens=False
    )
    lines += textwrap.wrap(
        argument.documentation,
        width,
        initial_indent="    ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )
    return [*lines, ""]
