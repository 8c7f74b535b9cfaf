"""Hints for names of layers and arguments that Keras 3 does not have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from layerlens.plain.suggestion import nearest_name, sure_name
from layerlens.scenario.faults import suggestion
from layerlens.scenario.foreign_names import FOREIGN_ARGUMENTS, FOREIGN_CLASSES, FOREIGN_ONLY
from layerlens.scenario.keras_catalog import LayerSignature, layer_names, signature
from layerlens.scenario.older_names import (
    GONE_CLASSES,
    MERGE_MODES,
    OF_THE_INPUT,
    RENAMED_ARGUMENTS,
    RENAMED_CLASSES,
)
from layerlens.scenario.yaml.python_syntax import PythonCall, python_call

#: Classes of Keras 1 that several layers of Keras 3 compute.
_COMPOSED: Mapping[str, str] = {
    "MaxoutDense": "write `Dense`, `Reshape` and `GlobalMaxPooling1D`",
    "Highway": "write a `graph:` of two `Dense`, `Subtract`, `Multiply` and `Add`",
}
#: Where an older class differs from its successor's defaults.
_DIFFERENCES: Mapping[str, str] = {
    "ThresholdedReLU": "`theta: 1.0`, its default, is `threshold: 1.0`",
    "CuDNNGRU": "it works as with `reset_after: true`, the default",
    "SyncBatchNormalization": "add `synchronized: true`",
    "TimeDistributedDense": "`Dense` works on the last axis of any input",
    "LSTMV1": "its `recurrent_activation` was `hard_sigmoid`, which Keras 3 computes differently",
    "GRUV1": "add `reset_after: false`; its `recurrent_activation` was `hard_sigmoid`",
    **{
        f"{name}{axes}D": "`atrous_rate` is `dilation_rate`"
        for name in ("AtrousConvolution", "AtrousConv")
        for axes in (1, 2)
    },
}
#: Older arguments whose values, too, are written otherwise.
_VALUES: Mapping[str, str] = {
    "dim_ordering": "`tf` is `channels_last`, `th` is `channels_first`",
    "forget_bias_init": "`one` is `true`",
    "affine": "it is `center` and `scale` in Keras",
}
_SIZES = ("nb_row", "nb_col", "kernel_dim1", "kernel_dim2", "kernel_dim3")
_NO_EFFECT = frozenset({"consume_less", "implementation", "fused", "unit_test"})
_SHAPES = frozenset({*OF_THE_INPUT, "batch_shape", "batch_size", "batch_input_shape"})


def layer_hint(name: str, body: Any, known: Iterable[str]) -> str:
    """Return what to write in place of an unknown layer.

    Args:
        name: the name as it is written.
        body: what stands below it, as far as it is read.
        known: the names of all layers that a scenario can have.
    """
    known = tuple(known)
    called = python_call(name)
    if called is not None:
        return _without_call(called, known)
    last = name.rpartition(".")[2].strip() or name
    if last in known:
        return f"did you mean `{last}`? Write only the name of the class"
    found = _elsewhere(last, body)
    if found is not None:
        return found
    sure = sure_name(last, known)
    if sure is not None:
        return f"did you mean `{sure}`?"
    near = nearest_name(last, known)
    return (f"did you mean `{near}`? " if near else "") + "`layerlens layers` lists them all"


def _without_call(called: PythonCall, known: tuple[str, ...]) -> str:
    """Return how a scenario writes a layer that is written as a call in Python."""
    keras = _class(called.name, known) or called.name
    if len(called.positional) == 1 and not called.keywords:
        return f"write `{keras}: {called.positional[0]}`"
    names: list[str] = []
    if keras in layer_names():
        names = [item.name for item in signature(keras).arguments if not item.keyword_only]
    if len(names) < len(called.positional):
        return f"write `{keras}: {{name: value, ...}}`, with the name of each argument"
    given = [f"{key}: {value}" for key, value in zip(names, called.positional, strict=False)]
    given += called.keywords
    return f"write `{keras}: {{{', '.join(given)}}}`" if given else f"write `{keras}`"


def _class(name: str, known: tuple[str, ...]) -> str | None:
    """Return the class in Keras 3 of a name of any library, if one clearly has it."""
    last = name.rpartition(".")[2]
    if last in known:
        return last
    foreign = FOREIGN_CLASSES.get(last)
    return RENAMED_CLASSES.get(last) or (foreign[0] if foreign else None) or sure_name(last, known)


def _elsewhere(name: str, body: Any) -> str | None:
    """Return the hint for a class that Keras 1 or 2, or another library, has."""
    if name == "Merge":
        return _merge_hint(body)
    if name in RENAMED_CLASSES:
        difference = f"; {_DIFFERENCES[name]}" if name in _DIFFERENCES else ""
        return f"did you mean `{RENAMED_CLASSES[name]}`? That is what Keras 3 has{difference}"
    if name in GONE_CLASSES:
        what, instead = GONE_CLASSES[name]
        return f"`{name}`, {what}, is not in Keras 3: {instead}"
    if name in _COMPOSED:
        return f"`{name}` of Keras 1 is not in Keras 3: {_COMPOSED[name]}"
    if name in FOREIGN_CLASSES:
        keras, note = FOREIGN_CLASSES[name]
        return f"did you mean `{keras}`?" + (f" {note}" if note else "")
    return None


def _merge_hint(body: Any) -> str:
    mode = body.get("mode") if isinstance(body, Mapping) else body
    if isinstance(mode, str) and mode in MERGE_MODES:
        return f"did you mean `{MERGE_MODES[mode]}`? It is `Merge` of Keras 1 in the mode `{mode}`"
    each = ", ".join(f"`{keras}` ({mode})" for mode, keras in MERGE_MODES.items())
    return f"Keras 3 has a layer for each mode of `Merge`: {each}"


def argument_hint(layer: LayerSignature, name: str) -> str:
    """Return what to write in place of an argument that a layer does not have."""
    offered = layer.offered
    if name in _SHAPES:
        return (
            "a scenario declares the shape once, under `input:` (per sample, without the batch "
            "axis)"
        )
    older = _older_name(layer, name)
    if older is not None:
        told = f"; {_VALUES[name]}" if name in _VALUES else ""
        return f"did you mean `{older}`? That is its name in Keras 3{told}"
    if name in _SIZES and "kernel_size" in offered:
        return "Keras 3 takes all sizes together: `kernel_size: [rows, columns]`"
    if name in ("weights", "initial_weights"):
        return "give a layer's weights under `weights:` of the model, by their paths"
    if name in ("lr", "learning_rate", "lr_mult", "lr_multiplier", "W_learning_rate_multiplier"):
        return "a layer has no learning rate: remove it; `trainable: false` keeps its weights fixed"
    if name in _NO_EFFECT:
        return "it has no effect on the result, and Keras 3 does not have it: remove it"
    foreign = FOREIGN_ARGUMENTS.get(name)
    if foreign is not None:
        names, difference = foreign
        known = [item for item in names if item in offered]
        if known:
            return f"did you mean `{known[0]}`?" + (f" {difference}" if difference else "")
    if name in FOREIGN_ONLY:
        return FOREIGN_ONLY[name]
    return suggestion(name, offered)


def _older_name(layer: LayerSignature, name: str) -> str | None:
    """Return the name in Keras 3 of an argument of Keras 1 or 2 that the layer has."""
    offered = layer.offered
    if name == "init" and "depthwise_initializer" in offered:
        return "depthwise_initializer` and `pointwise_initializer"
    if name == "forget_bias_init" and "unit_forget_bias" in offered:
        return "unit_forget_bias"
    if name == "theta" and "threshold" in offered:
        return "threshold"
    own = RENAMED_ARGUMENTS.get(layer.name, {})
    tables = (own, *RENAMED_ARGUMENTS.values())
    found = (table[name] for table in tables if name in table)
    return next((new for new in found if new in offered and new != name), None)
