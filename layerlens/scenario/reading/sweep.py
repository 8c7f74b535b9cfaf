"""Read single cells of a scenario file with a matrix of any size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from layerlens.errors import ScenarioError
from layerlens.fault_codes import Code
from layerlens.scenario.faults import Faults
from layerlens.scenario.files import read_text
from layerlens.scenario.reading.matrix import check_placeholders, read_matrix
from layerlens.scenario.reading.scenarios import read_cell
from layerlens.scenario.spec import Scenario
from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.positions import YamlMapping

#: The most cells of a sweep; a run keeps one byte for each.
MOST_CELLS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Sweep:
    """A scenario file as text, with its number of cells; small enough to send with each task."""

    path: str
    text: str
    total: int

    def scenario(self, number: int) -> Scenario:
        """Read one cell; numbers start at 0, and the last name of the matrix varies fastest.

        Raises:
            ScenarioError: with every fault of the cell.
        """
        data, axes = _parsed(self.text, self.path)
        return read_cell(data, _cell(axes, number), self.path)


def open_sweep(path: Path) -> Sweep:
    """Open a scenario file and check its first and its last cell.

    Raises:
        ScenarioError: with the faults of the file, or of one of the two cells.
    """
    text = read_text(path)
    file = str(path.absolute())
    _, axes = _parsed(text, file)
    sweep = Sweep(file, text, prod(len(values) for values in (axes or {}).values()))
    for number in {0, sweep.total - 1}:
        sweep.scenario(number)
    return sweep


@lru_cache(maxsize=8)
def _parsed(text: str, file: str) -> tuple[YamlMapping, dict[str, list[Any]] | None]:
    document = parse_yaml(text, file)
    faults = Faults(file, list(document.faults))
    data = document.value
    if not isinstance(data, YamlMapping):
        faults.add(Code.NO_SCENARIO, "this file has no scenario", None)
        raise ScenarioError(faults.in_order())
    axes = read_matrix(data, faults, MOST_CELLS)
    check_placeholders(data, faults)
    if faults:
        raise ScenarioError(faults.in_order())
    return data, axes


def _cell(axes: dict[str, list[Any]] | None, number: int) -> dict[str, Any] | None:
    if axes is None:
        return None
    cell: dict[str, Any] = {}
    for name in reversed(axes):
        number, position = divmod(number, len(axes[name]))
        cell[name] = axes[name][position]
    return {name: cell[name] for name in axes}
