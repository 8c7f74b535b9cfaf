"""A layer's code may answer in any way when it is asked for its configuration."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerlens
from layerlens.models.inspect.arguments import arguments_of, plain_value
from layerlens.models.inspect.configuration import configuration_of

pytestmark = pytest.mark.usefixtures("backend")


class Odd:
    """An object whose every hook fails or takes arguments."""

    def tolist(self, shape: Any) -> Any:
        raise AssertionError("called")

    __len__ = __bool__ = __repr__ = __str__ = __array__ = __iter__ = __hash__ = tolist  # type: ignore[assignment]
    item = shape = numpy = tolist

    def __eq__(self, other: object) -> bool:
        raise AssertionError("called")


class Colour(enum.Enum):
    RED = 1


class Name(str):
    def __str__(self) -> str:
        raise AssertionError("called")


@dataclasses.dataclass
class Point:
    x: float = 1.0


def scale(x: Any) -> Any:
    return x


def in_circle() -> dict[str, Any]:
    config: dict[str, Any] = {"units": 3}
    config |= {"again": config, "twice": [config, config]}
    return config


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Odd(), "Odd"),
        ([Odd(), 1], ["Odd", 1]),
        (Colour.RED, "Colour.RED"),
        (Name("relu"), "relu"),
        (Point(), "Point"),
        (scale, "scale"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float32(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        ({2, 1}, [1, 2]),
        ({(1, 2): "a"}, {"[1, 2]": "a"}),
        ({"class_name": Odd(), "config": Odd()}, "Odd"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_become_plain_data_without_a_call(value: Any, plain: Any) -> None:
    assert plain_value(value) == plain


def test_what_contains_itself_or_is_huge_ends() -> None:
    assert json.loads(json.dumps(plain_value(in_circle())))["units"] == 3
    shared: Any = [1]
    for _ in range(64):
        shared = [shared, shared]
    assert len(json.dumps(plain_value(shared))) < 10_000_000
    one, other = np.zeros(100_000), np.zeros(100_000)
    other[5] = 1
    assert plain_value(one).startswith("100,000 values, #")
    assert plain_value(one) != plain_value(other)
    assert plain_value(b"\x00" * 9) == "9 bytes, #3e7077fd"


def layer_with(config: Callable[[Any], Any]) -> Any:
    import keras

    class Own(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x * 2.0

        def get_config(self) -> Any:
            return config(self)

    return Own(name="own")


def raising(error: BaseException) -> Callable[[Any], Any]:
    def config(_: Any) -> Any:
        raise error

    return config


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (raising(KeyError("rate")), "`get_config` raises KeyError: 'rate'"),
        (lambda layer: layer.rate, "`get_config` raises AttributeError"),
        (lambda layer: [1], "`get_config` returns list, not a dict"),
        (raising(NotImplementedError()), None),
    ],
    ids=["raises", "attribute", "no dict", "not implemented"],
)
def test_why_a_configuration_is_not_known(config: Any, told: str | None) -> None:
    found = configuration_of(layer_with(config))
    assert (found.error is None) if told is None else told in str(found.error)
    assert arguments_of(layer_with(config)) == {}


@pytest.mark.parametrize(
    "config",
    [raising(ValueError("no")), lambda layer: {"odd": Odd(), "circle": in_circle()}],
    ids=["raises", "odd values"],
)
def test_such_models_are_still_compared(config: Any) -> None:
    import keras

    def model() -> Any:
        return keras.Sequential([keras.Input((3,)), layer_with(config)])

    report = layerlens.compare(model, model, explain=True)
    (pair,) = report.scenarios[0].pairs
    assert pair.verdict == "equivalent"
    if config.__name__ == "config":
        about = "the configuration of `own` (Own) is not known: its `get_config` raises ValueError"
        assert about in pair.explanation
        assert any(about in sentence for sentence in pair.why)
        for text in (str(report), report.to_markdown(), report.to_json()):
            assert "is not known" in text
    assert layerlens.summary(model).status == "unchecked"


def test_other_hooks_that_raise_are_the_users_fault() -> None:
    import keras

    class Cell(keras.layers.Layer):  # type: ignore[misc]
        @property
        def state_size(self) -> Any:
            raise KeyError("size")

        def call(self, x: Any) -> Any:
            return x

    class Holder(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, **more: Any) -> None:
            super().__init__(**more)
            self.cell = Cell()

        def call(self, x: Any) -> Any:
            return self.cell(x)

    def model() -> Any:
        return keras.Sequential([keras.Input((3,)), Holder()])

    for report in (layerlens.summary(model), layerlens.compare(model, model)):
        (error,) = report.scenarios[0].errors
        assert not error.internal
        assert "the code of a model fails: `state_size` (test_configuration.py" in error.message
        assert "KeyError: 'size'" in error.message
