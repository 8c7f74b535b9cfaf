"""The names of expectations as test cases: the same in pytest, in JUnit and in logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from layerlens.scenario.yaml.positions import legible


def case_name(subject: str, cell: Mapping[str, Any] | None) -> str:
    """Return a test's name: the subject, with the values of its matrix cell in brackets."""
    if cell is not None:
        values = "-".join(f"{key}={_value(value)}" for key, value in cell.items())
        subject = f"{subject[:-1]}-{values}]" if subject.endswith("]") else f"{subject}[{values}]"
    return legible(subject.replace("::", ":"))  # `::` separates the parts of an id


def unique_name(taken: set[str], name: str) -> str:
    """Return the name, numbered where it is taken, and add it to `taken`."""
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    taken.add(unique)
    return unique


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
