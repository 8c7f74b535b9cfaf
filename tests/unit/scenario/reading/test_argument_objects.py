"""Names of activations, initializers, regularizers and constraints, against Keras itself."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras.src import activations, constraints, initializers, regularizers

INPUT = "input: {shape: [4, 4]}\n"
NAMES = {
    "activation": activations.ALL_OBJECTS_DICT,
    "kernel_initializer": initializers.ALL_OBJECTS_DICT,
    "kernel_regularizer": regularizers.ALL_OBJECTS_DICT,
    "kernel_constraint": constraints.ALL_OBJECTS_DICT,
}


def scenario(arguments: str) -> str:
    return f"{INPUT}models:\n  a: [Dense: {{units: 2, {arguments}}}]\n  b: [Flatten]\n"


@pytest.mark.parametrize("argument", NAMES)
def test_every_name_that_keras_knows_is_taken(read: Any, argument: str) -> None:
    layers = ", ".join(f"Dense: {{units: 2, {argument}: {name}}}" for name in NAMES[argument])
    read(f"{INPUT}models:\n  a: [{layers}]\n  b: [Flatten]\n")


@pytest.mark.parametrize(
    ("argument", "fault"),
    [
        ("activation: reluu", "cannot be `reluu`: Keras has no activation of this name | did you"),
        ("activation: tf.nn.relu", "cannot be `tf.nn.relu`: Keras has no activation of this name"),
        ("activation: keras.activations.tanh", "| did you mean `tanh`?"),
        ("activation: identity", "| did you mean `linear`?"),
        ("activation: qqqqqq", "| allowed: celu, elu"),
        (
            "activation: LeakyReLU",
            "`activation` of `Dense` names a layer, `LeakyReLU` | write `activation: {LeakyReLU: "
            "{}}`, or name the function `leaky_relu`",
        ),
        ("activation: PReLU", "names a layer, `PReLU` | write `activation: {PReLU: {}}`"),
        (
            "kernel_initializer: glorot_unifrom",
            "`kernel_initializer` of `Dense` cannot be `glorot_unifrom`: Keras has no initializer "
            "of this name | did you mean `glorot_uniform`?",
        ),
        ("kernel_initializer: Henormal", "| did you mean `HeNormal`?"),
        ("kernel_initializer: kaiming_normal", "| did you mean `he_normal`?"),
        ("kernel_regularizer: l3", "no regularizer of this name | allowed: l1, "),
        ("kernel_constraint: nonneg", "no constraint of this name | did you mean `NonNeg`?"),
    ],
)
def test_a_name_that_keras_does_not_know_is_a_fault(told: Any, argument: str, fault: str) -> None:
    (found,) = told(scenario(argument))
    assert fault in found
    assert found.startswith("3:")


def test_the_users_own_names_are_left_to_keras(told: Any, read: Any) -> None:
    text = scenario("kernel_initializer: my_zeros")
    assert told(text)
    with keras.utils.custom_object_scope({"my_zeros": keras.initializers.Zeros}):
        read(text)
    read(scenario('kernel_initializer: "shop>Own"'))
