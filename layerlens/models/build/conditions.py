"""Restrict the inputs of a model to those under which a scenario compares."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras

from layerlens.errors import Fault, ScenarioError
from layerlens.models.build.float64 import enable_float64
from layerlens.models.build.request import Built
from layerlens.models.build.session import in_fresh_session
from layerlens.models.build.symbolic import functional, keras_name
from layerlens.models.inspect.call_graph import calls_between, is_input_call
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

    Integers, batches and lengths are restricted by the inputs that are tried. In front of the
    model, numbers are clipped to the range, and masked steps are replaced by steps that are not
    masked. So the model is judged on all inputs that the condition allows, and on no others.
    `paddings` are those of all models, which then get the same inputs.
    """
    specs = tuple(
        _restricted(spec, condition, any(one.position == place for one in paddings))
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


def _restricted(spec: InputSpec, condition: Condition, is_padded: bool) -> InputSpec:
    if spec.is_integer and is_padded:
        spec = replace(spec, low=max(spec.low or 0, 1))
    return replace(spec, longest=condition.lengths)


def _restrictions(
    built: Built, condition: Condition, paddings: Collection[Padding]
) -> dict[int, list[_Restriction]]:
    found: dict[int, list[_Restriction]] = {}
    low, high = condition.least, condition.greatest
    if low is not None or high is not None:
        for place, spec in enumerate(built.inputs):
            if spec.dtype.startswith(("float", "bfloat")):
                found.setdefault(place, []).append(lambda x: _clipped(x, low, high))
    for padding in paddings:
        if padding.is_mask:
            found.setdefault(padding.position, []).append(keras.ops.ones_like)
        elif not built.inputs[padding.position].is_integer:
            change = _unmasked(padding.value)
            found.setdefault(padding.position, []).append(change)
    return found


def _clipped(x: Any, low: float | None, high: float | None) -> Any:
    if low is not None:
        x = keras.ops.maximum(x, low)
    return x if high is None else keras.ops.minimum(x, high)


def _unmasked(value: float) -> _Restriction:
    """Return a change of steps that consist of `value`, which mean padding, to other steps."""

    def changed(x: Any) -> Any:
        is_padding = keras.ops.equal(x, value)
        if len(x.shape) > 2:
            is_padding = keras.ops.all(is_padding, axis=-1, keepdims=True)
        other = keras.ops.full_like(x, value + 1.0)
        return keras.ops.where(is_padding, other, x)

    return changed


def has_padding(built: Built) -> bool:
    """Return whether a model makes masks, all of them from its inputs alone."""
    try:
        return any(True for _ in paddings_of(built))
    except ScenarioError:
        return False


def paddings_of(built: Built) -> Iterator[Padding]:
    """Yield the inputs from which masks are made.

    Raises:
        ScenarioError: a mask is made from the output of a layer.
    """
    places = {id(tensor): place for place, tensor in enumerate(built.model.inputs)}
    for node in calls_between(built.model.inputs, built.model.outputs):
        if is_input_call(node):
            continue
        for name, value in node.arguments.kwargs.items():
            if name.endswith("mask") and id(value) in places:
                yield Padding(places[id(value)], is_mask=True)
        makers = [layer for layer in with_nested(node.operation) if _makes_mask(layer)]
        if not makers:
            continue
        place = places.get(id(node.input_tensors[0]))
        if place is None or makers != [node.operation]:
            raise _not_from_input(built, makers[0])
        yield Padding(place, float(getattr(makers[0], "mask_value", 0.0)))


def _makes_mask(layer: Any) -> bool:
    return type(layer).__name__ == "Masking" or bool(getattr(layer, "mask_zero", False))


def _not_from_input(built: Built, layer: Any) -> ScenarioError:
    message = (
        f"`when: {{unpadded: true}}` cannot be kept in `{built.spec.name}`: `{layer.name}` makes a "
        f"mask, but not from an input of the model itself"
    )
    return ScenarioError((Fault(message, built.spec.where, "remove `unpadded`"),))
