"""Check the objects that Keras would create from a description against the allow-list.

Keras turns a mapping with a `class_name` into an object anywhere: in an argument, in a saved model
at any depth, in a node's arguments. Each such mapping is checked against the kinds of objects that
are allowed at its place. Inside them is plain data. Everything else is refused, with its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from layerlens.plain.suggestion import nearest_name
from layerlens.scenario.allowed_classes import (
    CODE_LAYERS,
    LAYER_FUNCTIONS,
    ClassKind,
    calls_functions,
    is_keras_class,
    kinds_of,
    kinds_of_function,
    names_of,
)
from layerlens.scenario.spec import LayerSpec

_Kinds = frozenset[ClassKind]

_NOTHING: _Kinds = frozenset()
_LAYERS: _Kinds = frozenset({"layer", "model"})
_NODES: _Kinds = frozenset({"layer", "model", "operation"})
_ACTIVATIONS: _Kinds = frozenset({"activation function", "layer"})
_TRAINING: _Kinds = frozenset({"loss", "metric", "optimizer", "learning rate schedule"})
_ANY: _Kinds = frozenset(get_args(ClassKind)) - {"operation"}

#: Arguments, and the kinds of objects that they take. All others take plain data.
_KINDS_AT: Mapping[str, _Kinds] = {
    **dict.fromkeys(("layer", "layers", "backward_layer", "forward_layer"), _LAYERS),
    **dict.fromkeys(("cell", "cells"), _LAYERS),
    **dict.fromkeys(
        ("dtype", "default_policy", "policy_map"), frozenset[ClassKind]({"dtype policy"})
    ),
    "quantization_config": frozenset({"quantization config"}),
    **dict.fromkeys(
        ("weight_quantizer", "activation_quantizer"), frozenset[ClassKind]({"quantizer"})
    ),
    "seed": frozenset({"seed generator"}),
    **dict.fromkeys(("fn", "loss", "metrics", "optimizer", "inner_optimizer"), _TRAINING),
    **dict.fromkeys(("learning_rate", "optimizers", "optimizer_map"), _TRAINING),
}
#: Endings of argument names, and the kinds of objects that such arguments take.
_KINDS_AT_ENDINGS: Mapping[str, _Kinds] = {
    "activation": _ACTIVATIONS,
    "initializer": frozenset({"initializer"}),
    "regularizer": frozenset({"regularizer"}),
    "constraint": frozenset({"constraint"}),
}

#: Hints for arguments of a scenario, by the ending of their names.
_INSTEAD: Mapping[str, str] = {
    "activation": "write its name, such as `relu`, or a layer, such as "
    "`{LeakyReLU: {negative_slope: 0.2}}`",
    "initializer": "write its name, such as `zeros`, or `{RandomNormal: {stddev: 0.1}}`",
    "regularizer": "write its name, such as `l2`, or `{L2: {l2: 0.01}}`",
    "constraint": "write its name, such as `non_neg`, or `{MaxNorm: {max_value: 2}}`",
    "dtype": "write its name, such as `float16`",
}

#: The keys that are allowed in a serialized object.
_OBJECT_KEYS = frozenset({"class_name", "config", "module", "registered_name", "shared_object_id"})

#: The dtypes of arrays in a file; NumPy would parse sizes from other strings.
_DTYPES = re.compile(r"bool|string|str|bfloat16|float8_\w{1,10}|(?:u?int|float|complex)\d{1,3}")

#: Arguments for which Keras reads a file if they are a string.
_FILE_ARGUMENTS = frozenset({"vocabulary"})


@dataclass(frozen=True)
class CodePart:
    """A part of a description that needs permission to be deserialized.

    `what` continues the sentence "layer `x` ...".
    """

    layer: str
    what: str
    module: str | None = None
    registered_name: str | None = None
    #: Its path, such as `config.layers[1].config.activation`.
    place: str = ""
    hint: str | None = None


def code_parts(
    config: Any, is_registered: Callable[[str], bool] = lambda name: False
) -> Iterator[CodePart]:
    """Yield every part of a serialized model that is not on the allow-list.

    `is_registered` returns whether the user has registered a class or function of that name with
    Keras; such code is allowed.
    """
    yield from _Check(is_registered).value(config, _NODES, ())


def argument_parts(
    layer: LayerSpec, is_registered: Callable[[str], bool] = lambda name: False
) -> Iterator[tuple[str, CodePart]]:
    """Yield the arguments of a layer, not of its inner layers, that are not on the allow-list."""
    check = _Check(is_registered, is_saved=False)
    for name, value in layer.arguments.items():
        for part in check.argument(name, value, (name,)):
            yield name, part if part.hint else replace(part, hint=_instead(name))


def _instead(argument: str) -> str:
    known = (text for end, text in _INSTEAD.items() if argument.endswith(end))
    return next(known, "write numbers, text, or lists and mappings of them")


def without_hooks(config: Any) -> Any:
    """Return a serialized model without any `compile_config`.

    Keras would deserialize each, and no result depends on it.
    """
    if isinstance(config, list):
        return [without_hooks(item) for item in config]
    if not isinstance(config, Mapping):
        return config
    is_object = "class_name" in config
    return {
        key: without_hooks(value)
        for key, value in config.items()
        if not (is_object and key == "compile_config")
    }


_Place = tuple[str | int, ...]


def _written(place: _Place) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


@dataclass(frozen=True)
class _Check:
    """Walks through one description, and yields the parts that are not allowed."""

    is_registered: Callable[[str], bool]
    #: Whether the description is a saved model, not an argument of a scenario.
    is_saved: bool = True
    #: The class of each shared object, by its id.
    shared: dict[str, str] = field(default_factory=dict)
    #: The names of the layers around the current part.
    layers: list[str] = field(default_factory=list)

    def value(self, value: Any, kinds: _Kinds, place: _Place) -> Iterator[CodePart]:
        """Check a value: plain data with objects of these kinds anywhere in lists and mappings."""
        if isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                yield from self.value(item, kinds, (*place, index))
        elif isinstance(value, Mapping):
            if "class_name" in value:
                yield from self._object(value, kinds, place)
                return
            for key, item in value.items():
                yield from self.value(item, kinds, (*place, str(key)))

    def argument(self, name: str, value: Any, place: _Place, older: bool = False) -> Any:
        """Check an argument of a class; in `older` files a string may name a function."""
        if name in _FILE_ARGUMENTS and isinstance(value, (str, bytes)):
            hint = f"write the words themselves: `{name}: [first, second]`"
            yield self._part(f"reads the file {value!r} as its {name}", place, hint=hint)
        if older and name != "name" and isinstance(value, str) and value in LAYER_FUNCTIONS:
            yield self._part(f"uses the function `{value}` of `keras.layers`", place)
        yield from self.value(value, _kinds_at(name), place)

    # --- objects --------------------------------------------------------------------------------

    def _object(self, value: Mapping[Any, Any], kinds: _Kinds, place: _Place) -> Iterator[CodePart]:
        class_name = value["class_name"]
        if not isinstance(class_name, str):
            yield self._part(f"has {class_name!r} as its `class_name`, which is not a name", place)
            return
        special = _SPECIAL.get(class_name)
        if special is not None:
            yield from special(self, value, place)
            return
        inner = value.get("config")
        name = inner.get("name") if isinstance(inner, Mapping) else None
        named = isinstance(name, str)
        if named:
            self.layers.append(str(name))
        try:
            part = self._fault_of(value, class_name, kinds, place)
            if part is not None:
                yield part
            else:
                yield from self._inside(value, class_name, kinds, place)
        finally:
            if named:
                self.layers.pop()

    def _fault_of(
        self, value: Mapping[Any, Any], class_name: str, kinds: _Kinds, place: _Place
    ) -> CodePart | None:
        """Return why an object is not allowed, apart from its arguments; None if it is."""
        if class_name.startswith("__") or class_name in ("TypeSpec", "CompositeTensor"):
            what = _FORBIDDEN.get(class_name, f"is a `{class_name}`, which is not part of a model")
            return self._part(what, place)
        # Keras finds `layers.Lambda` in the module `keras` as well as `Lambda` in `keras.layers`.
        if re.split(r"[.>]", class_name)[-1] in CODE_LAYERS:
            return self._part(f"is a `{class_name}`, which runs its own code", place)
        if calls_functions(class_name):
            return self._part(f"is a `{class_name}`, which calls functions passed to it", place)
        if class_name == "function":
            return self._function_fault(value, kinds, place)
        return self._class_fault(value, class_name, kinds, place)

    def _function_fault(
        self, value: Mapping[Any, Any], kinds: _Kinds, place: _Place
    ) -> CodePart | None:
        name, module = _text(value.get("config")) or "?", _text(value.get("module"))
        if "inbound_nodes" not in place and self.is_registered(name):
            return None
        found = kinds_of_function(name, module)
        has_own_name = value.get("registered_name") in (None, name, "function")
        if has_own_name and found & kinds:
            return None
        if has_own_name and found:
            return self._misplaced(f"uses the function `{name}`", found, kinds, place)
        what = f"uses the function `{name}` from outside Keras"
        if module is not None and module.partition(".")[0] == "keras":
            what = f"uses the function `{module}.{name}`, which is not part of a model"
        hint = _nearest(name, kinds) if module in (None, "builtins") else None
        return self._part(what, place, module, name, hint)

    def _class_fault(
        self, value: Mapping[Any, Any], class_name: str, kinds: _Kinds, place: _Place
    ) -> CodePart | None:
        module, registered = value.get("module"), value.get("registered_name")
        name = _text(registered) or class_name
        if self._is_users_own(value, class_name) and "inbound_nodes" not in place:
            return None
        if module is not None and not isinstance(module, str):
            return self._part(f"has {module!r} as its `module`, which is not a name", place)
        found = kinds_of(class_name, module)
        if not found:
            return self._foreign(class_name, name, module, kinds, place)
        if registered not in (None, class_name):
            what = f"is a `{registered}`, which is not Keras' own"
            return self._part(what, place, module, str(registered))
        if not found & kinds:
            return self._misplaced(f"is a `{class_name}`", found, kinds, place)
        if (shared := value.get("shared_object_id")) is not None:
            first = self.shared.setdefault(str(shared), class_name)
            if first != class_name:
                return self._part(f"is a `{class_name}` that refers to a `{first}`", place)
        inner = value.get("config")
        if not isinstance(inner, (Mapping, type(None))) and not (
            class_name == "Sequential" and isinstance(inner, list)
        ):
            return self._part(f"is a `{class_name}` whose `config` is not a mapping", place)
        return None

    def _is_users_own(self, value: Mapping[Any, Any], class_name: str) -> bool:
        """Return whether Keras would find a class that the user has registered."""
        if "module" not in value:  # by its class name alone, in an older file
            return self.is_registered(class_name)
        return self.is_registered(str(value.get("registered_name", class_name)))

    def _foreign(
        self, class_name: str, name: str, module: str | None, kinds: _Kinds, place: _Place
    ) -> CodePart:
        if module is None:
            what = f"is a `{name}`, which is not Keras' own"
            return self._part(what, place, None, name, _nearest(class_name, kinds))
        hint = None
        if module.partition(".")[0] != "keras":
            what = f"is a `{class_name}` from the module `{module}`"
        elif is_keras_class(class_name):
            what = f"is a `{class_name}` from `{module}`, which this version of Keras does not have"
            hint = "save the model again with this version of Keras" if self.is_saved else None
        else:
            what = f"is `{class_name}` from `{module}`, which is not part of a model"
        return self._part(what, place, module, name, hint)

    def _misplaced(self, what: str, found: _Kinds, kinds: _Kinds, place: _Place) -> CodePart:
        where = f"where {_listed(kinds)} belongs" if kinds else "where plain data belongs"
        return self._part(f"{what}, {_listed(found)}, {where}", place)

    def _inside(
        self, value: Mapping[Any, Any], class_name: str, kinds: _Kinds, place: _Place
    ) -> Iterator[CodePart]:
        for key, item in value.items():
            if key == "inbound_nodes":
                yield from self._nodes(item, (*place, key))
            elif key not in _OBJECT_KEYS and key != "compile_config":
                yield from self.value(item, _NOTHING, (*place, str(key)))
        inner, place = value.get("config"), (*place, "config")
        if class_name == "function":
            return
        module = value.get("module")
        found = kinds_of(class_name, module if isinstance(module, str) else None)
        if not found & kinds:  # the user's own class: Keras may make anything allowed in it
            yield from self.value(inner, _ANY, place)
        elif class_name in ("Functional", "Model", "Sequential"):
            yield from self._model(inner, place)
        elif isinstance(inner, Mapping):
            older = "module" not in value
            for name, item in inner.items():
                if "operation" in found:
                    yield from self.value(item, _NOTHING, (*place, str(name)))
                else:
                    yield from self.argument(str(name), item, (*place, str(name)), older)

    # --- models ---------------------------------------------------------------------------------

    def _model(self, inner: Any, place: _Place) -> Iterator[CodePart]:
        if not isinstance(inner, Mapping):  # a Sequential model of Keras 1
            yield from self.value(inner, _LAYERS, place)
            return
        for name, item in inner.items():
            if name == "layers":
                yield from self.value(item, _NODES, (*place, name))
            else:
                yield from self.argument(str(name), item, (*place, str(name)))

    def _nodes(self, nodes: Any, place: _Place) -> Iterator[CodePart]:
        """Check that a layer of a graph is called with tensors and plain data, and no function."""
        if not isinstance(nodes, (list, tuple)):
            yield self._part("has `inbound_nodes` that are not a list", place)
            return
        for index, node in enumerate(nodes):
            at = (*place, index)
            yield from self.value(node, _NOTHING, at)
            if not _takes_tensors(node):
                what = "is called on no tensor of the graph, so Keras would run it while loading"
                yield self._part(what, at)

    # --- forms that are no classes --------------------------------------------------------------

    def _array(self, value: Mapping[Any, Any], place: _Place) -> Iterator[CodePart]:
        inner = value.get("config")
        if not isinstance(inner, Mapping):
            yield self._part("is an array without values", place)
            return
        dtype = inner.get("dtype")
        if dtype is not None and not (isinstance(dtype, str) and _DTYPES.fullmatch(dtype)):
            yield self._part(
                f"is an array of the dtype {dtype!r}, which Keras does not have", place
            )
        if not _is_numbers(inner.get("value")):
            yield self._part("is an array of values other than numbers and text", place)

    def _symbol(self, value: Mapping[Any, Any], place: _Place) -> Iterator[CodePart]:
        if "inbound_nodes" not in place:
            yield self._part("is a tensor of a graph where plain data belongs", place)
        yield from self.value(value.get("config"), _NOTHING, (*place, "config"))

    def _plain(self, value: Mapping[Any, Any], place: _Place) -> Iterator[CodePart]:
        for key, item in value.items():
            if key != "class_name":
                yield from self.value(item, _NOTHING, (*place, str(key)))

    def _part(
        self,
        what: str,
        place: _Place,
        module: str | None = None,
        registered_name: str | None = None,
        hint: str | None = None,
    ) -> CodePart:
        layer = self.layers[-1] if self.layers else "model"
        return CodePart(layer, what, module, registered_name, _written(place), hint)


#: Keras turns mappings with these class names into data.
_SPECIAL: Mapping[str, Callable[[_Check, Mapping[Any, Any], _Place], Iterator[CodePart]]] = {
    "__numpy__": _Check._array,
    "__tensor__": _Check._array,
    "__keras_tensor__": _Check._symbol,
    "__slice__": _Check._plain,
    "__ellipsis__": _Check._plain,
    "__bytes__": _Check._plain,
    "__tuple__": _Check._plain,
    "TensorShape": _Check._plain,
}
_FORBIDDEN: Mapping[str, str] = {
    "__lambda__": "holds a function as bytecode",
    "__typespec__": "names a TensorFlow type to create",
    "TypeSpec": "names a TensorFlow type to create",
    "CompositeTensor": "names a TensorFlow type to create",
}


def _kinds_at(name: str) -> _Kinds:
    known = _KINDS_AT.get(name)
    if known is not None:
        return known
    return next((kinds for end, kinds in _KINDS_AT_ENDINGS.items() if name.endswith(end)), _NOTHING)


def _takes_tensors(node: Any) -> bool:
    """Return whether the call of a node has a tensor of the graph in its arguments."""
    if isinstance(node, Mapping):
        return any(_holds_tensor(node.get(key)) for key in ("args", "kwargs"))
    # The form of Keras 2: a list of [layer, node, tensor, arguments].
    return isinstance(node, (list, tuple)) and bool(node)


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_tensor(item) for item in value)
    if not isinstance(value, Mapping):
        return False
    if "class_name" in value:
        return bool(value["class_name"] == "__keras_tensor__")
    return any(_holds_tensor(item) for item in value.values())


def _is_numbers(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_numbers(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _nearest(name: str, kinds: _Kinds) -> str | None:
    near = nearest_name(name, [known for kind in sorted(kinds) for known in names_of(kind)])
    return f"did you mean `{near}`?" if near else None


def _listed(kinds: _Kinds) -> str:
    named = [f"{'an' if kind[0] in 'aeio' else 'a'} {kind}" for kind in sorted(kinds)]
    return " or ".join(named)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
