"""Restrict the inputs of a model to those under which a scenario compares."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras

from layerlens.errors import Fault, ScenarioError
from layerlens.fault_codes import Code
from layerlens.models.build.float64 import enable_float64
from layerlens.models.build.inlined import inlined
from layerlens.models.build.request import Built
from layerlens.models.build.session import in_fresh_session
from layerlens.models.build.symbolic import functional, keras_name
from layerlens.models.inspect.call_graph import (
    calls_between,
    given_masks,
    is_input_call,
    is_layer_call,
    producing_call,
)
from layerlens.models.inspect.nested_layers import with_nested
from layerlens.scenario.spec import Condition, InputSpec

#: Maps the values of one input to values that the condition allows, and those to themselves.
_Restriction = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Padding:
    """An input from which a mask is made: of steps that equal `value`, or the mask itself."""

    position: int
    value: float = 0.0
    is_mask: bool = False


def under_condition(
    built: Built, condition: Condition, paddings: Collection[Padding], seed: int
) -> Built:
    """Return a model whose inputs are restricted to a condition.

    Batches, lengths and random ids are restricted by the inputs that are tried. In front of the
    model, numbers are clipped to the range, and masked steps are replaced by steps that are not
    masked. So the model is judged on all inputs that the condition allows, and on no others.
    `paddings` are those of all models, which then get the same inputs.

    Raises:
        ScenarioError: the model takes no batch or length that the condition allows.
    """
    _refuse_what_nothing_fits(built, condition)
    specs = tuple(
        _restricted(spec, condition, _padding_values(paddings, place))
        for place, spec in enumerate(built.inputs)
    )
    batch_size = built.batch_size if condition.batch is None else condition.batch
    result = replace(built, inputs=specs, batch_size=batch_size)
    restrictions = _restrictions(built, condition, paddings)
    if not restrictions:
        return result
    model = in_fresh_session(lambda: _with_restrictions(result, restrictions), seed)
    if built.precision == "float64":
        enable_float64(model)
    return replace(result, model=model)


def _refuse_what_nothing_fits(built: Built, condition: Condition) -> None:
    name, size, chunks = built.spec.name, built.batch_size, built.spec.chunks
    if condition.batch is not None and size not in (None, condition.batch):
        message = f"`when: {{batch: {condition.batch}}}` cannot be kept: `{name}` takes batches of"
        hint = f"write `batch: {size}`, or remove it"
        fault = Fault(Code.CONDITION, f"{message} {size}", built.spec.where, hint)
        raise ScenarioError((fault,))
    is_open = any(None in spec.shape for spec in built.inputs)
    if is_open and condition.lengths is not None and condition.lengths < (chunks or 1):
        message = (
            f"`when: {{lengths: {condition.lengths}}}` cannot be kept: `{name}` is called on "
            f"{chunks} chunks, of at least one step each"
        )
        hint = f"set `lengths` to {chunks} or more"
        fault = Fault(Code.CONDITION, message, built.spec.where, hint)
        raise ScenarioError((fault,))


def _with_restrictions(built: Built, restrictions: Mapping[int, Sequence[_Restriction]]) -> Any:
    tensors = []
    for given, own in zip(built.inputs, built.model.inputs, strict=True):
        batch, dtype = own.shape[0], own.dtype
        name = keras_name(given.name)
        tensors.append(keras.Input(own.shape[1:], batch_size=batch, dtype=dtype, name=name))
    restricted = list(tensors)
    for place, changes in restrictions.items():
        for change in changes:
            restricted[place] = change(restricted[place])
    outputs = built.model(restricted[0] if len(restricted) == 1 else restricted)
    return functional(tuple(tensors), tuple(keras.tree.flatten(outputs)), built.spec.name)


def _restricted(spec: InputSpec, condition: Condition, padding: Collection[float]) -> InputSpec:
    if _leaves_out_ids(spec, padding):
        spec = replace(spec, low=max(spec.low or 0, 1))
    return replace(spec, longest=condition.lengths)


def _leaves_out_ids(spec: InputSpec, padding: Collection[float]) -> bool:
    """Return whether padding is id 0, which the random values of an input can leave out."""
    return spec.is_integer and set(padding) == {0.0}


def _padding_values(paddings: Collection[Padding], place: int) -> tuple[float, ...]:
    """Return the values that mean padding in one input."""
    found = {one.value for one in paddings if one.position == place and not one.is_mask}
    return tuple(sorted(found))


def _restrictions(
    built: Built, condition: Condition, paddings: Collection[Padding]
) -> dict[int, list[_Restriction]]:
    found: dict[int, list[_Restriction]] = {}
    low, high = condition.least, condition.greatest
    for place, spec in enumerate(built.inputs):
        changes: list[_Restriction] = []
        is_clipped = spec.is_floating and (low, high) != (None, None)
        if is_clipped:
            changes.append(partial(_clipped, low=low, high=high))
        values = _padding_values(paddings, place)
        # The values that the user gives can hold id 0, and those that are drawn cannot.
        if values and (spec.values is not None or not _leaves_out_ids(spec, values)):
            limits = (low, high) if is_clipped else (None, None)
            other = _other_value(values, *limits)
            changes.append(partial(_unmasked, values=values, other=other))
        if any(one.position == place and one.is_mask for one in paddings):
            changes.append(keras.ops.ones_like)
        if changes:
            found[place] = changes
    return found


def _clipped(x: Any, low: float | None, high: float | None) -> Any:
    if low is not None:
        x = keras.ops.maximum(x, low)
    return x if high is None else keras.ops.minimum(x, high)


def _unmasked(x: Any, values: Sequence[float], other: float) -> Any:
    """Return steps that consist of one of `values`, which mean padding, as steps of `other`."""
    for value in values:
        is_padding = keras.ops.equal(x, value)
        if len(x.shape) > 2:
            is_padding = keras.ops.all(is_padding, axis=-1, keepdims=True)
        x = keras.ops.where(is_padding, keras.ops.full_like(x, other), x)
    return x


def _other_value(padding: Collection[float], low: float | None, high: float | None) -> float:
    """Return a value in a range that does not mean padding."""
    count = len(padding)
    if low is not None and high is not None:
        start, step = low, (high - low) / count
    elif high is not None:
        start, step = high, -max(1.0, abs(high))
    else:
        start, step = (1.0, 1.0) if low is None else (low, max(1.0, abs(low)))
    # One more value than there are to avoid.
    return next(v for n in range(count + 1) if (v := start + n * step) not in padding)


def has_padding(built: Built) -> bool:
    """Return whether a model makes masks, all of them from its inputs alone."""
    try:
        return any(True for _ in paddings_of(built))
    except ScenarioError:
        return False


def paddings_of(built: Built) -> Iterator[Padding]:
    """Yield the inputs from which masks are made, also by layers inside nested models.

    Raises:
        ScenarioError: a mask is made from the output of a layer.
    """
    model = in_fresh_session(lambda: inlined(built.model).model, 0)
    places = {id(tensor): place for place, tensor in enumerate(model.inputs)}
    for node in calls_between(model.inputs, model.outputs):
        if is_input_call(node):
            continue
        for name, tensor in given_masks(node):
            if id(tensor) in places:
                yield Padding(places[id(tensor)], is_mask=True)
            elif name != "attention_mask" and not _is_made_by_keras(built, tensor):
                raise _not_from_input(built, f"`{node.operation.name}` is given a mask")
        _refuse_masks_given_inside(built, node.operation)
        makers = [layer for layer in with_nested(node.operation) if _makes_mask(layer)]
        if not makers:
            continue
        place = places.get(id(node.input_tensors[0]))
        if place is None or makers != [node.operation]:
            raise _not_from_input(built, f"`{makers[0].name}` makes a mask")
        yield Padding(place, float(getattr(makers[0], "mask_value", 0.0)))


def _is_made_by_keras(built: Built, mask: Any) -> bool:
    """Return whether Keras added a mask to a model that was saved or inlined since.

    In a description, no mask that is given by hand is made by an operation.
    """
    is_by_hand = built.spec.form in ("python", "object")
    return not is_by_hand and not is_layer_call(producing_call(mask))


def _refuse_masks_given_inside(built: Built, operation: Any) -> None:
    """Refuse a nested model in which a layer is given a mask by hand.

    Raises:
        ScenarioError: there is such a layer.
    """
    for graph in with_nested(operation):
        for nodes in getattr(graph, "_nodes_by_depth", {}).values():
            for node in nodes:
                for name, mask in () if is_input_call(node) else given_masks(node):
                    if name != "attention_mask" and is_layer_call(producing_call(mask)):
                        raise _not_from_input(built, f"`{node.operation.name}` is given a mask")


def _makes_mask(layer: Any) -> bool:
    return type(layer).__name__ == "Masking" or bool(getattr(layer, "mask_zero", False))


def _not_from_input(built: Built, what: str) -> ScenarioError:
    message = (
        f"`when: {{unpadded: true}}` cannot be kept in `{built.spec.name}`: {what}, but not from "
        f"an input of the model itself"
    )
    return ScenarioError((Fault(Code.CONDITION, message, built.spec.where, "remove `unpadded`"),))
