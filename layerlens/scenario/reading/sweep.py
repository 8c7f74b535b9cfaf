"""Read a scenario with a matrix of any size and yield its cells one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from layerlens.errors import ScenarioError
from layerlens.scenario.faults import Faults
from layerlens.scenario.files import read_text
from layerlens.scenario.reading.matrix import read_matrix, tell_unknown_placeholders
from layerlens.scenario.reading.scenarios import read_cell
from layerlens.scenario.spec import Scenario
from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.positions import YamlMapping

#: A byte is kept for each, of whether it is done.
MOST_CELLS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Sweep:
    """A scenario file as text, and how many cells it has: small, to be sent with each task."""

    path: str
    text: str
    total: int

    def scenario(self, number: int) -> Scenario:
        """Read the cell of a number from 0 on, the last name of the matrix running fastest.

        Raises:
            ScenarioError: with every fault of the cell.
        """
        data, axes = _parsed(self.text, self.path)
        return read_cell(data, _cell(axes, number), self.path)


def open_sweep(path: Path) -> Sweep:
    """Open a scenario file without making its cells; the first and the last one are looked at.

    Raises:
        ScenarioError: with the faults of the file, or of one of the two.
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
        faults.add("this file holds no scenario", None)
        raise ScenarioError(faults.in_order())
    axes = read_matrix(data, faults, MOST_CELLS)
    tell_unknown_placeholders(data, faults)
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
