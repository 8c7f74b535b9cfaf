"""A Keras model as numbered expressions: equal numbers are the same computation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import FunctionType
from typing import Any, Literal

import keras
import numpy as np
from keras.src.models.functional import Functional

from layerlens.models.inspect.nested_layers import with_nested
from layerlens.proof.keras_layers import (
    activation_host,
    ignores_masks,
    is_exactly,
    is_linear,
    is_no_op,
)

#: A "linear" step is a layer without its final activation, which is the next step; a "call" step
#: has arguments besides its inputs.
StepKind = Literal["layer", "linear", "activation", "select", "call"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One computation: a layer, a part of one, or the slice that a scenario selects."""

    kind: StepKind
    name: str
    inputs: tuple[Value, ...]
    #: Equal for two steps that compute the same from equal inputs; None if unknown.
    signature: Hashable
    layer: Any = None
    #: The call of the layer in its model's graph, and the symbolic tensors of `inputs` there.
    node: Any = None
    tensors: tuple[Any, ...] = ()
    select: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One tensor of a model; equal tensors have equal numbers, and equal masks equal `mask`."""

    number: int
    mask: int | None
    shape: tuple[int | None, ...]
    dtype: str
    step: Step | None = None
    index: int = 0
    #: Whether the step computes the mask too; False where the mask comes from a call left out.
    makes_mask: bool = True
    #: Of an input of the model: which one.
    position: int = 0


@dataclass
class Numbering:
    """Numbers computations by a key, equal keys equally; shared by both models."""

    _known: dict[Hashable, int] = field(default_factory=dict)
    _count: count[int] = field(default_factory=count)

    def of(self, key: Hashable) -> int:
        if key not in self._known:
            self._known[key] = next(self._count)
        return self._known[key]

    def fresh(self) -> int:
        return next(self._count)


def express(
    model: Any,
    numbering: Numbering,
    weights: Mapping[int, Hashable],
    select: str | None = None,
    *,
    seen: Callable[[Value], Value] | None = None,
) -> tuple[Value, ...]:
    """Return a Functional model's outputs as expressions of its inputs, in inference.

    `weights` has the name of each variable by its id; equal names mean equal values. `seen` gets
    what each layer returns, in order; later layers take what `seen` returns in its place.
    """
    inputs = tuple(
        Value(
            numbering.of(("input", position, _shape(tensor), _dtype(tensor))),
            None,
            _shape(tensor),
            _dtype(tensor),
            position=position,
        )
        for position, tensor in enumerate(model.inputs)
    )
    outputs = _Reader(numbering, weights, seen).outputs(model, inputs)
    if select is None:
        return outputs
    return tuple(_selected(value, select, numbering) for value in outputs)


@dataclass
class _Reader:
    numbering: Numbering
    weights: Mapping[int, Hashable]
    seen: Callable[[Value], Value] | None = None
    #: The signatures of layers by the form of their calls: a layer may be called many times.
    _signatures: dict[tuple[int, str], Hashable] = field(default_factory=dict)

    def outputs(self, model: Any, inputs: Sequence[Value]) -> tuple[Value, ...]:
        graph = getattr(model, "_functional", None) or model
        known = {id(tensor): value for tensor, value in zip(graph.inputs, inputs, strict=True)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if all(id(tensor) in known for tensor in node.outputs):
                    continue
                for tensor, value in zip(node.outputs, self._applied(node, known), strict=True):
                    is_new = value.step is not None and value.step.layer is node.operation
                    known[id(tensor)] = self.seen(value) if self.seen and is_new else value
        return tuple(known[id(tensor)] for tensor in graph.outputs)

    def _applied(self, node: Any, known: dict[int, Value]) -> tuple[Value, ...]:
        layer = node.operation
        call = read_call(node)
        if call is None or not all(id(tensor) in known for tensor in call.tensors):
            return self._unknown(node, [])
        inputs = tuple(known[id(tensor)] for tensor in call.tensors)
        if call.plain and is_graph(layer) and _fits(layer, inputs):
            return self._nested(layer, inputs)
        if call.plain and len(inputs) == 1 and is_no_op(layer):
            return inputs
        if call.plain and is_exactly(layer, "Masking") and layer.mask_value == 0:
            # This sets steps of zeros to zero: only the mask is new.
            mask = self.numbering.of(("steps of zeros", inputs[0].number))
            return (replace(inputs[0], mask=mask, makes_mask=False),)
        signature = self._signature(layer, call.form)
        if signature is None:
            return self._unknown(node, inputs)
        host = activation_host(layer)
        named = None if host is None else activation_name(host)
        if not call.plain:
            step = Step("call", layer.name, inputs, (signature, named), layer, node, call.tensors)
            return self._values(step, node.outputs)
        if host is None or is_linear(host.activation) or named is None:
            ending = _activation_layer(layer, inputs)
            # The tanh of an integer is none.
            if ending is not None and _dtype(node.outputs[0]) == inputs[0].dtype:
                return (self._activated(layer, inputs[0], ending),)
            step = Step("layer", layer.name, inputs, signature, layer, node, call.tensors)
            return self._values(step, node.outputs)
        step = Step("linear", layer.name, inputs, signature, layer, node, call.tensors)
        return tuple(self._activated(layer, v, named) for v in self._values(step, node.outputs))

    def _signature(self, layer: Any, form: str) -> Hashable:
        key = (id(layer), form)
        if key not in self._signatures:
            self._signatures[key] = signature_of(layer, form, self.weights)
        return self._signatures[key]

    def _nested(self, model: Any, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
        outputs = self.outputs(model, inputs)
        masks = tuple(value.mask for value in inputs)
        if not model.supports_masking or all(mask is None for mask in masks):
            return outputs
        # Such a model returns its input's mask where its layers return none.
        key = ("nested", type(model).__name__, masks)
        return tuple(
            replace(
                value,
                mask=self.numbering.of((*key, value.number, value.mask)),
                makes_mask=False,
            )
            for value in outputs
        )

    def _values(self, step: Step, tensors: Sequence[Any]) -> tuple[Value, ...]:
        ignores_mask = ignores_masks(step.layer)
        given = tuple((v.number, None if ignores_mask else v.mask) for v in step.inputs)
        key = (step.signature, given)
        return tuple(
            Value(
                self.numbering.of((*key, index)),
                self._mask(step, key, index),
                _shape(tensor),
                _dtype(tensor),
                step,
                index,
            )
            for index, tensor in enumerate(tensors)
        )

    def _activated(self, layer: Any, value: Value, activation: str) -> Value:
        signature = ("activation", activation)
        step = Step("activation", layer.name, (value,), signature, layer)
        number = self.numbering.of((signature, value.number))
        return Value(number, value.mask, value.shape, value.dtype, step)

    def _mask(self, step: Step, key: Hashable, index: int) -> int | None:
        layer, masks = step.layer, tuple(value.mask for value in step.inputs)
        makes = _makes_masks(layer)
        if all(mask is None for mask in masks) and not makes:
            return None
        if len(masks) == 1 and masks[0] is not None and _passes_masks(layer):
            return masks[0]
        return self.numbering.of(("mask", type(layer).__name__, makes, key, masks, index))

    def _unknown(self, node: Any, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """Return values that are equal to no other."""
        name = str(getattr(node.operation, "name", ""))
        step = Step("call", name, tuple(inputs), None, node.operation, node)
        return tuple(
            Value(self.numbering.fresh(), self.numbering.fresh(), _shape(t), _dtype(t), step, index)
            for index, t in enumerate(node.outputs)
        )


# --- layers ---------------------------------------------------------------------------------------


def signature_of(layer: Any, form: str, names: Mapping[int, Hashable]) -> Hashable:
    """Return a key of what a layer computes, without its activation; None where it is unknown.

    `form` is the text of its call (see `Call`), `names` has the names of variables by their ids.
    """
    if not hasattr(layer, "weights"):
        return _signature_of_operation(layer, form)
    held = list(with_nested(layer))
    if type(layer).__name__ == "Functional" or not all(map(_is_defined_by_config, held)):
        return None
    try:
        settings = json.dumps(_settings(layer), sort_keys=True)
    except (NotImplementedError, TypeError, ValueError):
        return None  # a configuration that cannot be written down cannot be compared
    attributes = tuple(_attributes(one) for one in held)
    # Masks are tracked from layer to layer, but not inside a layer: there they change its output.
    masks = tuple(getattr(one, "mask_zero", None) for one in held[1:])
    weights = tuple((names.get(id(v), ("unlisted", id(v))), tuple(v.shape)) for v in layer.weights)
    return (type(layer).__name__, form, settings, attributes, masks, weights)


def _signature_of_operation(operation: Any, form: str) -> Hashable:
    """Return a key of an operation of `keras.ops`; None where an attribute is no plain data."""
    kind = type(operation)
    if not kind.__module__.startswith("keras.src.ops."):
        return None
    own = {name: v for name, v in vars(operation).items() if name not in _OF_EVERY_OPERATION}
    try:
        return (kind.__module__, kind.__qualname__, form, json.dumps(own, default=_as_text))
    except (TypeError, ValueError):
        return None


def _as_text(value: Any) -> str:
    """Return a slice of an array as text.

    Raises:
        TypeError: the value is something else.
    """
    ends = (value.start, value.stop, value.step) if isinstance(value, slice) else ()
    if value is ... or (ends and all(end is None or isinstance(end, int) for end in ends)):
        return repr(value)
    raise TypeError(f"{type(value).__name__} cannot be written down")


# --- calls ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call of a layer."""

    tensors: tuple[Any, ...]
    #: All arguments as JSON text, with a placeholder for each tensor.
    form: str
    #: Whether one tensor or one list of tensors is the only argument.
    plain: bool


_MASK = re.compile(r"(?:^|_)mask$")


def read_call(node: Any) -> Call | None:
    """Return how a layer is called; None for a call in training, or with an explicit mask."""
    arguments = node.arguments
    kwargs = {name: value for name, value in arguments.kwargs.items() if value is not None}
    if kwargs.pop("training", None):
        return None
    masks = [kwargs.pop(name) for name in list(kwargs) if is_mask(name)]
    flat = keras.tree.flatten((arguments.args, kwargs))
    tensors = tuple(item for item in flat if isinstance(item, keras.KerasTensor))
    own = {id(getattr(tensor, "_keras_mask", None)) for tensor in tensors}
    for mask in keras.tree.flatten(masks):
        if mask is not None and id(mask) not in own:
            return None
    try:
        form = json.dumps(
            keras.tree.map_structure(
                lambda item: "*tensor*" if isinstance(item, keras.KerasTensor) else item,
                (list(arguments.args), kwargs),
            ),
            default=_as_text,
        )
    except (TypeError, ValueError):
        return None  # an argument that cannot be written down cannot be compared
    first = arguments.args[0] if len(arguments.args) == 1 else None
    listed = isinstance(first, (list, tuple)) and len(first) == len(tensors)
    plain = not kwargs and (listed or (first is not None and len(tensors) == 1 and len(flat) == 1))
    return Call(tensors, form, plain)


def is_mask(name: str) -> bool:
    """Return whether Keras fills in an argument from the masks of the tensors."""
    return bool(_MASK.search(name)) and name != "attention_mask"


def is_graph(layer: Any) -> bool:
    """Return whether a model computes just its graph of layers, without a `call` of its own."""
    if type(layer) is keras.Sequential:
        return layer._functional is not None
    return type(layer) in (Functional, keras.Model) and hasattr(layer, "_nodes_by_depth")


def _fits(model: Any, inputs: Sequence[Value]) -> bool:
    """Return whether a nested model accepts these inputs without reshaping or casting."""
    return len(model.inputs) == len(inputs) and all(
        _dtype(tensor) == value.dtype
        and len(tensor.shape) == len(value.shape)
        and all(
            own is None or own == given
            for own, given in zip(_shape(tensor)[1:], value.shape[1:], strict=True)
        )
        for tensor, value in zip(model.inputs, inputs, strict=True)
    )


# --- what distinguishes two layers ----------------------------------------------------------------

#: Settings that change no output in inference, given the weights; masks are tracked separately.
_WITHOUT_EFFECT = re.compile(
    r"^(name|trainable|dtype|seed|dropout|recurrent_dropout|momentum|unit_forget_bias|mask_zero"
    r"|.*_(initializer|regularizer|constraint))$"
)
#: Attributes of every operation that tell nothing of what it computes.
_OF_EVERY_OPERATION = frozenset(
    {"name", "_auto_config", "_inbound_nodes", "_lock", "_outbound_nodes", "_remat_mode"}
)
#: Private attributes of every layer, and those that tell how it was built, compiled or saved.
_OF_EVERY_LAYER = frozenset(name for name in vars(keras.layers.Layer()) if name.startswith("_")) | {
    *("_build_input_shape", "_compute_loss_has_training_arg", "_run_eagerly", "_self_update_uid"),
}
#: These hold code, or another framework's layers.
_HOLDING_CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")


def _is_defined_by_config(layer: Any) -> bool:
    """Return whether configuration and weights define a layer: no state, code or vocabulary."""
    kind = type(layer)
    if not kind.__module__.startswith("keras.src."):
        return False
    public = kind in (keras.Sequential, keras.Model) or is_exactly(layer, kind.__name__)
    # A convolutional network of `keras.applications` may have layers of its own.
    known = public or kind is Functional or kind.__module__.startswith("keras.src.applications.")
    return (
        known
        and kind.__name__ not in _HOLDING_CODE
        and not getattr(layer, "stateful", False)
        and (not hasattr(layer, "adapt") or is_exactly(layer, "Normalization"))
        and all(
            _is_of_keras(value)
            for name, value in vars(layer).items()
            if callable(value) and not _WITHOUT_EFFECT.match(name)
        )
    )


def _is_of_keras(function: Any) -> bool:
    """Return whether Keras defines a function, or the class of an object that can be called."""
    defined = function if isinstance(function, (FunctionType, type)) else type(function)
    return str(defined.__module__).startswith("keras.")


def _settings(layer: Any) -> Any:
    config = layer.get_config()
    host = activation_host(layer)
    if host is not None and activation_name(host) is not None:
        inner = config
        while is_exactly(layer, "TimeDistributed"):
            layer, inner = layer.layer, inner["layer"]["config"]
        inner["activation"] = "linear"
    return _stripped(config)


def _stripped(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get("class_name") == "Functional":
            return dict(value)  # its connections refer to names
        return {
            name: _stripped(item) for name, item in value.items() if not _WITHOUT_EFFECT.match(name)
        }
    if isinstance(value, (list, tuple)):
        return [_stripped(item) for item in value]
    return value


def _attributes(layer: Any) -> Hashable:
    """Return a layer's plain attributes, in case its configuration leaves one out."""
    return (
        type(layer).__name__,
        str(layer.compute_dtype),
        tuple(
            sorted(
                (name, repr(value))
                for name, value in vars(layer).items()
                if name not in _OF_EVERY_LAYER
                and not _WITHOUT_EFFECT.match(name.lstrip("_"))
                and isinstance(value, (bool, int, float, str, tuple))
            )
        ),
        _statistics(layer),
    )


def _statistics(layer: Any) -> Hashable:
    """Return what a Normalization has adapted to: it computes with these, not with its weights."""
    if not is_exactly(layer, "Normalization"):
        return None
    held = (getattr(layer, name, None) for name in ("mean", "variance"))
    return tuple(None if one is None else np.asarray(one).tobytes() for one in held)


# --- activations and masks ------------------------------------------------------------------------


def activation_name(layer: Any) -> str | None:
    """Return the name of a layer's activation where it is one of Keras' own functions."""
    name = getattr(layer.activation, "__name__", None)
    known = name is not None and getattr(keras.activations, name, None) is layer.activation
    return name if known else None


def _activation_layer(layer: Any, inputs: Sequence[Value]) -> str | None:
    """Return the name of the activation function that a layer consists of; None for others."""
    if len(inputs) != 1:
        return None
    if is_exactly(layer, "Activation"):
        return activation_name(layer)
    if is_exactly(layer, "ReLU"):
        if float(layer.negative_slope) or float(layer.threshold):
            return None
        # Keras calls `relu6` itself for this bound.
        return {None: "relu", 6.0: "relu6"}.get(layer.max_value)
    if is_exactly(layer, "Softmax") and inputs[0].mask is None:
        return "softmax" if layer.axis in (-1, len(inputs[0].shape) - 1) else None
    return None


def _makes_masks(layer: Any) -> bool:
    return any(
        is_exactly(held, "Masking") or getattr(held, "mask_zero", False)
        for held in with_nested(layer)
    )


def _passes_masks(layer: Any) -> bool:
    """Return whether a layer returns its input's mask unchanged."""
    base = keras.layers.Layer.compute_mask
    passes = getattr(layer, "supports_masking", False)
    return bool(passes) and type(layer).compute_mask is base


def _selected(value: Value, select: str, numbering: Numbering) -> Value:
    text = select.replace(" ", "")
    step = Step("select", text, (value,), ("select", text), select=select)
    number = numbering.of((step.signature, value.number))
    return Value(number, None, (), value.dtype, step)


def _shape(tensor: Any) -> tuple[int | None, ...]:
    return tuple(None if n is None else int(n) for n in tensor.shape)


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype)
