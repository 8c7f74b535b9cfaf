"""Remedies for argument values that a layer does not accept."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

import keras

from layerlens.models.keras_errors.refusal import Refusal, Rule
from layerlens.models.keras_errors.text import listed, nearest
from layerlens.plain.shapes import shape_text
from layerlens.scenario.foreign_names import FOREIGN_ACTIVATIONS, FOREIGN_INITIALIZERS
from layerlens.scenario.notation import argument_text

#: Kind → the names of other libraries.
_ELSEWHERE = {"initializer": FOREIGN_INITIALIZERS, "activation": FOREIGN_ACTIVATIONS}
#: Functions of the modules that are not choices.
_NOT_NAMES = ("get", "serialize", "deserialize", "legacy")


def unknown_name(refusal: Refusal) -> str | None:
    """A misspelt activation, initializer, regularizer or constraint."""
    match = refusal.find(r"Could not interpret (\w+)(?: function)? identifier: (\S+)")
    if match is None:
        return None
    kind, name = match[1], match[2].strip("'\"")
    allowed = known_names(f"{kind}s")
    last = name.rpartition(".")[2]  # of `tf.nn.relu`
    elsewhere = _ELSEWHERE.get(kind, {}).get(last.casefold())
    close = elsewhere or (last if last in allowed else nearest(last, allowed))
    if close is None:
        return f"there is no {kind} `{name}`; there are {listed(allowed, 'and')}"
    remedy = f"there is no {kind} `{name}`; {'write' if elsewhere else 'the nearest is'} `{close}`"
    if kind == "activation" and elsewhere is None and hasattr(keras.layers, name):
        # `LeakyReLU` and `leaky_relu` have other slopes.
        return f"{remedy}; the layer of this name is `activation: {{{name}: {{}}}}`"
    return remedy


def known_names(module: str) -> tuple[str, ...]:
    """Return the names a scenario can use from `keras.activations`, `keras.losses`, ..."""
    names = [name for name in dir(getattr(keras, module)) if not name.startswith("_")]
    lower = [name for name in names if name.islower() and name not in _NOT_NAMES]
    if module == "optimizers":  # Keras takes their class names, in upper or lower case
        return tuple(n.lower() for n in names if n[0].isupper() and n not in _NO_OPTIMIZERS)
    return tuple(lower)


_NO_OPTIMIZERS = ("Optimizer", "OptimizerMap", "MultiOptimizer", "LossScaleOptimizer")


def not_positive(refusal: Refusal) -> str | None:
    """A count below 1: units, filters, num_heads, ..."""
    match = refusal.find(
        r"value for (?:argument )?`(?P<a>\w+)`[^`]*positive|`(?P<b>\w+)` must be a positive"
        r"|integer value for `(?P<c>\w+)`"
        r"|Argument `(?P<d>\w+)` should be a positive integer"
    )
    if match is None:
        return None
    name = next(found for found in match.groups() if found)
    value = refusal.arguments.get(name)
    hint = f"`{name}` is a count: an integer of at least 1"
    number = _number_or_none(value)
    if number is None or number < 1:
        return hint
    return f"{hint}, such as `{name}: {round(number)}`" + (
        " (without quotes)" if isinstance(value, str) else ""
    )


def _number_or_none(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def one_size_per_axis(refusal: Refusal) -> str | None:
    """A kernel_size, strides, pool_size, ... with the wrong number of entries."""
    match = refusal.find(r"The `(\w+)` argument must be a tuple of (\d+) integers")
    if match is None:
        return None
    name, count = match[1], int(match[2])
    example = [3 if name == "kernel_size" else 2] * count
    every = f", or one for all, `{name}: {example[0]}`" if count > 1 else ""
    least = "of at least 0" if name in ("padding", "cropping") else "above 0"
    numbers = f"{count} integer{'s' * (count > 1)} {least}"
    return f"`{name}` takes {numbers}, `{name}: {example}`{every}"


def rate_out_of_range(refusal: Refusal) -> str | None:
    match = refusal.find(
        r"argument `(rate|stddev)`\. Expected a float value between 0 and 1\. "
        r"Received: \w+=(-?[\d.]+)"
    )
    if match is None:
        return None
    name, value = match[1], float(match[2])
    if name == "rate" and 2 <= value <= 100:
        return (
            f"`rate` is a fraction from 0 to 1: for {value:g} percent write `rate: {value / 100:g}`"
        )
    return f"`{name}` has to be between 0 and 1"


def strides_and_dilation(refusal: Refusal) -> str | None:
    if not refusal.find(r"strides > 1`?.*dilation_rate > 1"):
        return None
    return "remove either `strides` or `dilation_rate`: only one of them can be above 1"


def zero_stride(refusal: Refusal) -> str | None:
    strides = refusal.arguments.get("strides")
    sizes = strides if isinstance(strides, (list, tuple)) else [strides]
    if 0 not in sizes or not isinstance(refusal.error, ArithmeticError):
        return None
    return "`strides` is the number of entries from one window to the next: at least 1"


def unknown_dtype(refusal: Refusal) -> str | None:
    match = refusal.find(r"Cannot convert '(\S+)' to a mixed precision DTypePolicy")
    if match is None:
        return None
    known = ("float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
    return _one_of("dtype", known, match[1])


def duplicate_name(refusal: Refusal) -> str | None:
    if "layer names have to be unique" not in refusal.reason:
        return None
    return "give one of them another `name`, or remove `name`"


def unequal_shapes(refusal: Refusal) -> str | None:
    if "to have identical shapes" not in refusal.reason:
        return None
    return "declare both inputs with the same `shape`"


def not_rgb(refusal: Refusal) -> str | None:
    if "must have 3 channels" not in refusal.reason:
        return None
    return (
        f"`{refusal.type}` works on color images: give it images of shape (rows, columns, 3), not "
        f"{shape_text(refusal.shape)}"
    )


def unknown_padding(refusal: Refusal) -> str | None:
    match = refusal.find(r"The `padding` argument must be .*\{(.*)\}\. Received: (\w+)")
    if match is None:
        return None
    if match[2] == "causal":
        return "only `Conv1D` supports `padding: causal`; use `same` or `valid`"
    return _one_of("padding", _quoted_words(match[1]), match[2])


def padding_by_a_number(refusal: Refusal) -> str | None:
    """`padding: 1`, as in PyTorch."""
    number = refusal.arguments.get("padding")
    axes = re.search(r"[123]D", refusal.type)
    about_padding = refusal.find(
        r"object has no attribute '(?:lower|upper)'|Argument `padding` must be"
    )
    if about_padding is None or axes is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return (
        "`padding` is a word, such as `same` or `valid`; to pad by a number, put "
        f"`ZeroPadding{axes[0]}: {number}` before the layer"
    )


def unknown_mode_of_an_initializer(refusal: Refusal) -> str | None:
    match = refusal.find(r"Invalid `(\w+)` argument: (\w+)\. ?Please use one of \{(.*)\}")
    return _one_of(match[1], _quoted_words(match[3]), match[2]) if match else None


def unknown_choice(refusal: Refusal) -> str | None:
    """A value that is not in the list in Keras' message: merge_mode, data_format, ..."""
    found = (
        refusal.find(r"(?:Expected|either) (?P<choices>'\w+' or '\w+')")
        or refusal.find(r"one of:? ?[\[({](?P<choices>[^\])}]*)[\])}]")
        or refusal.find(r"of one \((?P<choices>[^)]*)\)")
    )
    if found is None:
        return None
    choices = _quoted_words(found["choices"])
    for name, value in refusal.arguments.items():
        if isinstance(value, str) and value not in choices and _mentions(refusal, name):
            return _one_of(name, choices, value)
    return None


def _mentions(refusal: Refusal, argument: str) -> bool:
    words = re.sub(r"[_`]", " ", refusal.reason).lower()
    return argument.replace("_", " ").lower() in words


def _quoted_words(choices: str) -> list[str]:
    return sorted(re.findall(r"[\"'](\w+)[\"']", choices))


def _one_of(name: str, choices: Iterable[str], value: str) -> str:
    close = nearest(value, choices)
    hint = f"`{name}` is one of {listed(choices)}"
    return f"{hint}; the nearest is `{name}: {close}`" if close else hint


def unknown_argument(refusal: Refusal) -> str | None:
    match = refusal.find(
        r"(?:Unrecognized keyword argument(?:s|\(s\))?(?: passed to \w+)?: \{'"
        r"|unexpected keyword argument ')(\w+)'"
    )
    if match is None or refusal.type == "Bidirectional":
        return None
    allowed = [name for name in _parameters(refusal.type) if name not in refusal.arguments]
    close = nearest(match[1], allowed)
    known = f"`layerlens layers {refusal.type}` lists its arguments"
    named = f"; the nearest is `{close}`" if close else ""
    return f"`{refusal.type}` has no argument `{match[1]}`{named}; {known}"


def missing_argument(refusal: Refusal) -> str | None:
    match = refusal.find(r"__init__\(\) missing \d+ required positional arguments?: (.*)")
    if match is None:
        return None
    names = re.findall(r"'(\w+)'", match[1])
    return f"give `{refusal.type}` its {listed(names, 'and')}"


def _parameters(layer_type: str) -> list[str]:
    layer = getattr(keras.layers, layer_type, None)
    if layer is None:
        return []
    own = [
        item.name
        for item in inspect.signature(layer.__init__).parameters.values()
        if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY) and item.name != "self"
    ]
    return [*own, "name", "dtype", "trainable"]


def mentioned_argument(refusal: Refusal) -> str | None:
    """The arguments that Keras mentions, for values that no other rule explains."""
    quoted = set(re.findall(r"`(\w+)`", refusal.reason))
    mentioned = quoted | set(re.findall(r"\b(\w+)=", refusal.reason))
    known = f"(`layerlens layers {refusal.type}` lists its arguments)"
    given = [name for name in refusal.arguments if name in mentioned]
    if given:
        values = " and ".join(f"`{argument_text(name, refusal.arguments[name])}`" for name in given)
        return f"change {values} {known}"
    missing = [name for name in _parameters(refusal.type) if name in quoted]
    return f"set {listed(missing)} {known}" if missing else None


def large_output_padding(refusal: Refusal) -> str | None:
    match = refusal.find(r"`output_padding` is (\d+) but `strides` is (\d+)")
    if match is None:
        return None
    most = int(match[2]) - 1
    return f"`output_padding` has to be smaller than `strides`: at most {most}" + (
        ", so remove it" if most == 0 else ""
    )


def forced_cudnn(refusal: Refusal) -> str | None:
    if "use_cudnn=True" not in refusal.reason:
        return None
    return "remove `use_cudnn: true`: cuDNN needs a GPU and the layer's default arguments"


def unknown_spatial_sizes(refusal: Refusal) -> str | None:
    if "only support static input shapes" not in refusal.reason:
        return None
    return (
        f"give rows and columns numbers in the input's `shape` instead of `null`; only the steps "
        f"of `{refusal.type}` may vary"
    )


ARGUMENT_RULES: tuple[Rule, ...] = (
    unknown_name,
    not_positive,
    one_size_per_axis,
    rate_out_of_range,
    strides_and_dilation,
    zero_stride,
    unknown_dtype,
    duplicate_name,
    unequal_shapes,
    not_rgb,
    padding_by_a_number,
    unknown_padding,
    unknown_mode_of_an_initializer,
    unknown_choice,
    unknown_argument,
    missing_argument,
    large_output_padding,
    forced_cudnn,
    unknown_spatial_sizes,
)
