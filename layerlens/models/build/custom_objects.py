"""Classes and functions that Keras does not define, by the names under which Keras finds them.

Keras finds a registered class by its name alone: of two classes with one name, such as those of two
modules or of a notebook's cell that ran twice, it takes the one that was registered last.
"""

from __future__ import annotations

import contextlib
import importlib
import types
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import keras
from keras.src.saving import object_registration

from layerlens.models.inspect.nested_layers import with_nested

#: What `compile` keeps in a model; nothing of it runs in a call.
_OF_COMPILE = frozenset({"loss", "optimizer"})


def custom_code(layer: Any) -> Iterator[Any]:
    """Yield the classes and functions in a layer or model that Keras does not define.

    One that is used twice is yielded twice.
    """
    for inner in with_nested(layer):
        is_model = isinstance(inner, keras.Model)
        for name, value in (("", inner), *vars(inner).items()):
            if is_model and name in _OF_COMPILE:
                continue
            if isinstance(value, types.FunctionType):
                if hasattr(type(inner), name):  # a method wrapped by Keras
                    continue
                code: Any = value
            elif hasattr(value, "get_config"):
                code = type(value)
            else:
                continue
            if not str(code.__module__).startswith("keras."):
                yield code


def has_same_code(original: Any, copy: Any) -> bool:
    """Return whether the classes and functions from outside Keras are the same objects.

    Keras finds them by name, and takes another one of that name for them.
    """
    return Counter(map(id, custom_code(original))) == Counter(map(id, custom_code(copy)))


def custom_objects(layer: Any) -> dict[str, Any]:
    """Return the classes and functions in a layer that Keras does not define, by all their names.

    Of two with one name, the last: a copy made with them is not like the original.
    """
    found = {}
    for code in custom_code(layer):
        found[code.__name__] = code
        found[keras.saving.get_registered_name(code)] = code
    return found


@contextlib.contextmanager
def in_use(objects: Mapping[str, Any]) -> Iterator[None]:
    """Context manager in which Keras takes these classes and functions for their names.

    Keras prefers registered ones to those of its own `custom_object_scope`, so others that are
    registered under these names are replaced meanwhile.
    """
    registered = object_registration.GLOBAL_CUSTOM_OBJECTS
    before = {name: registered[name] for name in objects if name in registered}
    registered.update({name: objects[name] for name in before})
    try:
        with keras.saving.custom_object_scope(dict(objects)):
            yield
    finally:
        registered.update(before)


def objects_of(config: Any, *, may_import: bool) -> dict[str, Any]:
    """Return the classes and functions that a description names together with their modules.

    They are those of the modules where these may be imported, and otherwise those that the modules
    have registered. Keras reports what it cannot find.
    """
    found: dict[str, Any] = {}
    for module, names in _named(config):
        code = None
        if may_import:
            with contextlib.suppress(ImportError):
                code = _held_by(importlib.import_module(module), names)
        if code is None:
            code = _registered_by(module, names)
        if code is not None:
            found.update(dict.fromkeys(names, code))
    return found


def _named(config: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the module and the names of each object in a description that Keras does not define."""
    if isinstance(config, list):
        for item in config:
            yield from _named(item)
    if not isinstance(config, Mapping):
        return
    module, kind = config.get("module"), config.get("class_name")
    if isinstance(module, str) and module not in ("", "builtins") and isinstance(kind, str):
        own = config.get("config") if kind == "function" else kind
        names = [name for name in (config.get("registered_name"), own) if isinstance(name, str)]
        if names and module.partition(".")[0] != "keras":
            yield module, tuple(dict.fromkeys(names))
    for item in config.values():
        yield from _named(item)


def _held_by(module: types.ModuleType, names: tuple[str, ...]) -> Any | None:
    """Return what a module holds under one of these names, as it is registered or as it is."""
    for code in vars(module).values():
        is_code = isinstance(code, (type, types.FunctionType))
        if is_code and object_registration.GLOBAL_CUSTOM_NAMES.get(code) in names:
            return code
    own = (getattr(module, name.rpartition(">")[2], None) for name in names)
    return next((code for code in own if code is not None), None)


def _registered_by(module: str, names: tuple[str, ...]) -> Any | None:
    """Return what a module has registered under one of these names, the last one of several."""
    found = None
    for code, name in object_registration.GLOBAL_CUSTOM_NAMES.items():
        if name in names and code.__module__ == module:
            found = code
    return found
