"""Which input of one model is which input of another: by name, else by position."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

#: Names that Keras 3 gives to inputs without one: they count what was made, and name nothing.
_AUTOMATIC = re.compile(r"(?:keras_tensor|input_layer)(?:_\d+)?")


def own_input_names(model: Any, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of a model's own inputs, in the order of `model.inputs`.

    A model that takes a mapping names its inputs by the keys, another by the tensors; by the
    tensors too where those are the `wanted` names.
    """
    tensors = tuple(str(tensor.name) for tensor in model.inputs)
    if set(tensors) == set(wanted):
        return tensors
    graph = getattr(model, "_functional", None) or model
    keys: dict[int, str] = {}
    _find_keys(getattr(graph, "_inputs_struct", None), None, keys)
    named = tuple(keys.get(id(tensor), "") for tensor in model.inputs)
    if all(named) and len(set(named)) == len(named):
        return named
    return tensors


def takes_mapping(model: Any) -> bool:
    """Tell whether a model takes its inputs as a mapping, which has no order of its own."""
    graph = getattr(model, "_functional", None) or model
    return isinstance(getattr(graph, "_inputs_struct", None), dict)


def positions_by_name(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...] | None:
    """Return where each wanted name stands among `names`.

    None where the two are not the same set of names, or where Keras made them up.
    """
    alike = set(names) == set(wanted) and len(set(names)) == len(names) == len(wanted)
    if not alike or any(map(is_generated_name, names)):
        return None
    return tuple(list(names).index(name) for name in wanted)


def is_generated_name(name: str) -> bool:
    return _AUTOMATIC.fullmatch(name) is not None


def _find_keys(value: Any, key: str | None, found: dict[int, str]) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _find_keys(item, str(name), found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _find_keys(item, None, found)
    elif key is not None:
        found[id(value)] = key
