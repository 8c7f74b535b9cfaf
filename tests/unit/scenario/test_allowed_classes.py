"""The classes and functions of Keras that a description may name."""

from __future__ import annotations

import pytest

from layerlens.scenario.allowed_classes import (
    CODE_LAYERS,
    ClassKind,
    calls_functions,
    is_keras_class,
    kinds_of,
    kinds_of_function,
    names_of,
)


@pytest.mark.parametrize(
    ("name", "module", "kind"),
    [
        ("Dense", "keras.layers", "layer"),
        ("Dense", None, "layer"),
        ("Sequential", "keras", "model"),
        ("GlorotUniform", "keras.initializers", "initializer"),
        ("glorot_uniform", None, "initializer"),
        ("Policy", "keras.mixed_precision", "dtype policy"),
        ("Adam", "keras.optimizers", "optimizer"),
        ("LayerScale", "keras.src.applications.convnext", "layer"),
        ("Add", "keras.src.ops.numpy", "operation"),
    ],
)
def test_a_class_is_found_in_its_modules(name: str, module: str | None, kind: ClassKind) -> None:
    assert kind in kinds_of(name, module)
    assert is_keras_class(name)


@pytest.mark.parametrize(
    ("name", "module"),
    [("Dense", "my_layers"), ("system", "os"), ("Input", None), ("Map", "keras.src.ops.core")],
)
def test_nothing_else_is_allowed(name: str, module: str | None) -> None:
    assert kinds_of(name, module) == frozenset()


def test_layers_with_code_are_no_layers_of_a_description() -> None:
    for name in CODE_LAYERS:
        assert kinds_of(name, "keras.layers") == frozenset()
        assert not is_keras_class(name)


def test_functions_by_kind() -> None:
    assert kinds_of_function("relu", "keras.activations") == {"activation function"}
    assert kinds_of_function("tanh", "keras.ops") == {"activation function"}
    assert "loss" in kinds_of_function("mean_squared_error", "builtins")
    assert kinds_of_function("deserialize", "keras.activations") == frozenset()
    assert kinds_of_function("relu", "my_functions") == frozenset()


def test_operations_that_call_functions_are_known() -> None:
    assert calls_functions("Cond")
    assert not calls_functions("Add")


def test_names_for_a_hint() -> None:
    assert "relu" in names_of("activation function")
    assert "Dense" in names_of("layer")
