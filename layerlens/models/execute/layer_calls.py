"""Call the layers of a model one by one, with their masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from layerlens.models.execute.variables import as_array
from layerlens.models.inspect.call_graph import data_inputs
from layerlens.models.inspect.nested_layers import weights_of, with_nested
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain
from layerlens.scenario.spec import InputSpec

#: Takes arrays by the id of their symbolic tensor, and returns the outputs.
Call = Callable[[Mapping[int, Array]], Sequence[Array]]


@dataclass(frozen=True)
class Subject:
    """A call of a layer or of a whole model: its symbolic inputs and outputs, and a function."""

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    #: Mask tensors, each with the position of its input.
    masks: tuple[tuple[Any, int], ...]
    call: Call
    #: Whether each of the inputs and outputs has a time axis.
    stepped: tuple[tuple[bool, ...], tuple[bool, ...]]
    is_stateful: bool
    batch_size: int | None
    #: The paths of its weights.
    weights: frozenset[str]
    #: The number of entries in a layer that looks its input up.
    limit: int | None = None


def layer_subject(node: Any, batch_size: int | None, training: bool) -> Subject:
    operation = node.operation
    inputs, masks, _ = _given(node)
    outputs = tuple(node.outputs)
    symbols, apply = traced_call(node, training=training)

    # A loop over steps runs many times faster in a graph.
    called = _traced(apply, symbols, batch_size) if is_recurrent(operation) else apply

    def call(given: Mapping[int, Array]) -> Sequence[Array]:
        tensors = [keras.ops.convert_to_tensor(given[id(t)], dtype=t.dtype) for t in symbols]
        return [as_array(item) for item in called(*tensors)]

    return Subject(
        inputs,
        outputs,
        masks,
        call,
        _stepped(operation, inputs, outputs),
        _is_stateful(operation),
        batch_size,
        frozenset(str(variable.path) for variable in weights_of(operation)),
        _limit(operation),
    )


def traced_call(node: Any, *, training: bool) -> tuple[tuple[Any, ...], Callable[..., Any]]:
    """Return the inputs of a layer's call, masks included, and the call as a function of them."""
    operation = node.operation
    inputs, masks, carried = _given(node)
    symbols = (*inputs, *(tensor for tensor, _ in masks))

    def apply(*values: Any) -> list[Any]:
        tensors = {id(t): value for t, value in zip(symbols, values, strict=True)}
        for tensor, mask in zip(inputs, carried, strict=True):
            if mask is not None:
                tensors[id(tensor)]._keras_mask = tensors[id(mask)]
        args, kwargs = node.arguments.fill_in(tensors)
        if "training" in getattr(operation, "_call_context_args", ()):
            kwargs = {**kwargs, "training": training}
        return list(keras.tree.flatten(operation(*args, **kwargs)))

    return symbols, apply


def _given(node: Any) -> tuple[tuple[Any, ...], tuple[tuple[Any, int], ...], list[Any]]:
    """Return a call's inputs, its masks with the position of their input, and each input's mask."""
    inputs = tuple({id(tensor): tensor for tensor in data_inputs(node)}.values())
    known = {id(tensor) for tensor in inputs}
    # A mask is an argument of the call, or an attribute of the tensor.
    carried = [getattr(tensor, "_keras_mask", None) for tensor in inputs]
    given_masks = [t for t in (*node.arguments.keras_tensors, *carried) if t is not None]
    rest = {id(t): t for t in given_masks if id(t) not in known}
    masks = tuple((tensor, _owner(tensor, inputs)) for tensor in rest.values())
    return inputs, masks, carried


def _traced(
    apply: Callable[..., Any], symbols: Sequence[Any], batch_size: int | None
) -> Callable[..., Any]:
    signature = [tf.TensorSpec((batch_size, *t.shape[1:]), t.dtype) for t in symbols]
    function: Callable[..., Any] = tf.function(apply, input_signature=signature, autograph=False)
    return function


def is_recurrent(operation: Any) -> bool:
    return any(hasattr(layer, "return_sequences") for layer in with_nested(operation))


def _owner(mask: Any, inputs: Sequence[Any]) -> int:
    """Return the position of the input to which a mask belongs."""
    for place, tensor in enumerate(inputs):
        if getattr(tensor, "_keras_mask", None) is mask:
            return place
    lengths = [tensor.shape[1] if len(tensor.shape) > 1 else None for tensor in inputs]
    return lengths.index(mask.shape[1]) if mask.shape[1] in lengths else 0


def _stepped(
    operation: Any, inputs: Sequence[Any], outputs: Sequence[Any]
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Return which inputs and outputs have a time axis: axis 1 of (batch, steps, ...).

    In (batch, n), n counts as steps for tokens that are looked up one by one.
    """
    vectors = all(len(t.shape) == 2 and _is_floating(t) for t in outputs)
    looked_up = _limit(operation) is not None
    into = tuple(
        len(t.shape) > 2
        or (len(t.shape) == 2 and not vectors and (looked_up or not _is_floating(t)))
        for t in inputs
    )
    out = tuple(
        len(t.shape) > 2 or (len(t.shape) == 2 and not _is_floating(t) and any(into))
        for t in outputs
    )
    return into, out


def _limit(operation: Any) -> int | None:
    found = (getattr(operation, name, None) for name in ("input_dim", "num_tokens"))
    return next((limit for limit in found if isinstance(limit, int)), None)


def _is_floating(tensor: Any) -> bool:
    return str(tensor.dtype).startswith(("float", "bfloat"))


def _is_stateful(operation: Any) -> bool:
    return any(getattr(layer, "stateful", False) for layer in with_nested(operation))


def domain_of(tensor: Any, subject: Subject, length: int) -> Domain:
    """Return the domain of a tensor inside the model, by its dtype and its layer."""
    shape = tuple(length if size is None else int(size) for size in tensor.shape[1:])
    limit = subject.limit
    spec = InputSpec(str(tensor.name), shape, str(tensor.dtype))
    return Domain(spec, shape, 0, limit or 10, (), bool(limit) and spec.dtype.startswith("float"))
