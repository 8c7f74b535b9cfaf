"""A seed enters, a description leaves that holds what Keras might make of it what it should not.

Mappings are put into the arguments of a scenario and into saved models, at any place and depth.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

from canaries import PIPE, SAVED_MODEL, WORDS
from mutating import Mutant

_PATHS = (WORDS, PIPE, SAVED_MODEL, "/dev/zero", "/etc/passwd", "gs://bucket/words", "canary.py")
_MODULES = (
    *("keras", "keras.layers", "keras.models", "keras.config", "keras.utils", "keras.saving"),
    *("keras.datasets.mnist", "keras.datasets.california_housing", "keras.ops", "keras.random"),
    *("keras.activations", "keras.initializers", "keras.export", "keras.src.utils.file_utils"),
    *("keras.src.ops.core", "keras.src.ops.numpy", "keras.src.layers.core.lambda_layer"),
    *("keras.src.backend.torch", "keras.legacy.saving", "keras.applications", "keras.callbacks"),
    *("builtins", "os", "subprocess", "shutil", "pathlib", "canary", "numpy", "tensorflow", ""),
)
_NAMES = (
    *("TFSMLayer", "Lambda", "load_data", "set_epsilon", "set_floatx", "set_backend", "get_file"),
    *("load_model", "model_from_json", "deserialize", "deserialize_keras_object", "Input", "build"),
    *("enable_unsafe_deserialization", "layers.Lambda", "utils.get_file", "config.set_floatx"),
    *("system", "Popen", "eval", "open", "rmtree", "touch", "relu", "cond", "map", "VGG16"),
    *(
        "Functional",
        "Sequential",
        "Dense",
        "Zeros",
        "FeatureSpace",
        "TorchModuleWrapper",
        "CSVLogger",
    ),
    *("Switch", "Map", "Cond", "WhileLoop", "ForiLoop", "VectorizedMap", "Repeat", "Add"),
    *("__lambda__", "__typespec__", "__tensor__", "__numpy__", "__bytes__", "__slice__"),
)
_SETTINGS = {"set_epsilon": 0.5, "set_floatx": "float16"}
#: Arguments under which Keras looks for something to make or to read.
_ARGUMENTS = (
    *("activation", "kernel_initializer", "bias_regularizer", "kernel_constraint", "dtype"),
    *("layer", "cell", "vocabulary", "standardize", "split", "seed", "name", "units", "function"),
    *("quantization_config", "activity_regularizer", "recurrent_activation", "filepath", "mean"),
)


def mapping_mutant(seed: int) -> Mutant:
    """Return the file of a seed: a scenario, or a saved model in one of the three formats."""
    draw = random.Random(f"mapping {seed}")
    command = ("compare",) if draw.random() < 0.05 else ("summary",)
    kind = draw.choice(("yaml", "yaml", "json", "keras", "h5"))
    if kind == "yaml":
        content: bytes = json.dumps(_scenario(draw)).encode()
    else:
        config = _changed(deepcopy(draw.choice(_models())), draw)
        content = {"json": _json, "keras": _archive, "h5": _hdf5}[kind](config)
        command = ("summary",)
    return Mutant(content, f"{kind}, seed {seed}", command=command, name=f"mutant.{kind}")


# --- what is put in -------------------------------------------------------------------------------


def _gadget(draw: random.Random, depth: int = 0) -> Any:
    """Return something that Keras would follow, or something near to it."""
    if draw.random() < 0.4:
        return deepcopy(draw.choice(_LIVE))
    match draw.randrange(14):
        case 0 | 1:
            return _function(draw)
        case 2 | 3:
            return _object(draw, depth)
        case 4:
            return _graph(draw, depth)
        case 5:
            return draw.choice((*_PATHS, *_NAMES, f"{draw.choice(_MODULES)}.{draw.choice(_NAMES)}"))
        case 6:
            return _array(draw)
        case 7 if depth < 3:
            return [_gadget(draw, depth + 1) for _ in range(draw.randrange(1, 3))]
        case 8 if depth < 3:
            return {draw.choice(_ARGUMENTS): _gadget(draw, depth + 1)}
        case _:
            return _right(draw)


def _call(operation: str, module: str, *arguments: Any, **config: Any) -> Any:
    """Return a graph of one operation, which Keras runs while it makes the graph."""
    layer = {
        "name": "z",
        "class_name": operation,
        "module": f"keras.src.ops.{module}",
        "registered_name": operation,
        "config": {"name": "z", **config},
        "inbound_nodes": [{"args": list(arguments), "kwargs": {}}],
    }
    return {
        "class_name": "Functional",
        "module": "keras.src.models.functional",
        "registered_name": "Functional",
        "config": {"name": "f", "layers": [layer], "input_layers": [], "output_layers": []},
    }


def _named(name: str, module: str) -> Any:
    return {"class_name": "function", "module": module, "config": name, "registered_name": name}


#: What does harm as it stands, in a Keras that nobody keeps from it: it calls a function of Keras
#: (with a SavedModel, a file or an address), and some of it takes much memory.
_LIVE: tuple[Any, ...] = (
    _call("Switch", "core", 0, [_named("TFSMLayer", "keras.layers")], SAVED_MODEL, "serve"),
    _call("Switch", "core", 0, [_named("get_file", "keras.utils")], "x", "file:///etc/passwd"),
    _call("Switch", "core", 0, [_named("load_model", "keras.models")], WORDS),
    _call("Switch", "core", 0, [_named("load_img", "keras.utils")], WORDS),
    _call(
        "Switch", "core", 0, [_named("image_dataset_from_directory", "keras.utils")], SAVED_MODEL
    ),
    _call("Cond", "core", True, _named("load_data", "keras.datasets.mnist"), None),
    _call("Map", "core", _named("load_data", "keras.datasets.mnist"), ["canary.npz"]),
    _named("load_data", "keras.datasets.mnist"),
    _named("load_img", "keras.utils"),
    {"class_name": "StringLookup", "module": "keras.layers", "config": {"vocabulary": WORDS}},
)


def _function(draw: random.Random) -> Any:
    name = draw.choice(_NAMES)
    registered = draw.choice((name, name, "function", None, "Custom>own", draw.choice(_NAMES)))
    made = {
        "class_name": "function",
        "module": draw.choice(_MODULES),
        "config": name,
        "registered_name": registered,
    }
    return _without_some(made, draw)


def _object(draw: random.Random, depth: int) -> Any:
    name = draw.choice(_NAMES)
    config: Any = {}
    for _ in range(draw.randrange(3)):
        config[draw.choice(_ARGUMENTS)] = (
            _gadget(draw, depth + 1) if depth < 3 else draw.choice(_PATHS)
        )
    if name == "TFSMLayer":
        config = {"filepath": SAVED_MODEL, "call_endpoint": "serve"}
    made = {
        "class_name": name,
        "module": draw.choice(_MODULES),
        "config": draw.choice((config, config, config, None, draw.choice(_PATHS))),
        "registered_name": draw.choice((name, name, None, "Custom>own", draw.choice(_NAMES))),
    }
    for key in ("build_config", "compile_config", "__passive_serialization__"):
        if draw.random() < 0.1 and depth < 3:
            made[key] = _gadget(draw, depth + 1)
    return _without_some(made, draw)


def _without_some(made: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    if draw.random() < 0.3:
        del made[draw.choice(("module", "registered_name", "config"))]
    return made


def _graph(draw: random.Random, depth: int) -> Any:
    """Return a graph that calls an operation on what it should not."""
    operation = draw.choice(("Switch", "Map", "Cond", "Repeat", "Add", "Tile", "VectorizedMap"))
    module = "keras.src.ops.core" if operation in ("Switch", "Map", "Cond") else _OPS
    function = {"class_name": "function", "module": "keras.layers", "config": "TFSMLayer"}
    arguments: list[Any] = [0, [function | {"registered_name": "TFSMLayer"}], SAVED_MODEL, "serve"]
    if draw.random() < 0.5:
        arguments = [_gadget(draw, depth + 1) if depth < 3 else _array(draw) for _ in range(2)]
    node = {"args": arguments, "kwargs": {}}
    layer = {
        "name": "z",
        "class_name": operation,
        "module": module,
        "registered_name": operation,
        "config": {"name": "z", **({"repeats": 10**8} if operation == "Repeat" else {})},
        "inbound_nodes": [node],
    }
    return {
        "class_name": draw.choice(("Functional", "Functional", "Model")),
        "module": draw.choice(("keras.src.models.functional", "keras")),
        "registered_name": "Functional",
        "config": {"name": "f", "layers": [layer], "input_layers": [], "output_layers": []},
    }


_OPS = "keras.src.ops.numpy"


def _array(draw: random.Random) -> Any:
    dtype = draw.choice(("float32", "float32", "O", "(100000000,)f4", "U9999999", "int64"))
    value = draw.choice(([1.0], [[1, 2]], 10**8, "x", {"a": 1}))
    return {
        "class_name": draw.choice(("__numpy__", "__tensor__")),
        "config": {"value": value, "dtype": dtype},
    }


def _right(draw: random.Random) -> Any:
    """Return what may stand at some place, so that some mutants are made after all."""
    return draw.choice(
        (
            {"class_name": "ReLU", "module": "keras.layers", "config": {}},
            {"class_name": "Zeros", "module": "keras.initializers", "config": {}},
            {"class_name": "L2", "module": "keras.regularizers", "config": {"l2": 0.1}},
            {"class_name": "DTypePolicy", "module": "keras", "config": {"name": "float32"}},
            {"class_name": "function", "module": "keras.ops", "config": "tanh"},
            "relu",
            "zeros",
        )
    )


# --- scenarios ------------------------------------------------------------------------------------

_LAYERS: tuple[dict[str, Any], ...] = (
    {"Dense": {"units": 2}},
    {"TimeDistributed": {"layer": {"Dense": {"units": 2}}}},
    {"RNN": {"cell": {"GRUCell": {"units": 2}}}},
    {"Bidirectional": {"layer": {"LSTM": {"units": 2}}}},
    {"StringLookup": {}},
    {"IntegerLookup": {}},
    {"TextVectorization": {}},
    {"Activation": {"activation": "relu"}},
    {"Normalization": {}},
)


def _scenario(draw: random.Random) -> Any:
    if draw.random() < 0.3:  # alone, so that nothing else keeps it from being made
        alone: Any = {"Dense": {"units": 2, "activation": _gadget(draw)}}
        if draw.random() < 0.4:
            words = draw.choice((WORDS, WORDS, *_PATHS))
            alone = {draw.choice(("StringLookup", "TextVectorization")): {"vocabulary": words}}
        kind = "float32" if "Dense" in alone else "string"
        return {"input": {"shape": [1], "dtype": kind}, "models": {"a": [alone], "b": [alone]}}
    layers = [deepcopy(draw.choice(_LAYERS)) for _ in range(draw.randrange(1, 3))]
    holders = [holder for layer in layers for holder in _mappings(layer)]
    for _ in range(draw.choice((1, 1, 2))):
        holder = draw.choice(holders)
        if draw.random() < 0.2:
            holder["kernel_initializer"] = {"RandomNormal": {"stddev": _gadget(draw)}}
        else:
            holder[draw.choice(_ARGUMENTS)] = _gadget(draw)
    shape = draw.choice(([4], [3, 4]))
    data: dict[str, Any] = {
        "input": {"shape": shape, "dtype": draw.choice(("float32", "float32", "string"))},
        "models": {"a": layers, "b": [{"Dense": 2}]},
    }
    match draw.randrange(10):
        case 0:
            data["models"]["a"] = {
                "graph": {"x": {**layers[0], "from": ["input"]}},
                "outputs": ["x"],
            }
        case 1:
            data["matrix"] = {"value": [_gadget(draw)]}
            holders[0][draw.choice(_ARGUMENTS)] = "${value}"
        case 2:
            data["fit"] = {"loss": _gadget(draw), "optimizer": _gadget(draw), "epochs": 1}
        case 3:
            data["models"]["a"] = {
                "layers": layers,
                draw.choice(("dtype", "weights", "select", "file", "python")): _gadget(draw),
            }
    return data


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    for item in value.values():
        if isinstance(item, dict):
            yield item
            yield from _mappings(item)


# --- saved models ---------------------------------------------------------------------------------


@cache
def _models() -> list[Any]:
    """Return what Keras writes of a few models, made once."""
    import keras

    layers = keras.layers
    x = keras.Input((3, 4), name="x")
    y = layers.TimeDistributed(layers.Dense(2, activation="relu"))(x + 1.0)
    y = layers.Bidirectional(layers.LSTM(2))(y) * keras.ops.ones((4,))
    graph = keras.Model(x, keras.ops.relu(y)[:, :2])
    chain = keras.Sequential(
        [keras.Input((4,)), keras.Sequential([keras.Input((4,)), layers.Dense(2)]), layers.ReLU()]
    )
    words = keras.Sequential(
        [keras.Input((1,), dtype="string"), layers.StringLookup(vocabulary=["a"])]
    )
    return [json.loads(model.to_json()) for model in (graph, chain, words)]


def _changed(config: Any, draw: random.Random) -> Any:
    """Return the description with a few of its values exchanged, or keys added."""
    inner = [
        holder
        for holder, _ in _places(config)
        if isinstance(holder, dict) and holder.get("class_name") in ("Sequential", "Dense")
    ]
    if inner and draw.random() < 0.3:  # alone, so that nothing else keeps it from being made
        holder = draw.choice(inner)
        if holder["class_name"] == "Dense":
            holder["config"]["activation"] = _gadget(draw)
        else:
            holder["compile_config"] = {"optimizer": _gadget(draw)}
        return config
    for _ in range(draw.choice((1, 1, 2, 3))):
        holder, key = draw.choice(list(_places(config)))
        match draw.randrange(6):
            case 0 if isinstance(holder, dict):
                name = draw.choice(("compile_config", "build_config", "registered_name", "module"))
                holder[name] = _gadget(draw)
            case 1 if isinstance(holder, dict):
                holder[draw.choice(_ARGUMENTS)] = _gadget(draw)
            case 2 if isinstance(holder, dict):
                holder.pop("module", None)
            case 3 if isinstance(holder, dict) and "class_name" in holder:
                holder["class_name"] = draw.choice(_NAMES)
            case _:
                holder[key] = _gadget(draw)
    return config


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


def _json(config: Any) -> bytes:
    return json.dumps(config).encode()


def _archive(config: Any) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in (("metadata.json", _METADATA), ("config.json", json.dumps(config))):
            archive.writestr(name, text)
        archive.writestr("model.weights.h5", _hdf5(None))
    return content.getvalue()


def _hdf5(config: Any) -> bytes:
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        if config is not None:
            file.create_group("model_weights")
            file.attrs["keras_version"] = "3.5.0"
            file.attrs["model_config"] = json.dumps(config)
    return content.getvalue()


_METADATA = json.dumps({"keras_version": "3.5.0", "date_saved": "2024-01-01"})
