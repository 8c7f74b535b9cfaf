"""Python's syntax is read without running it, and written as YAML."""

from __future__ import annotations

from typing import Any

import pytest

from layerlens.scenario.yaml.python_syntax import (
    PythonCall,
    dtype_name,
    in_yaml,
    parenthesized,
    python_call,
    python_value,
    tuple_items,
)
from layerlens.vocabulary import DTYPES


@pytest.mark.parametrize(
    ("text", "written"),
    [("(8, 4)", "[8, 4]"), ("16", "16"), ("None", "null"), ("True", "true"), (" 1.5 ", "1.5")],
)
def test_a_value_of_python(text: str, written: str) -> None:
    assert python_value(text, lambda value: True) == written
    assert python_value(text, lambda value: False) is None


@pytest.mark.parametrize("text", ["many", "(", "f(x)", "__import__('os')", "'a'", 3, "1" * 5000])
def test_what_is_no_value_of_python(text: Any) -> None:
    assert python_value(text, lambda value: True) is None


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("Dense(3)", PythonCall("Dense", ["3"], [])),
        ("a.Dense(3, b=(1, None))", PythonCall("a.Dense", ["3"], ["b: [1, null]"])),
        ("Dense 3", PythonCall("Dense", ["3"], [])),
        ("Dense(f(x))", PythonCall("Dense", ['"f(x)"'], [])),
        ("Dense(", None),
        ("Dense", None),
        ("Dense(3)(x)", None),
        ("Dense(3) + 1", None),
    ],
)
def test_a_call_of_python(text: str, call: PythonCall | None) -> None:
    assert python_call(text) == call


@pytest.mark.parametrize(
    ("name", "keras"),
    [
        ("int", "int32"),
        ("tf.float16", "float16"),
        ("jnp.bfloat16", "bfloat16"),
        ("Float64", "float64"),
        ("float32", None),
        ("complex64", None),
        ("", None),
    ],
)
def test_a_dtype_of_another_library(name: str, keras: str | None) -> None:
    assert dtype_name(name, DTYPES) == keras


def test_tuples_hold_plain_data_only() -> None:
    assert tuple_items("(1, (2, None))") == (1, (2, None))
    assert tuple_items("(1)") is None
    assert tuple_items("({1: 2}, 3)") is None
    assert tuple_items("(f(x), 3)") is None


def test_a_parenthesis_ends_on_its_line() -> None:
    assert parenthesized("x (1, (2)) y", 2) == "(1, (2))"
    assert parenthesized("(1,\n2)", 0) is None
    assert parenthesized("(1, 2", 0) is None


def test_values_in_yaml() -> None:
    assert in_yaml((1, [None, True], "a b", "1")) == '[1, [null, true], a b, "1"]'
    assert in_yaml({"a": (1,)}) == "{a: [1]}"
