"""Fixtures that write a scenario file and read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layerlens.errors import ScenarioError
from layerlens.scenario.reading.scenarios import (
    read_scenarios,
)
from layerlens.scenario.spec import Scenario


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_scenario(text: str | bytes) -> Path:
        path = tmp_path / "scenario.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write_scenario


@pytest.fixture
def read(write: Any) -> Any:
    """Read the text of a scenario that has one cell."""

    def read_text(text: str) -> Scenario:
        (scenario,) = read_scenarios(write(text))
        return scenario

    return read_text


@pytest.fixture
def told(write: Any) -> Any:
    """Return the faults of a scenario as `line:column: message` (and ` | hint`)."""

    def faults_of(text: str | bytes) -> list[str]:
        path = write(text)
        with pytest.raises(ScenarioError) as caught:
            read_scenarios(path)
        texts = []
        for fault in caught.value.faults:
            assert fault.where is not None
            assert fault.where.file == str(path)
            place = f"{fault.where.line}:{fault.where.column}: " if fault.where.line else ""
            texts.append(place + fault.message + (f" | {fault.hint}" if fault.hint else ""))
        return texts

    return faults_of
