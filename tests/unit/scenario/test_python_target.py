"""A text names a callable of a module or of a Python file, or neither."""

from __future__ import annotations

import pytest

from layerlens.scenario.python_target import PythonTarget, parse_target


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models:build", PythonTarget("models", "build", is_file=False)),
        ("a.b:C.make", PythonTarget("a.b", "C.make", is_file=False)),
        ("models.py:build", PythonTarget("models.py", "build", is_file=True)),
        ("../my models/v1.2.py:C.make", PythonTarget("../my models/v1.2.py", "C.make", True)),
        ("C:/models.py:build", PythonTarget("C:/models.py", "build", is_file=True)),
        ("models.py", None),
        ("models.py:", None),
        ("models.py:1st", None),
        ("models.txt:build", PythonTarget("models.txt", "build", is_file=False)),
        ("dir/models:build", None),
        ("models", None),
        ("", None),
    ],
)
def test_the_forms(text: str, expected: PythonTarget | None) -> None:
    assert parse_target(text) == expected
    if expected is not None:
        assert str(expected) == text
