"""Keras finds the user's own classes and functions, and not others of their names."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import keras
import pytest

from layerlens.models.build.custom_objects import (
    custom_code,
    custom_objects,
    has_same_code,
    in_use,
    objects_of,
)

pytestmark = pytest.mark.usefixtures("backend")


def gate_of(module: str) -> Any:
    """Return a new class that is registered as `shop>Gate`."""
    made = type("Gate", (keras.layers.Layer,), {"call": lambda _, x: x, "__module__": module})
    return keras.saving.register_keras_serializable("shop")(made)


@pytest.fixture
def gates() -> Iterator[tuple[Any, Any]]:
    modules = [types.ModuleType(name) for name in ("gates_of_one", "gates_of_two")]
    for module in modules:
        module.Gate = gate_of(module.__name__)  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
    yield modules[0].Gate, modules[1].Gate
    for module in modules:
        del sys.modules[module.__name__]


def shifted(inputs: Any) -> Any:
    return inputs + 1


def chain(*layers: Any) -> Any:
    return keras.Sequential([keras.Input((3,)), *layers])


def test_what_keras_defines_is_no_custom_code(gates: Any) -> None:
    assert list(custom_code(chain(keras.layers.Dense(2, activation="relu")))) == []
    own = chain(keras.layers.Dense(2, activation=shifted), keras.Sequential([gates[0]()]))
    assert set(custom_code(own)) == {shifted, gates[0]}


def test_code_is_named_as_it_is_registered_and_as_it_is(gates: Any) -> None:
    assert custom_objects(gates[0]()) == {"Gate": gates[0], "shop>Gate": gates[0]}
    assert custom_objects(keras.layers.Dense(2, activation=shifted)) == {"shifted": shifted}


def test_a_loss_or_an_optimizer_is_not_part_of_a_model() -> None:
    model = chain(keras.layers.Dense(2))
    model.compile(type("Own", (keras.optimizers.SGD,), {})(), shifted)
    assert list(custom_code(model)) == []


def test_registered_code_is_replaced_while_other_code_is_in_use(gates: Any) -> None:
    first, last = gates
    described = keras.saving.serialize_keras_object(chain(first()))
    assert type(keras.saving.deserialize_keras_object(described).layers[0]) is last
    with in_use(custom_objects(first())):
        assert type(keras.saving.deserialize_keras_object(described).layers[0]) is first
    assert keras.saving.get_registered_object("shop>Gate") is last


def test_other_code_of_the_same_names_is_not_the_same(gates: Any) -> None:
    first, last = gates
    assert has_same_code(chain(first(), last()), chain(last(), first()))
    assert not has_same_code(chain(first()), chain(last()))
    assert not has_same_code(chain(first(), last()), chain(last(), last()))
    assert not has_same_code(
        chain(keras.layers.Activation(shifted)), chain(keras.layers.Activation("relu"))
    )


@pytest.mark.parametrize("may_import", [False, True])
def test_a_description_means_the_code_of_the_module_that_it_names(
    gates: Any, may_import: bool
) -> None:
    first, last = gates
    for gate in (first, last):
        described = keras.saving.serialize_keras_object(chain(gate()))
        assert objects_of(described, may_import=may_import)["shop>Gate"] is gate


def test_a_module_may_hold_code_that_is_not_registered(monkeypatch: Any) -> None:
    module = types.ModuleType("plain_gates")
    module.shifted = shifted  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "plain_gates", module)
    described = {
        "module": "plain_gates",
        "class_name": "function",
        "config": "shifted",
        "registered_name": "shifted",
    }
    assert objects_of([described], may_import=True) == {"shifted": shifted}
    assert objects_of([described], may_import=False) == {}


def test_without_leave_to_import_a_registered_name_is_no_way_to_other_code(gates: Any) -> None:
    described = {
        "module": "subprocess",
        "class_name": "Popen",
        "config": {"args": "true"},
        "registered_name": "shop>Gate",
    }
    assert gates
    assert objects_of(described, may_import=False) == {}


def test_modules_that_are_missing_are_left_to_keras() -> None:
    described = {"module": "no_such_module_here", "class_name": "Gate", "config": {}}
    assert objects_of(described, may_import=True) == {}
