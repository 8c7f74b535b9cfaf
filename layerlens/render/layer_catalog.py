"""Render the catalog of layers for a terminal."""

from __future__ import annotations

import textwrap

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.plain.suggestion import nearest_names
from layerlens.scenario.keras_catalog import (
    OBJECT_PACKAGES,
    Argument,
    LayerSignature,
    layer_groups,
    layer_names,
    object_names,
    signature,
)
from layerlens.scenario.model_layers import MODEL_LAYERS, model_signature


def render_layer_names(width: int) -> str:
    """Return the names of all layers, grouped as Keras groups them."""
    lines: list[str] = []
    groups = {**layer_groups(), "models in the place of layers": tuple(MODEL_LAYERS)}
    for package in OBJECT_PACKAGES:
        names = tuple(name for name in object_names(package) if name[0].isupper())
        groups[f"{package}, as arguments of layers"] = names
    for group, names in groups.items():
        lines += ["", f"{group}:"] if lines else [f"{group}:"]
        lines += textwrap.wrap("  ".join(names), width, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([*lines, ""])


def render_layer(name: str, width: int) -> str:
    """Return the arguments of a layer, with defaults and documentation.

    Where no layer has the name, it may be that of an initializer, a regularizer or a constraint.

    Raises:
        UsageError: there is no layer of this name.
    """
    package, found = _found(name)
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
    return "\n".join([*lines, f"{package}.{name}, Keras {found.keras}", ""])


def _found(name: str) -> tuple[str, LayerSignature]:
    """Return the module and the signature of a class.

    Raises:
        UsageError: there is no layer or object of this name.
    """
    if name in MODEL_LAYERS:
        return "keras", model_signature(name)
    if name in layer_names():
        return "keras.layers", signature(name)
    for package in OBJECT_PACKAGES:
        if name in object_names(package):
            return f"keras.{package}", signature(name, package)
    raise UsageError(f"there is no layer {name!r}", hint=_nearest(name), code=Code.UNKNOWN_LAYER)


def _nearest(name: str) -> str:
    objects = (item for package in OBJECT_PACKAGES for item in object_names(package))
    near = nearest_names(name, (*objects, *layer_names(), *MODEL_LAYERS), most=3)
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
