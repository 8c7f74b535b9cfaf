"""Explain why the call of a built model fails: the reason, the layer and a remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from layerlens.models.keras_errors.sizes import UNROLL_HINT
from layerlens.models.keras_errors.text import clean_reason, failing_type
from layerlens.report.layers import LayerRow, ModelError

_EXECUTION_TEXT = {
    "eager": "called eagerly",
    "traced": "traced with known shapes",
    "traced_dynamic": "traced with unknown batch and variable axes, as `predict` and `fit` do",
    "fit": "trained",
}


@dataclass(frozen=True, slots=True)
class _CallRule:
    """A remedy for reasons that match a pattern.

    `type` is a pattern for the classes of layers that the rule applies to; None is all.
    """

    pattern: str
    hint: str
    type: str | None = None


#: TensorFlow's reason for a name that it cannot trace.
_UNTRACED_NAME = r"'([^']+)' is not a valid scope name"

#: `{0}` and `{1}` in a hint are the matched groups of the pattern.
_RULES: tuple[_CallRule, ...] = (
    _CallRule(
        _UNTRACED_NAME,
        "TensorFlow runs a layer of this name eagerly only; give it a name of letters without "
        "accents, digits, `_`, `-` and `.`, which starts with a letter or digit",
    ),
    _CallRule(
        r"indices\[[^\]]*\] = (-?\d+) is not in \[0, (\d+)\)",
        "the token {0} is outside the embedding's {1} entries; raise its `input_dim` above the "
        "largest token, or set the input's `high: {1}`",
    ),
    _CallRule(
        r"attr 'T' of ((?:u?int|bool)\w*) is not in the list of allowed values"
        r"|has DataType ((?:u?int|bool)\w*) not in list of allowed values"
        r"|expected to be a (?:float|half|double) tensor but is a ((?:u?int|bool)\w*) tensor"
        r"|expected to be a ((?:u?int|bool)\w*) tensor but is a"
        r"|does not match type ((?:u?int|bool)\w*)",
        "this layer computes in floats and receives {0}; put `Rescaling: 1.0` before it to "
        "convert them, or declare the input as `dtype: float32`, without `low` and `high`",
    ),
    _CallRule(
        r"only (?:currently )?supports (?:the )?NHWC|NCHW|channels_first",
        "TensorFlow does not support this operation on the CPU with channels first; use "
        "`data_format: channels_last` with `Permute` before and after",
    ),
    _CallRule(
        r"only supports equal length strides",
        "give `strides` one number for both axes, or set the environment variable "
        "`TF_ENABLE_ONEDNN_OPTS=1`: TensorFlow's oneDNN kernels, which are only the "
        "default on some processors, support different ones",
    ),
    _CallRule(
        r"unroll a RNN",
        UNROLL_HINT,
    ),
    _CallRule(
        r"`mask` must be broadcastable",
        "the mask has one entry per step and `Softmax` needs one per element; use "
        "`Activation: softmax`, which ignores the mask",
        "Softmax",
    ),
    _CallRule(
        r"Matrix size-incompatible|Dimensions must be equal|Incompatible shapes",
        "query and key (the value, where no key is given) need the same number of "
        "features; make them equal with a `Dense` after one of them",
        "Attention|AdditiveAttention",
    ),
    _CallRule(
        r"Matrix size-incompatible|Dimensions must be equal|Incompatible shapes",
        "each initial state needs as many features as the layer has `units`; use a `Dense` "
        "to get that number",
        "LSTMCell|GRUCell|SimpleRNNCell",
    ),
    _CallRule(
        r"index out of range",
        "`LSTM` takes two initial states after its sequence: `from: [sequence, h, c]`",
        "LSTM",
    ),
    _CallRule(
        r"tuple index out of range",
        "attention needs steps, (None, steps, features); put `RepeatVector`, or a `Reshape` that "
        "adds them, before it",
        "MultiHeadAttention|GroupQueryAttention",
    ),
    _CallRule(
        r"must be broadcastable|Dimensions must be equal|Incompatible shapes",
        "the mask has an entry for each position of a step, and the output of a step has "
        "another size; set `padding: same` and leave `strides` at 1, or remove the masking",
        "ConvLSTM[123]D",
    ),
    _CallRule(
        r"must be broadcastable|Dimensions must be equal|Incompatible shapes",
        "the mask does not have one entry per step; remove the masking, or put it where "
        "each step is one vector",
        "LSTM|GRU|SimpleRNN|RNN",
    ),
    _CallRule(
        r"Cannot unstack (\d+) tensors into a TensorArray of static size (\d+)",
        "the mask has {0} steps and the input {1}; give it a mask of {1} steps",
        "LSTM|GRU|SimpleRNN|RNN",
    ),
    _CallRule(
        r"Dimensions must be equal|Incompatible shapes",
        "the forward and the backward layer need the same `units` if their outputs are "
        "added, multiplied or averaged; make them equal or set `merge_mode: concat`",
        "Bidirectional",
    ),
    _CallRule(
        r"Paddings must be non-negative",
        "`padding` cannot be negative; use a `Cropping` layer to remove entries",
    ),
    _CallRule(
        r"(?:Computed output size would be|Negative dimension size|pooling forward propagation"
        r"|output size would be zero)",
        "the window is larger than this input; give the variable axis more entries, take a smaller "
        "window, or set `padding: same`",
    ),
    _CallRule(
        r"Input to reshape is a tensor with|total size of the tensor must be unchanged",
        "the target shape only fits some lengths; use -1 for the axis that varies",
        "Reshape",
    ),
    _CallRule(
        r"batch_dot over axis 0",
        "axis 0 is the batch; `axes` counts from 1, or from the end with -1",
    ),
    _CallRule(
        r"must be smaller than the input length",
        "`cropping` removes more entries than the axis has; crop less, or give the "
        "variable axis more "
        "entries",
    ),
    _CallRule(
        r"slice index \d+ of dimension 0 out of bounds",
        "with an unknown length `TimeDistributed` uses the number of samples as the number "
        "of steps; replace `null` with the number of steps in the input's `shape`, or "
        "remove `TimeDistributed` if the layer works on each step alone, as `Dense` does",
        "TimeDistributed",
    ),
    _CallRule(
        r"slice index 0 of dimension|uninitialized tensors",
        "the input has no steps; a recurrent layer needs at least one",
    ),
    _CallRule(
        r"`dim` must be in the range|out of bounds",
        "`axis` is an axis that the input does not have; -1 is the last",
    ),
    _CallRule(
        r"Invalid value for argument `interpolation`",
        "use one of the listed interpolations, such as `interpolation: bilinear`",
    ),
    _CallRule(
        r"Cast (?:float|int\w*|double) to string is not supported",
        "this layer takes strings; declare the input as `dtype: string`",
    ),
    _CallRule(
        r"Incompatible shapes|Dimensions must be equal",
        "the inputs' variable axes have different sizes here; give them the same number "
        "instead of `null`, or crop or pad them to one size",
        "Add|Subtract|Multiply|Average|Maximum|Minimum|Dot|Concatenate",
    ),
)


def explain_call_error(
    error: BaseException, *, execution: str, layers: Sequence[LayerRow] = ()
) -> ModelError:
    """Return why the call of a built model fails, at which layer, and a remedy.

    `layers` holds the model's rows, by which a layer is identified from its class.
    """
    reason = clean_reason(error)
    layer_type = failing_type(error)
    layer = (
        _layer_of_untraced_name(reason, layers)
        or _layer_from_node_names(str(error), layers)
        or _layer_of_type(layer_type, layers)
    )
    types = {name for name in (layer_type, _type_of(layer, layers)) if name}
    how = _EXECUTION_TEXT.get(execution, execution)
    unnamed = f"a layer of type `{layer_type}`" if layer_type else "the model"
    subject = f"`{layer}`" if layer else unnamed
    return ModelError(
        layer=layer, message=f"{subject} fails when {how}: {reason}", hint=_hint(reason, types)
    )


def _hint(reason: str, types: set[str]) -> str:
    for rule in _RULES:
        match = re.search(rule.pattern, reason)
        applies = rule.type is None or any(re.fullmatch(rule.type, name) for name in types)
        if match and applies:
            return rule.hint.format(*filter(None, match.groups()))
    return (
        "look for what depends on values or on unknown sizes: the model builds, so the known "
        "shapes agree"
    )


def _layer_of_untraced_name(reason: str, layers: Sequence[LayerRow]) -> str | None:
    """Return the layer whose name TensorFlow cannot trace."""
    match = re.search(_UNTRACED_NAME, reason)
    names = {str(row.name) for row in layers}
    return match[1] if match is not None and match[1] in names else None


def _layer_from_node_names(message: str, layers: Sequence[LayerRow]) -> str | None:
    """Return the layer in the names of graph nodes, such as `td_1/gru_1/while/MatMul`.

    TensorFlow numbers a scope that is entered again: under `td_1`, `gru_1` is the layer `gru`.
    """
    names = {row.name for row in layers}
    for path in re.findall(r"\{\{node ([^}]+)\}\}", message):
        root, *scopes = str(path).split("/")
        reentered = re.search(r"_\d+$", root) is not None
        for scope in scopes[:-1]:
            name = re.sub(r"_\d+$", "", scope) if reentered else scope
            if name in names or not names:
                return name
    return None


def _layer_of_type(layer_type: str | None, layers: Sequence[LayerRow]) -> str | None:
    """Return the layer that is or contains one of this class, if there is only one."""
    if layer_type is None:
        return None
    owners = [row.name for row in layers if layer_type in _types(row)]
    return owners[0] if len(owners) == 1 else None


def _types(row: LayerRow) -> set[str]:
    return {row.type}.union(*(_types(held) for held in row.holds))


def _type_of(layer: str | None, layers: Sequence[LayerRow]) -> str | None:
    types = [row.type for row in layers if row.name == layer]
    return types[0] if types else None
