"""The allow-list: what may stand in a description, and what is refused with its place."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import keras
import pytest

from layerlens.models.build.allow_list import (
    argument_parts,
    code_parts,
    without_hooks,
)
from layerlens.models.build.layer import LayerMaker
from layerlens.models.build.nested_model import nested_model
from layerlens.scenario.allowed_classes import is_registered
from layerlens.scenario.spec import LayerSpec
from tests.unit.tables.every_layer import CASES

MAKER = LayerMaker("working", partial(nested_model, None))
DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2}}


def thing(class_name: Any, config: Any = None, **more: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {} if config is None else config, **more}


def function(module: str | None, name: str, **more: Any) -> dict[str, Any]:
    return thing("function", name, module=module, **more)


def tensor(name: str = "x") -> dict[str, Any]:
    config = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, 0, 0]}
    return thing("__keras_tensor__", config)


def array(value: Any, dtype: Any = "float32") -> dict[str, Any]:
    return thing("__numpy__", {"value": value, "dtype": dtype})


def node(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"args": list(args), "kwargs": kwargs}


def graph(layer: dict[str, Any], *nodes: Any) -> dict[str, Any]:
    layers = [{"name": "z", **layer, "inbound_nodes": list(nodes)}]
    config = {"name": "f", "layers": layers, "input_layers": [], "output_layers": []}
    return thing("Functional", config, module="keras.src.models.functional")


def operation(name: str, module: str = "numpy", **config: Any) -> dict[str, Any]:
    return thing(name, {"name": "z", **config}, module=f"keras.src.ops.{module}")


SWITCH = graph(
    operation("Switch", "core"),
    node(0, [function("keras.layers", "TFSMLayer")], "exported", "serve"),
)

#: What stands at the activation of a Dense layer, and what is said of it.
ACTIVATIONS: dict[str, tuple[Any, str]] = {
    "model": (SWITCH, "is a `Functional`, a model, where an activation function or a layer"),
    "class-as-function": (function("keras.layers", "TFSMLayer"), "`keras.layers.TFSMLayer`"),
    "download": (function("keras.datasets.mnist", "load_data"), "which is not part of a model"),
    "setting": (function("keras.config", "set_epsilon"), "which is not part of a model"),
    "setting-by-path": (function("keras", "config.set_floatx"), "which is not part of a model"),
    "aliased": (function("keras.activations", "relu", registered_name="x>y"), "`keras.activation"),
    "builtin": (function("builtins", "eval"), "uses the function `eval` from outside Keras"),
    "os": (function("os", "system"), "uses the function `system` from outside Keras"),
    "no-module": (function(None, "load_model"), "uses the function `load_model`"),
    "loss": (function("builtins", "mean_squared_error"), "where an activation function"),
    "calls-back": (function("keras.ops", "cond"), "`keras.ops.cond`, which is not part"),
    "allocates": (function("keras.ops", "zeros"), "`keras.ops.zeros`, which is not part"),
    "hidden": (function("keras.src.utils.file_utils", "get_file"), "which is not part of a model"),
    "bytecode": (thing("__lambda__", {"value": "x"}), "holds a function as bytecode"),
    "lambda": (thing("Lambda", {"function": "f"}, module="keras.layers"), "runs its own code"),
    "lambda-by-path": (thing("layers.Lambda", module="keras"), "runs its own code"),
    "foreign": (thing("Popen", {"args": "ls"}, module="subprocess"), "from the module `subproc"),
    "builtins": (thing("open", {"file": "x"}, module="builtins"), "from the module `builtins`"),
    "function-as-class": (thing("load_model", module="keras.models"), "not part of a model"),
    "function-of-layers": (thing("deserialize", module="keras.layers"), "not part of a model"),
    "spec": (thing("InputSpec", module="keras.layers"), "which is not part of a model"),
    "other-module": (
        thing("Dense", module="keras.src.backend.jax"),
        "this version of Keras does not have",
    ),
    "custom": (thing("Odd", module=None, registered_name="a>Odd"), "`a>Odd`, which is not Keras'"),
    "alias": (thing("ReLU", module="keras.layers", registered_name="a>b"), "is a `a>b`, which"),
    "initializer": (thing("Zeros", module="keras.initializers"), "an initializer, where an act"),
    "operation": (operation("Relu", "nn"), "an operation, where an activation function"),
    "typespec": (thing("__typespec__", [], spec_name="x"), "names a TensorFlow type"),
    "composite": (thing("CompositeTensor", None, spec={}), "names a TensorFlow type"),
    "no-name": (thing(["Dense"]), "as its `class_name`, which is not a name"),
    "no-module-name": (
        thing("ReLU", module=["keras.layers"]),
        "as its `module`, which is not a name",
    ),
    "no-config": (thing("ReLU", "x", module="keras.layers"), "whose `config` is not a mapping"),
    "tensor": (tensor(), "is a tensor of a graph where plain data belongs"),
    "deep-in-plain-data": ({"a": [{"b": function("os", "system")}]}, "uses the function `system`"),
    "large-dtype": (array([1.0], "(1000000000,)f4"), "is an array of the dtype"),
    "objects": (array([{"a": 1}]), "is an array of values other than numbers"),
    "deeper": (
        thing("ReLU", {"max_value": function("os", "system")}, module="keras.layers"),
        "uses the function `system`",
    ),
    "beside-the-config": (
        thing("ReLU", {}, module="keras.layers", build_config={"x": SWITCH}),
        "a model, where plain data belongs",
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_argument_takes_what_is_on_the_list_and_nothing_else(name: str) -> None:
    """The same mapping is refused in a scenario, in a saved model, and in whatever holds it."""
    value, told = ACTIVATIONS[name]
    dense = thing("Dense", {"name": "d", "units": 2, "activation": value}, module="keras.layers")
    (found,) = argument_parts(LayerSpec("Dense", {"units": 2, "activation": value}))
    assert found[0] == "activation"
    assert found[1].place.startswith("activation")
    assert told in found[1].what
    assert "`relu`" in str(found[1].hint) or "did you mean" in str(found[1].hint)
    wrapped = thing("TimeDistributed", {"layer": dense}, module="keras.layers")
    chain = thing("Sequential", {"name": "s", "layers": [wrapped]}, module="keras")
    older = thing("Sequential", [thing("Dense", {"activation": value})])
    for config in (dense, wrapped, chain, thing("Sequential", {"layers": [chain]}), older):
        parts = list(code_parts(config))
        assert any(told in part.what for part in parts), parts
        assert all("activation" in part.place for part in parts)


#: A part of a graph, and what is said of it.
NODES: dict[str, tuple[Any, str]] = {
    "constant": (graph(operation("Repeat", repeats=10**9), node(array([1.0]))), "called on no"),
    "nothing": (graph(operation("Repeat", repeats=2), node()), "called on no tensor"),
    "none": (graph(operation("Repeat", repeats=2), []), "called on no tensor"),
    "layer": (graph(DENSE, node(array([[1.0]]))), "called on no tensor"),
    "hidden-tensor": (
        graph(operation("GetItem"), node(array([1.0]), thing("__slice__", {"start": tensor()}))),
        "called on no tensor",
    ),
    "no-list": (graph(DENSE) | thing("Functional", {"layers": [DENSE | {"inbound_nodes": 3}]}), ""),
    "switch": (SWITCH, "which calls functions passed to it"),
    "map": (graph(operation("Map", "core"), node("f", tensor())), "which calls functions"),
    "cond": (graph(operation("Cond", "core"), node(tensor())), "which calls functions"),
    "loop": (graph(operation("WhileLoop", "core", cond="f", body="g"), node(tensor())), "calls"),
    "function": (
        graph(operation("Add"), node(tensor(), function("keras.activations", "relu"))),
        "an activation function, where plain data belongs",
    ),
    "class": (
        graph(operation("Add"), node(tensor(), x=thing("Dense", module="keras.layers"))),
        "a layer, where plain data belongs",
    ),
    "base": (graph(operation("Operation", "operation"), node(tensor())), "not part of a model"),
    "other-module": (
        graph(operation("Add", "core"), node(tensor())),
        "this version of Keras does not have",
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_a_graph_is_called_on_its_tensors_and_plain_data(name: str) -> None:
    config, told = NODES[name]
    assert any(told in part.what for part in code_parts(config))


@pytest.mark.parametrize("kind", ["StringLookup", "IntegerLookup", "TextVectorization"])
@pytest.mark.parametrize("path", ["words.txt", "/dev/zero", "gs://bucket/words", ""])
def test_a_vocabulary_is_a_list(kind: str, path: str) -> None:
    ((name, part),) = argument_parts(LayerSpec(kind, {"vocabulary": path}))
    assert (name, part.place) == ("vocabulary", "vocabulary")
    assert part.what == f"reads the file {path!r} as its vocabulary"
    assert part.hint == "write the words themselves: `vocabulary: [first, second]`"
    saved = thing(kind, {"name": "v", "vocabulary": path}, module="keras.layers")
    (part,) = code_parts(thing("TimeDistributed", {"layer": saved}, module="keras.layers"))
    assert part.layer == "v"
    assert not list(argument_parts(LayerSpec(kind, {"vocabulary": ("a", path)})))


def test_texts_of_older_files_name_no_functions_of_the_layers() -> None:
    """Keras looks a text up among the names beside its layers, where a file has no modules."""
    (part,) = code_parts(thing("Dense", {"name": "add", "activation": "deserialize"}))
    assert part.what == "uses the function `deserialize` of `keras.layers`"
    assert not list(code_parts(DENSE | {"config": {"activation": "deserialize"}}))


def test_each_kind_has_its_place() -> None:
    """What is right at one place is refused at another."""
    at = {
        "kernel_initializer": thing("Zeros", module="keras.initializers"),
        "kernel_regularizer": thing("L2", module="keras.regularizers"),
        "kernel_constraint": thing("NonNeg", module="keras.constraints"),
        "dtype": thing("DTypePolicy", {"name": "float16"}, module="keras"),
        "activation": thing("ReLU", module="keras.layers"),
    }
    for place in at:
        for kind, value in at.items():
            parts = list(argument_parts(LayerSpec("Dense", {place: value})))
            assert bool(parts) == (place != kind), (place, kind)
    for value in at.values():  # without a module, as scenarios and older files have them
        del value["module"]
    for place, value in at.items():
        assert not list(argument_parts(LayerSpec("Dense", {place: value})))


def test_what_is_shared_is_of_one_class() -> None:
    """Keras takes what it made under a number, whatever is described under that number again."""
    zeros = thing("Zeros", module="keras.initializers", shared_object_id=7)
    ones = thing("Ones", module="keras.initializers", shared_object_id=7)
    config = {"kernel_initializer": zeros, "bias_initializer": zeros}
    assert not list(code_parts(thing("Dense", config, module="keras.layers")))
    (part,) = code_parts(thing("Dense", config | {"bias_initializer": ones}, module="keras.layers"))
    assert part.what == "is a `Ones` that refers to a `Zeros`"


@keras.saving.register_keras_serializable("shop")
class Own(keras.layers.Layer):  # type: ignore[misc]
    """A class that the user has registered with Keras."""


@keras.saving.register_keras_serializable("shop")
def doubled(x: Any) -> Any:
    return 2 * x


def test_what_the_user_registered_is_theirs_and_what_it_holds_is_checked() -> None:
    own = keras.saving.serialize_keras_object(Own(name="own"))
    dense = keras.saving.serialize_keras_object(keras.layers.Dense(2, activation=doubled))
    for config in (own, dense, thing("shop>Own", {"name": "own"})):
        assert not list(code_parts(config, is_registered))
        assert list(code_parts(config))
    held = own | {"config": {"inner": [dense, keras.saving.serialize_keras_object(Own())]}}
    assert not list(code_parts(held, is_registered))
    held["config"]["inner"].append(function("keras.config", "set_epsilon"))
    (part,) = code_parts(held, is_registered)
    assert part.place == "config.inner[2]"
    # Keras looks for a class without a module by its class name, and not by the other.
    alias = thing("deserialize", {}, registered_name="shop>Own")
    assert list(code_parts(alias, is_registered))
    called = graph(operation("Add"), node(tensor(), function(None, "shop>doubled")))
    assert list(code_parts(called, is_registered))


def test_how_it_was_trained_is_left_out_at_every_depth() -> None:
    inner = thing("Sequential", {"layers": [DENSE]}, compile_config={"optimizer": SWITCH})
    outer = thing("Sequential", {"layers": [inner, {"compile_config": 1}]}, compile_config={})
    kept = without_hooks(outer)
    assert kept == thing(
        "Sequential",
        {"layers": [thing("Sequential", {"layers": [DENSE]}), {"compile_config": 1}]},
    )


@pytest.fixture(scope="module")
def every_config() -> list[tuple[str, Any]]:
    """The configuration of every public layer, and of what they are given."""
    made = [(case.id, MAKER.make(case.layer)) for case in CASES]
    layers = keras.layers
    initializers, ops = keras.initializers, keras.ops
    seeded = initializers.RandomNormal(seed=keras.random.SeedGenerator(3))
    policies = keras.dtype_policies.DTypePolicyMap()
    policies["d"] = keras.DTypePolicy("mixed_float16")
    more = [
        *(layers.Dense(2, activation=one) for one in (ops.tanh, ops.relu, ops.nn.elu)),
        layers.Dense(2, activation=layers.LeakyReLU(0.2), kernel_initializer=seeded),
        layers.Dense(2, kernel_initializer=initializers.Constant(keras.ops.ones((3, 2)))),
        layers.Dense(2, kernel_regularizer=keras.regularizers.OrthogonalRegularizer(0.1)),
        layers.Dense(2, kernel_constraint=keras.constraints.MinMaxNorm(0.1, 1.0)),
        layers.Dense(2, dtype=policies),
        layers.Dense(2, dtype="int8_from_float32"),
        layers.Conv1D(2, 3, kernel_initializer=initializers.Orthogonal(2.0)),
        layers.LSTM(2, activation="gelu", recurrent_activation=layers.ELU()),
        layers.StringLookup(vocabulary=["a", "b"]),
        layers.Normalization(mean=[0.1, 0.2], variance=[1.0, 2.0]),
    ]
    made += [(type(one).__name__, one) for one in more]
    return [(name, keras.saving.serialize_keras_object(one)) for name, one in made]


def test_every_layer_as_keras_saves_it_is_on_the_list(every_config: Any) -> None:
    for name, given in every_config:
        config = json.loads(json.dumps(given))
        older = {key: config[key] for key in ("class_name", "config")}
        assert not [*code_parts(config), *code_parts(older)], name


def test_graphs_as_keras_saves_them_are_on_the_list() -> None:
    x = keras.Input((4, 3), name="x")
    y = keras.ops.relu(x + 1.0) * keras.ops.ones((3,)) @ keras.ops.ones((3, 3))
    y = keras.ops.concatenate([y[:, 1:, ...], y[:, :1]], axis=1)
    y = keras.ops.where(y > 0, y, -keras.ops.sum(y, axis=-1, keepdims=True))
    y = keras.Sequential([keras.layers.Dense(3), keras.layers.ReLU()], name="inner")(y)
    y = keras.layers.MultiHeadAttention(2, 3)(y, y, use_causal_mask=True)
    model = keras.Model(x, [y, keras.ops.einsum("bij->bji", y)])
    model.compile("adam", "mse")
    assert not list(code_parts(json.loads(model.to_json())))
    quantised = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    for layer in quantised.layers:
        layer.quantize("int8")
    assert not list(code_parts(json.loads(quantised.to_json())))


def test_a_well_known_architecture_is_on_the_list() -> None:
    with keras.StatelessScope():
        model = keras.applications.MobileNetV3Small(weights=None)
    assert not list(code_parts(json.loads(model.to_json())))


def test_layers_that_keras_keeps_to_its_architectures_are_on_the_list() -> None:
    from keras.src.applications.convnext import LayerScale, StochasticDepth
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    for layer in (LayerScale(0.1, 4), StochasticDepth(0.5), CustomScaleLayer(0.2)):
        assert not list(code_parts(keras.saving.serialize_keras_object(layer)))
