"""The catalogue of layers enters, text to read in a terminal leaves."""

from __future__ import annotations

import textwrap
from difflib import get_close_matches

from layerlens.catalogue import Argument, LayerSignature, layer_names, signature
from layerlens.errors import UsageError

GAP = 2


def render_layer_names(width: int) -> str:
    """Return the names of all layers in alphabetical columns, read downwards."""
    names = sorted(layer_names(), key=str.lower)
    column = max(map(len, names)) + GAP
    per_line = max(1, (width + GAP) // column)
    height = -(-len(names) // per_line)
    rows = [names[start::height] for start in range(height)]
    lines = ["".join(name.ljust(column) for name in row).rstrip() for row in rows]
    return "\n".join([*lines, ""])


def render_layer(name: str, width: int) -> str:
    """Return one layer's arguments with defaults and documentation.

    Raises UsageError for a name that is no layer.
    """
    try:
        found = signature(name)
    except KeyError:
        raise UsageError(f"there is no layer {name!r}", hint=_nearest(name)) from None
    prose = min(width, 100)
    lines = [_call(found, prose), ""]
    if found.summary:
        lines += [*textwrap.wrap(found.summary, prose), ""]
    for argument in found.arguments:
        if not argument.legacy:
            lines += _argument(argument, prose)
    return "\n".join([*lines, f"keras.layers.{name}, Keras {found.keras}", ""])


def _nearest(name: str) -> str:
    known = {known.lower(): known for known in layer_names()}
    near = get_close_matches(name.lower(), known, n=3)
    if not near:
        return "`layerlens layers` lists all of them"
    return f"did you mean {' or '.join(known[one] for one in near)}?"


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
    standing = "required" if argument.required else f"default {argument.default}"
    lines = textwrap.wrap(
        f"{argument.name}  ({standing})", width, subsequent_indent="    ", break_on_hyphens=False
    )
    lines += textwrap.wrap(
        argument.documentation,
        width,
        initial_indent="    ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )
    return [*lines, ""]
