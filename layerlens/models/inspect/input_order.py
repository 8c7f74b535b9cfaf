"""The names and the order of a model's inputs, by which two models' inputs are paired."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

#: Names that Keras 3 generates for inputs without a name: a counter, which identifies nothing.
_GENERATED_NAME = re.compile(r"(?:keras_tensor|input_layer)(?:_\d+)?")


def own_input_names(model: Any, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of a model's inputs, in the order of `model.inputs`.

    These are the keys of a model that takes a mapping, else the names of the tensors. The tensors'
    names win where they are the `wanted` ones.
    """
    tensors = tuple(str(tensor.name) for tensor in model.inputs)
    if set(tensors) == set(wanted):
        return tensors
    graph = getattr(model, "_functional", None) or model
    keys: dict[int, str] = {}
    _collect_keys(getattr(graph, "_inputs_struct", None), None, keys)
    named = tuple(keys.get(id(tensor), "") for tensor in model.inputs)
    if all(named) and len(set(named)) == len(named):
        return named
    return tensors


def takes_mapping(model: Any) -> bool:
    """Return whether a model takes its inputs as a mapping, which has no order."""
    graph = getattr(model, "_functional", None) or model
    return isinstance(getattr(graph, "_inputs_struct", None), dict)


def positions_by_name(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...] | None:
    """Return the position in `names` of each wanted name.

    The result is None if the two are different sets of names, or if Keras generated one.
    """
    alike = set(names) == set(wanted) and len(set(names)) == len(names) == len(wanted)
    if not alike or any(map(is_generated_name, names)):
        return None
    return tuple(list(names).index(name) for name in wanted)


def is_generated_name(name: str) -> bool:
    """Return whether Keras generated an input's name, such as `keras_tensor_3`."""
    return _GENERATED_NAME.fullmatch(name) is not None


def _collect_keys(value: Any, key: str | None, found: dict[int, str]) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _collect_keys(item, str(name), found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect_keys(item, None, found)
    elif key is not None:
        found[id(value)] = key
