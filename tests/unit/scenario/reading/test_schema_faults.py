"""Errors of pydantic in the words of the file."""

from __future__ import annotations

from typing import Any

import pytest

HEAD = "input: {shape: [4]}\nmodels: {a: [Flatten], b: [Flatten]}\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("input: {shape: [4]}\n", "`models` is missing"),
        ("input: {shape: 4}\nmodels: {a: [Flatten], b: [Flatten]}\n", "write `shape: [4]`"),
        ("input: [4]\nmodels: {a: [Flatten], b: [Flatten]}\n", "write `input: {shape: [4]}`"),
        ("input: {shape: [-1]}\nmodels: {a: [Flatten], b: [Flatten]}\n", "at least 0; received -1"),
        ("input: {shape: [4]}\nmodels: {a: 3, b: [Flatten]}\n", "a list of layers or a mapping"),
        (f"{HEAD}title: 3\n", 'write it in quotes: "3"'),
        (f"{HEAD}modes: training\n", "write `modes: [training]`"),
        (f"{HEAD}modes: []\n", "`modes` is empty"),
        (f"{HEAD}transfer: by_nam\n", "did you mean `by_name`?"),
        (f"{HEAD}tolerance: {{rtol: 1}}\n", "`atol` of `tolerance` is missing"),
        (f"{HEAD}fit: {{loss: mse, epochs: 0}}\n", "`epochs` has to be at least 1; received 0"),
        (f"{HEAD}fit: {{loss: mse, epochs: many}}\n", "`epochs` takes an integer"),
    ],
)
def test_an_error_names_the_key_and_what_it_takes(told: Any, text: str, fault: str) -> None:
    assert any(fault in found for found in told(text))


def test_a_key_that_is_misspelt_is_not_missing_as_well(told: Any) -> None:
    (fault,) = told("input: {shape: [4]}\nmodel: {a: [Flatten], b: [Flatten]}\n")
    assert "unknown key `model`" in fault
    assert "did you mean `models`?" in fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"{HEAD}transfer: {{pairs: [{{form: x, to: y}}]}}\n", "`form` | did you mean `from`?"),
        (
            f"{HEAD}transfer: {{pairs: [{{from: x, to: y, permute: {{axs: 1, blocks: [0]}}}}]}}\n",
            "`axs` | did you mean `axis`?",
        ),
        (
            "input: {shape: [4]}\nmodels:\n  a: [Flatten]\n"
            "  b: {like: a, runtime: {backnd: jax}}\n",
            "`backnd` | did you mean `backend`?",
        ),
        (
            "input: {shape: [4]}\nmodels:\n  a: [Flatten]\n"
            "  b: {garph: {x: {Flatten: {}, from: [input]}}, outputs: [x]}\n",
            "`garph` | did you mean `graph`?",
        ),
        (
            "input: {shape: [4]}\nmodels:\n  a: [Flatten]\n"
            "  b: {graph: {x: {form: [input], Flatten: {}}}, outputs: [x]}\n",
            "`form` | did you mean `from`?",
        ),
        (
            "input: {shape: [4]}\nmodels:\n  a: [Flatten]\n"
            "  b: {graph: {x: {Flatten: {}, from: [input]}, y: {shrae: x, from: [x]}},"
            " outputs: [x]}\n",
            "`shrae` | did you mean `share`?",
        ),
        (
            "input: {shape: [4]}\n"
            "models: {a: [Flatten], b: [{Dropout: 0.5, cal: {training: true}}]}\n",
            "`cal` | did you mean `call`?",
        ),
        (
            'input: {shape: [4]}\nmodels: {a: [Flatten], b: [{Dense: "${n}"}]}\nmatrx: {n: [1]}\n',
            "`matrx` | did you mean `matrix`?",
        ),
    ],
)
def test_a_misspelt_key_is_the_only_fault(told: Any, text: str, fault: str) -> None:
    (found,) = told(text)
    assert found.endswith(f"unknown key {fault}")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("inputs: [4]\nmodels: {a: [Flatten], b: [Flatten]}\n", "`inputs: {left: {shape: [8]}}`"),
        ("input: {shape: [4]}\nmodels: {a: [{Dense: 3.0}], b: [Flatten]}\n", "write `units: 3`"),
        (
            "input: {shape: [4]}\n"
            "models: {a: [Flatten], b: {like: a, runtime: {backend: pytorch}}}\n",
            "did you mean `torch`?",
        ),
    ],
)
def test_a_wrong_value_has_the_right_one_in_its_hint(told: Any, text: str, hint: str) -> None:
    (found,) = told(text)
    assert hint in found.partition(" | ")[2]
