"""Text of exceptions, shapes and names in error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from layerlens.plain.suggestion import nearest_name

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ARGUMENTS = re.compile(r"\s*Arguments received by .*", re.DOTALL)
_CALLING = re.compile(r"Exception encountered when calling (?P<what>[\w.]+?)(?:\.call)?\(\)\.?\s+")
#: The message of a traced call: "in user code:", the stack frames and the last exception.
_STACK = re.compile(r"^in user code:.*\n\s+(?:\w+\.)*\w*(?:Error|Exception): ", re.DOTALL)
#: The message of a traced function's call has the source line of every operation.
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
#: The maximum length of a reason; a longer one is a dump, not a sentence.
_MAX_REASON = 600


def clean_reason(error: BaseException) -> str:
    """Return the message of an exception without stack, argument dump and terminal codes."""
    text = _ANSI.sub("", _message(error))
    for noise in (_PLACES, _ARGUMENTS, _STACK, _CALLING, _FOR_NODE, _NODE_DEF, _COMPUTED):
        text = noise.sub("", text)
    text = _ROOTS.sub(r"\1", text)
    if "deserialized properly" in text:
        text = _CONFIG.sub("", _DEEPEST.sub("", text))
    for noise in (_NODE, _OPERATION, _UNNAMED):
        text = noise.sub("", text)
    text = _TENSOR.sub(r"\g<shape>", text)
    text = " ".join(text.split())
    if len(text) > _MAX_REASON:
        text = f"{text[:_MAX_REASON].rsplit(' ', 1)[0]} …"
    return text or type(error).__name__


def _message(error: BaseException) -> str:
    # `str` of a KeyError is the repr of its argument.
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    return str(error)


def failing_type(error: BaseException) -> str | None:
    """Return the class of the layer that Keras was calling, if its message names one."""
    match = _CALLING.search(_ANSI.sub("", str(error)))
    return match["what"] if match else None


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun: `1 axis`, `2 axes`; the default plural adds an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {plural or f'{noun}s'}"


def nearest(name: Any, allowed: Iterable[str]) -> str | None:
    """Return the allowed name that a misspelt one most likely means, or None."""
    names = list(allowed)
    synonym = _SYNONYMS.get(str(name).lower())
    if synonym in names:
        return synonym
    return nearest_name(str(name), names, cutoff=0.55)


#: Names from elsewhere → Keras' name.
_SYNONYMS = {
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
    """Return names as prose: `a`, `b` or `c`."""
    quoted = [f"`{name}`" for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {conjunction} {quoted[-1]}"


def reshape_yaml(axes: tuple[int | None, ...]) -> str:
    """Return a Reshape layer as in a scenario; -1 is an axis of unknown size."""
    written = ", ".join("-1" if axis is None else str(axis) for axis in axes)
    return f"`Reshape: {{target_shape: [{written}]}}`"


def declared_shape(axes: tuple[int | None, ...]) -> str:
    """Return the shape of an input as in a scenario, in backticks."""
    return f"`{shape_yaml(axes)}`"


def shape_yaml(axes: Iterable[int | None]) -> str:
    """Return the key `shape` as in a scenario, such as `shape: [null, 3]`."""
    return f"shape: [{', '.join('null' if axis is None else str(axis) for axis in axes)}]"
