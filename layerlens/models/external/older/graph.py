"""Sequential and functional models of Keras 1 and 2 in the form of Keras 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from layerlens.models.external.older.operations import OPERANDS
from layerlens.models.external.older.record import (
    MalformedError,
    Place,
    Record,
    list_at,
    mapping_at,
    text_at,
    valid_name,
)

#: Translates one layer or nested model; `width` is the number of features that come in.
TranslateLayer = Callable[..., dict[str, Any]]

MODELS = ("Sequential", "Model", "Functional", "Container", "Network")
_RECURRENT = ("RNN", "SimpleRNN", "LSTM", "GRU", "ConvLSTM2D", "Bidirectional")
#: Layers of Keras 1 whose `input_dim` is a number of features, and whether they take steps.
_TAKES_FEATURES = {
    **dict.fromkeys(("Dense", "MaxoutDense", "Highway"), False),
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "TimeDistributedDense"), True),
    **dict.fromkeys(("Convolution1D", "AtrousConvolution1D", "LocallyConnected1D"), True),
}
_CONSTANT = "_CONSTANT_VALUE"


# --- chains ---------------------------------------------------------------------------------------


def sequential(
    described: Mapping[str, Any], name: str | None, place: Place, layer: TranslateLayer
) -> dict[str, Any]:
    """Return a Sequential model whose first layer is an InputLayer, where its shape is known."""
    inner = described.get("config")
    own = inner.get("name") if isinstance(inner, Mapping) else None
    at = (*place, "config")
    if isinstance(inner, Mapping):
        inner, at = inner.get("layers"), (*at, "layers")
    layers = [
        (mapping_at(item, (*at, index)), (*at, index))
        for index, item in enumerate(list_at(inner, at))
    ]
    own = own if isinstance(own, str) else name
    if layers and layers[0][0].get("class_name") == "Merge":
        return _branched(layers, own, layer)
    config = described.get("config")
    built = config.get("build_input_shape") if isinstance(config, Mapping) else None
    first = input_layer(layers[0][0], built) if layers else None
    translated = [layer(first, place)] if first is not None else []
    width = None
    for item, where in layers:
        translated.append(layer(item, where, width=width))
        width = _width_after(item, width)
    return _model("Sequential", {"name": own, "layers": translated})


def input_layer(first: Mapping[str, Any], built: Any = None) -> dict[str, Any] | None:
    """Return an InputLayer for the first layer of a chain, if that has an input shape."""
    inner, kind = first.get("config"), first.get("class_name")
    if kind == "InputLayer" or not isinstance(inner, Mapping) or "layers" in inner:
        return None
    shape = inner.get("batch_input_shape")
    held = inner.get("layer")
    given = held.get("config") if isinstance(held, Mapping) else None
    if shape is None and isinstance(given, Mapping) and kind == "Bidirectional":
        shape = given.get("batch_input_shape")
    if shape is None and kind == "Embedding" and "input_length" in inner:
        length = inner["input_length"]
        shape = [None, *(length if isinstance(length, list) else [length])]
    if shape is None and isinstance(inner.get("input_dim"), int) and kind in _TAKES_FEATURES:
        steps = [inner.get("input_length")] if _TAKES_FEATURES[kind] else []
        shape = [None, *steps, inner["input_dim"]]
    shape = _plain_shape(built if shape is None else shape)
    if not isinstance(shape, list):
        return None
    dtype = inner.get("input_dtype", inner.get("dtype"))
    name = f"{inner.get('name', 'first')}_input"
    config = {"batch_shape": shape, "dtype": dtype if isinstance(dtype, str) else "float32"}
    return {"class_name": "InputLayer", "config": {**config, "name": name}}


def _plain_shape(shape: Any) -> Any:
    if isinstance(shape, Mapping):  # tf.keras wrote some shapes as objects
        return shape.get("items")
    return shape


def _width_after(item: Mapping[str, Any], width: int | None) -> int | None:
    """Return the number of features after a layer of a chain; None where it is not known."""
    inner, kind = item.get("config"), item.get("class_name")
    if not isinstance(inner, Mapping):
        return None
    units = inner.get("output_dim", inner.get("units"))
    if isinstance(units, int):
        return units
    if kind == "Highway":
        dim = inner.get("input_dim")
        return dim if isinstance(dim, int) else width
    return width if kind in ("Dropout", "Activation", "BatchNormalization") else None


def _branched(
    layers: list[tuple[Mapping[str, Any], Place]], name: str | None, layer: TranslateLayer
) -> dict[str, Any]:
    """Return the functional model of a chain that begins by merging other chains."""
    graph = _Graph(layer)
    last = graph.chain(layers, None)
    return graph.model(name, last)


@dataclass
class _Graph:
    """A functional model in the making, from the chains that Keras 1 let begin with a Merge."""

    layer: TranslateLayer
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)

    def chain(
        self, layers: list[tuple[Mapping[str, Any], Place]], before: str | None
    ) -> tuple[str, int]:
        last: tuple[str, int] | None = None if before is None else (before, 0)
        for index, (item, place) in enumerate(layers):
            if index == 0 and item.get("class_name") == "Merge":
                last = self._merge(item, place)
                continue
            if last is None:
                last = self._input(item, place)
            last = self._add(self.layer(item, place), [last], place)
        if last is None:
            raise MalformedError((), "a chain has no layers")
        return last

    def _merge(self, item: Mapping[str, Any], place: Place) -> tuple[str, int]:
        inner = mapping_at(item.get("config"), (*place, "config"))
        at = (*place, "config", "layers")
        ends = []
        for index, branch in enumerate(list_at(inner.get("layers"), at)):
            ends.append(self._branch(mapping_at(branch, (*at, index)), (*at, index)))
        kept = {key: value for key, value in inner.items() if key != "layers"}
        return self._add(self.layer({**item, "config": kept}, place), ends, place)

    def _branch(self, branch: Mapping[str, Any], place: Place) -> tuple[str, int]:
        if branch.get("class_name") != "Sequential":
            return self.chain([(branch, place)], None)
        inner, at = branch.get("config"), (*place, "config")
        if isinstance(inner, Mapping):
            inner, at = inner.get("layers"), (*at, "layers")
        return self.chain(
            [
                (mapping_at(item, (*at, index)), (*at, index))
                for index, item in enumerate(list_at(inner, at))
            ],
            None,
        )

    def _input(self, item: Mapping[str, Any], place: Place) -> tuple[str, int]:
        if item.get("class_name") == "InputLayer":
            raise MalformedError(place, "a branch begins with its own InputLayer")
        given = input_layer(item)
        if given is None:
            raise MalformedError(place, "a branch has no input shape")
        name = given["config"]["name"]
        if name not in self.entries:
            self.inputs.append(name)
            self.entries[name] = {**self.layer(given, place), "name": name, "inbound_nodes": []}
        return name, 0

    def _add(
        self, translated: dict[str, Any], sources: list[tuple[str, int]], place: Place
    ) -> tuple[str, int]:
        name = text_at(translated["config"].get("name"), (*place, "config", "name"))
        node = [[source, index, 0, {}] for source, index in sources]
        # Chains of Keras 1 shared the layers of one name.
        entry = self.entries.setdefault(name, {**translated, "name": name, "inbound_nodes": []})
        if node not in entry["inbound_nodes"]:
            entry["inbound_nodes"].append(node)
        return name, entry["inbound_nodes"].index(node)

    def model(self, name: str | None, last: tuple[str, int]) -> dict[str, Any]:
        return _model(
            "Functional",
            {
                "name": name,
                "layers": list(self.entries.values()),
                "input_layers": [[name, 0, 0] for name in self.inputs],
                "output_layers": [*last, 0],
            },
        )


def _model(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    if isinstance(config["name"], str):
        config["name"] = valid_name(config["name"])
    module = "keras" if kind == "Sequential" else "keras.src.models.functional"
    return {"module": module, "class_name": kind, "config": config, "registered_name": None}


# --- graphs ---------------------------------------------------------------------------------------


def functional(
    described: Mapping[str, Any], name: str | None, place: Place, layer: TranslateLayer
) -> dict[str, Any]:
    """Return a functional model whose calls of layers are in the form of Keras 3."""
    inner = mapping_at(described.get("config"), (*place, "config"))
    at = (*place, "config", "layers")
    entries = [
        mapping_at(item, (*at, index))
        for index, item in enumerate(list_at(inner.get("layers"), at))
    ]
    names = [_name_of(entry, (*at, index)) for index, entry in enumerate(entries)]
    nodes = _Nodes(dict(zip(names, entries, strict=True)), inner)
    layers = []
    for index, (entry, own) in enumerate(zip(entries, names, strict=True)):
        translated = dict(layer(entry, (*at, index), name=own))
        calls = list_at(entry.get("inbound_nodes", []), (*at, index, "inbound_nodes"))
        kind = str(translated.get("class_name"))
        translated["name"] = valid_name(own)
        translated["inbound_nodes"] = [
            nodes.call(call, kind, (*at, index, "inbound_nodes", number))
            for number, call in enumerate(calls)
        ]
        layers.append(translated)
    kinds = {entry["name"]: entry["class_name"] for entry in layers}
    given = inner.get("name")
    config = {
        "name": given if isinstance(given, str) else name,
        "layers": layers,
        **{
            key: nodes.ends(inner.get(key), kinds, (*place, "config", key))
            for key in ("input_layers", "output_layers")
        },
    }
    if isinstance(inner.get("trainable"), bool):
        config["trainable"] = inner["trainable"]
    return _model("Functional", config)


def _name_of(entry: Mapping[str, Any], place: Place) -> str:
    inner = entry.get("config")
    own = inner.get("name") if isinstance(inner, Mapping) else None
    return text_at(entry.get("name", own), (*place, "name"))


class _Nodes:
    """Rewrites the calls of layers, which name each tensor by its layer, call and position."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], inner: Mapping[str, Any]) -> None:
        self.names = frozenset(entries)
        # Models had a first node before any call, which those of Keras 3 have not.
        highest: dict[str, int] = {}
        for name, index in _references([*entries.values()], self.names):
            highest[name] = max(index, highest.get(name, 0))
        for name, index in _references(
            [inner.get("input_layers"), inner.get("output_layers")], self.names
        ):
            highest[name] = max(index, highest.get(name, 0))
        self.offset = {
            name: 1
            for name, entry in entries.items()
            if entry.get("class_name") in MODELS
            and highest.get(name, 0) >= len(entry.get("inbound_nodes") or ())
        }

    def call(self, node: Any, kind: str, place: Place) -> Any:
        """Return one call: a list of tensors where that says it all, else its arguments."""
        if isinstance(node, Mapping) and {"args", "kwargs"} <= set(node):
            return node  # the form of Keras 3
        if isinstance(node, Mapping) and OPERANDS in node:
            return {"args": [self._argument(item) for item in node[OPERANDS]], "kwargs": {}}
        if isinstance(node, (list, tuple)) and node and self._is_tensor(node):
            node = [node]
        if isinstance(node, Mapping):
            taken: Any = {key: self._argument(value) for key, value in node.items()}
            return {"args": [taken], "kwargs": {}}
        parts = list_at(node, place)
        keywords: dict[str, Any] = {}
        for part in parts:
            if isinstance(part, (list, tuple)) and len(part) > 3:
                keywords.update(mapping_at(part[3], place))
        constant = any(self._is_constant(part) for part in parts)
        plain = all(self._is_tensor(part) for part in parts)
        with_tensors = any(self._holds_tensor(value) for value in keywords.values())
        states = kind in _RECURRENT and len(parts) > 1
        if plain and not constant and not with_tensors and not states:
            moved = [[*self._moved(part), {}] for part in parts]
            if moved:
                moved[-1][3] = keywords
            return moved
        arguments = [self._argument(part) for part in parts]
        given = {key: self._argument(value) for key, value in keywords.items()}
        if states:
            return {"args": arguments[:1], "kwargs": {**given, "initial_state": arguments[1:]}}
        return {"args": arguments if len(arguments) == 1 else [arguments], "kwargs": given}

    def ends(self, value: Any, kinds: Mapping[str, str], place: Place) -> Any:
        """Return the inputs or outputs of a model."""
        if self._is_tensor(value):
            name, index, position = self._moved(value)
            # Keras 3 counts the calls of a functional model from one, here alone.
            return [name, index + (kinds[name] == "Functional"), position]
        if isinstance(value, Mapping):
            return {key: self.ends(item, kinds, place) for key, item in value.items()}
        ends = [self.ends(item, kinds, place) for item in list_at(value, place)]
        # A list of one was the tensor itself; Keras 3 would give a list to the next layer.
        return ends[0] if len(ends) == 1 else ends

    def _moved(self, part: Any) -> list[Any]:
        return [valid_name(part[0]), part[1] - self.offset.get(part[0], 0), part[2]]

    def _argument(self, value: Any) -> Any:
        if self._is_constant(value):
            return value[2]
        if self._is_tensor(value):
            history = self._moved(value)
            config = {"shape": [None], "dtype": "float32", "keras_history": history}
            return {"class_name": "__keras_tensor__", "config": config}
        if isinstance(value, (list, tuple)):
            return [self._argument(item) for item in value]
        if isinstance(value, Mapping) and "class_name" not in value:
            return {key: self._argument(item) for key, item in value.items()}
        return value

    def _holds_tensor(self, value: Any) -> bool:
        if self._is_tensor(value):
            return True
        if isinstance(value, (list, tuple)):
            return any(self._holds_tensor(item) for item in value)
        return isinstance(value, Mapping) and any(map(self._holds_tensor, value.values()))

    def _is_tensor(self, part: Any) -> bool:
        return (
            isinstance(part, (list, tuple))
            and len(part) in (3, 4)
            and isinstance(part[0], str)
            and part[0] in self.names
            and type(part[1]) is int
            and type(part[2]) is int
        )

    @staticmethod
    def _is_constant(part: Any) -> bool:
        return isinstance(part, (list, tuple)) and len(part) > 2 and part[0] == _CONSTANT


def _references(value: Any, names: frozenset[str]) -> Iterator[tuple[str, int]]:
    if isinstance(value, (list, tuple)):
        is_tensor = len(value) in (3, 4) and isinstance(value[0], str) and value[0] in names
        if is_tensor and type(value[1]) is int:
            yield value[0], value[1]
        for item in value:
            yield from _references(item, names)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key != "config":
                yield from _references(item, names)


def record_of_models(record: Record, kind: str) -> None:
    """Note the older names of functional models."""
    if kind not in ("Sequential", "Functional", "Model"):
        record.translated(f"`{kind}`", "`Functional`")
