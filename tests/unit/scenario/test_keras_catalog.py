"""The catalogue read from source agrees with the real classes, and loads none of them."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from layerlens.scenario import keras_catalog

LOADS_NOTHING = """
import sys
from layerlens.scenario import keras_catalog
for name in keras_catalog.layer_names():
    keras_catalog.signature(name)
print(sorted({"keras", "tensorflow", "numpy"} & set(sys.modules)))
"""


def real_arguments(layer: type) -> Iterator[inspect.Parameter]:
    """Yield what a class takes by its own `__init__` and, past `**kwargs`, by those above it."""
    for base in layer.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
        yield from (item for item in parameters if item.kind is not item.VAR_KEYWORD)
        if base.__module__ == "keras.src.layers.layer":
            return
        if all(item.kind is not item.VAR_KEYWORD for item in parameters):
            return


@pytest.fixture(scope="module")
def real(backend: None) -> Any:
    import keras

    return keras.layers


def test_every_public_layer_is_listed_and_nothing_else(real: Any) -> None:
    import keras

    layers = {
        name
        for name, value in vars(real).items()
        if inspect.isclass(value) and issubclass(value, keras.Layer)
    }
    assert set(keras_catalog.layer_names()) == layers


@pytest.mark.parametrize("name", keras_catalog.layer_names())
def test_signature_is_that_of_the_real_class(name: str, real: Any) -> None:
    layer = getattr(real, name)
    found = keras_catalog.signature(name)
    own = [
        item
        for item in list(inspect.signature(layer.__init__).parameters.values())[1:]
        if item.kind is not item.VAR_KEYWORD
    ]
    assert [item.name for item in found.arguments[: len(own)]] == [item.name for item in own]
    for argument, parameter in zip(found.arguments, own, strict=False):
        assert argument.required == (parameter.default is parameter.empty)
        if isinstance(parameter.default, (bool, int, float, tuple, type(None))):
            assert argument.default is None or eval(argument.default) == parameter.default
    assert set(found.offered) <= {item.name for item in real_arguments(layer)}
    assert not found.accepts_any


@pytest.mark.parametrize("name", ["Dense", "Conv2D", "Bidirectional", "Add", "GRUCell", "Dropout"])
def test_what_every_layer_takes_is_offered(name: str) -> None:
    offered = keras_catalog.signature(name).offered
    assert {"name", "dtype", "trainable", "autocast", "activity_regularizer"} <= set(offered)


def test_what_keras_takes_for_old_code_is_accepted_but_not_offered() -> None:
    leaky = keras_catalog.signature("LeakyReLU")
    assert leaky.argument("alpha") is not None
    assert "alpha" not in leaky.offered
    assert keras_catalog.signature("Dense").argument("input_shape") is None


def test_an_alias_has_the_arguments_of_its_class() -> None:
    alias, layer = keras_catalog.signature("Convolution1D"), keras_catalog.signature("Conv1D")
    assert alias.arguments == layer.arguments
    assert alias.summary == layer.summary == "1D convolution layer (e.g. temporal convolution)."


def test_documentation_comes_from_the_docstring() -> None:
    units = keras_catalog.signature("Dense").argument("units")
    assert units is not None
    assert units.documentation == "Positive integer, dimensionality of the output space."


def test_an_unknown_layer_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="Dnese"):
        keras_catalog.signature("Dnese")


def test_every_short_loss_and_optimizer_is_known(backend: None) -> None:
    import keras

    for loss in keras_catalog.loss_names():
        keras.losses.get(loss)
    for optimizer in ("sgd", "rmsprop", "Adam", "adamw"):
        assert optimizer in keras_catalog.optimizer_names()
        keras.optimizers.get(optimizer)
    assert "mse" in keras_catalog.loss_names()
    assert "mean_squared_eror" not in keras_catalog.loss_names()


def test_reading_the_catalogue_loads_neither_keras_nor_numpy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADS_NOTHING], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
