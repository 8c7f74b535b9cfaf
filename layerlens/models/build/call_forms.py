"""Call a layer on several inputs in the form it takes: list, mapping or separate arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from layerlens.models.build.graph import apply_layer

#: Arguments of a call that are not inputs.
_NOT_INPUTS = frozenset({"self", "training", "mask", "initial_state"})
#: Python's error messages for a list that is used as a mapping.
_WANTS_MAPPING = re.compile(r"list indices must be integers|'list' object has no attribute")

Form = Callable[[], Any]


def apply_by_name(layer: Any, layer_type: str, tensors: Mapping[str, Any]) -> Any:
    """Call a layer or model on named inputs in the form that its `call` takes.

    The form with which the layer was built is tried first, then the form of its signature, then a
    list and a mapping. Raises Keras' error if every form fails.
    """
    refusals: dict[str, Exception] = {}
    was_built, nodes = layer.built, len(layer._inbound_nodes)
    for name, form in _forms(layer, layer_type, tensors):
        if name in refusals:
            continue
        try:
            return form()
        except Exception as error:  # Keras or the user's `call` may raise anything
            refusals[name] = error
            layer.built = was_built
            del layer._inbound_nodes[nodes:]
    raise _expected_refusal(refusals)


def _expected_refusal(refusals: Mapping[str, Exception]) -> Exception:
    """Return the error of the form that the layer seems to expect."""
    first = next(iter(refusals.values()))
    if "mapping" in refusals and _WANTS_MAPPING.search(str(first)):
        return refusals["mapping"]
    return first


def _forms(layer: Any, layer_type: str, tensors: Mapping[str, Any]) -> Iterator[tuple[str, Form]]:
    given = tuple(tensors.values())
    as_kind = ("list", lambda: apply_layer(layer, layer_type, given))
    if type(layer).__module__.startswith("keras.src.layers."):
        if len(given) > 1 and _takes_by_name(layer, tensors):
            yield "keywords", lambda: layer(**tensors)
        yield as_kind
        return
    recorded = _recorded(layer, tensors)
    if recorded is not None:
        yield recorded
    if len(given) > 1:
        if _takes_by_name(layer, tensors):
            yield "keywords", lambda: layer(**tensors)
        if len(_parameters(layer, required=True)) == len(given):
            yield "separate", lambda: layer(*given)
    yield as_kind
    yield "mapping", lambda: layer(dict(tensors))
    if 1 < len(given) <= len(_parameters(layer)):
        yield "separate", lambda: layer(*given)
    yield "tuple", lambda: layer(given)


def _takes_by_name(layer: Any, tensors: Mapping[str, Any]) -> bool:
    """Return whether the inputs have the names of the arguments of `call`."""
    return set(_parameters(layer, required=True)) <= set(tensors) <= set(_parameters(layer))


def _parameters(layer: Any, *, required: bool = False) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        name
        for name, parameter in inspect.signature(layer.call).parameters.items()
        if name not in _NOT_INPUTS
        and parameter.kind in kinds
        and not (required and parameter.default is not inspect.Parameter.empty)
    ]


def _recorded(layer: Any, tensors: Mapping[str, Any]) -> tuple[str, Form] | None:
    """Return the form in which a built layer was called before; None if unknown."""
    shapes = getattr(layer, "_build_shapes_dict", None)
    if not layer.built or not isinstance(shapes, dict):
        return None
    if len(shapes) == 1:
        (structure,) = shapes.values()
        leaves = list(_leaves(structure, None))
        packed = _packed(structure, leaves, tensors)
        return None if packed is None else ("recorded", lambda: layer(packed))
    names = [name.removesuffix("_shape") for name in shapes]
    if set(names) == set(tensors):
        return "recorded", lambda: layer(**tensors)
    if len(names) == len(tensors):
        by_order = dict(zip(names, tensors.values(), strict=True))
        return "recorded", lambda: layer(**by_order)
    return None


def _packed(structure: Any, leaves: list[str | None], tensors: Mapping[str, Any]) -> Any:
    """Return the tensors in the structure of the shapes, by key or in order; None if none fits."""
    if len(leaves) != len(tensors) or not isinstance(structure, (dict, list, tuple)):
        return None
    by_key = set(leaves) == set(tensors)
    in_order = iter(tensors.values())

    def packed(value: Any, key: str | None) -> Any:
        if _is_shape(value):
            return tensors[str(key)] if by_key else next(in_order)
        if isinstance(value, dict):
            return {name: packed(item, str(name)) for name, item in value.items()}
        return [packed(item, key) for item in value]

    return packed(structure, None)


def _leaves(structure: Any, key: str | None) -> Iterator[str | None]:
    if _is_shape(structure):
        yield key
    elif isinstance(structure, dict):
        for name, item in structure.items():
            yield from _leaves(item, str(name))
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from _leaves(item, key)


def _is_shape(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(
        item is None or isinstance(item, int) for item in value
    )
