"""Check the path of a saved model."""

from __future__ import annotations

from pathlib import Path

from layerlens.scenario.faults import Faults
from layerlens.scenario.files import SAVED_SUFFIXES, FileFault, saved_file_fault
from layerlens.scenario.yaml.positions import Position, YamlMapping, shown


def check_file(
    value: YamlMapping, folder: Path, faults: Faults, suffixes: tuple[str, ...] = SAVED_SUFFIXES
) -> None:
    """Add a fault where `file:` is not the path of a saved model; `folder` is the scenario's."""
    if isinstance(file := value.get("file"), str):
        fault = saved_file_fault(folder / file, shown(file), suffixes)
        add_file_fault(fault, value.values_at.get("file"), faults)


def add_file_fault(fault: FileFault | None, at: Position | None, faults: Faults) -> None:
    """Add the fault of a file, if it has one, at its place."""
    if fault is None:
        return
    relative = "paths are relative to the scenario's folder" if fault.is_missing else None
    faults.add(
        fault.code, fault.message, at, " ".join(filter(None, (fault.hint, relative))) or None
    )
