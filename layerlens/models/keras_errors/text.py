"""Text for exceptions, shapes and names in error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from layerlens.plain.suggestion import nearest_name

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ARGUMENTS = re.compile(r"\s*Arguments received by .*", re.DOTALL)
_CALLING = re.compile(r"Exception encountered when calling (?P<what>[\w.]+?)(?:\.call)?\(\)\.?\s+")
#: Traced calls are told as "in user code:", stack frames, and the last exception after them.
_STACK = re.compile(r"^in user code:.*\n\s+(?:\w+\.)*\w*(?:Error|Exception): ", re.DOTALL)
#: Calls of a traced function are told with the place of every operation in the source.
_PLACES = re.compile(
    r"^Graph execution error:.*(?:line \d+, in \S+|<stack traces unavailable>)\s+", re.DOTALL
)
_ROOTS = re.compile(r"\d+ root error\(s\) found\.\s*\(0\) [A-Z_ ]+:\s*(.*?)\s+\(1\) .*", re.DOTALL)
_NODE = re.compile(r"\s*(?:\[\[)?\{\{(?:function_)?node [^}]*\}\}(?:\]\])?")
_FOR_NODE = re.compile(r" for '\{\{node [^}]*\}\} = .*?'(?= with|[.;]|$)", re.DOTALL)
_OPERATION = re.compile(r"\s*\[Op:[^\]]*\](?: name: ?\S*)?")
_NODE_DEF = re.compile(r"\s*;?\s*NodeDef:.*", re.DOTALL)
_COMPUTED = re.compile(r" and with computed input tensors: .*", re.DOTALL)
_UNNAMED = re.compile(r" with name 'None'(?= of layer)")
_CONFIG = re.compile(r"\s*config=\{.*", re.DOTALL)
_DEEPEST = re.compile(r".*Exception encountered: (?!Error when deserializing)", re.DOTALL)
_TENSOR = re.compile(r"<KerasTensor shape=(?P<shape>\([^)]*\))[^>]*>")
#: Beyond this a reason is a dump rather than a sentence.
_LONGEST = 600


def clean_reason(error: BaseException) -> str:
    """Return what an exception says, without stack, argument dump or terminal codes."""
    text = _ANSI.sub("", _said(error))
    for noise in (_PLACES, _ARGUMENTS, _STACK, _CALLING, _FOR_NODE, _NODE_DEF, _COMPUTED):
        text = noise.sub("", text)
    text = _ROOTS.sub(r"\1", text)
    if "deserialized properly" in text:
        text = _CONFIG.sub("", _DEEPEST.sub("", text))
    for noise in (_NODE, _OPERATION, _UNNAMED):
        text = noise.sub("", text)
    text = _TENSOR.sub(r"\g<shape>", text)
    text = " ".join(text.split())
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST].rsplit(' ', 1)[0]} …"
    return text or type(error).__name__


def _said(error: BaseException) -> str:
    # A KeyError prints the repr of what it was given; the words are in its argument.
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    return str(error)


def failing_type(error: BaseException) -> str | None:
    """Return the class of the layer that Keras says it was calling."""
    match = _CALLING.search(_ANSI.sub("", str(error)))
    return match["what"] if match else None


def numbered(count: int, noun: str, several: str | None = None) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {several or f'{noun}s'}"


def nearest(name: Any, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that looks most like `name`, if any does."""
    names = list(allowed)
    meant = _MEANT.get(str(name).lower())
    if meant in names:
        return meant
    return nearest_name(str(name), names, cutoff=0.55)


#: What people write for what Keras calls otherwise.
_MEANT = {
    "add": "sum",
    "average": "ave",
    "multiply": "mul",
    "cross_entropy": "categorical_crossentropy",
    "crossentropy": "categorical_crossentropy",
    "linear": "bilinear",
    "xavier": "glorot_uniform",
    "xavier_uniform": "glorot_uniform",
    "kaiming": "he_normal",
    "lrelu": "leaky_relu",
    "nchw": "channels_first",
    "nhwc": "channels_last",
}


def listed(names: Iterable[str], conjunction: str = "or") -> str:
    """Write names as prose: `a`, `b` or `c`."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {conjunction} {quoted[-1]}"


def reshape_to(axes: tuple[int | None, ...]) -> str:
    """Write a Reshape layer as a scenario does."""
    written = ", ".join("-1" if axis is None else str(axis) for axis in axes)
    return f"`Reshape: {{target_shape: [{written}]}}`"


def declared(axes: tuple[int | None, ...]) -> str:
    """Write an input's shape as a scenario does."""
    return f"`shape: [{', '.join('null' if axis is None else str(axis) for axis in axes)}]`"
