"""Read the `matrix:` of a scenario and fill its values in, cell by cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

from layerlens.fault_codes import Code
from layerlens.plain.suggestion import sure_name
from layerlens.scenario.faults import Faults, suggestion
from layerlens.scenario.yaml.positions import Position, YamlMapping, YamlSequence, described, plain
from layerlens.scenario.yaml.scalars import scalar_text

#: The most cells run in one process; more are probably a mistake.
MOST_CELLS = 10_000

_PLACEHOLDER = re.compile(r"\$\{\s*(\w*)\s*\}")


def read_matrix(
    data: YamlMapping, faults: Faults, most_cells: int = MOST_CELLS
) -> dict[str, list[Any]] | None:
    """Return name → values, with its faults added; None without a matrix."""
    matrix = data.get("matrix")
    if matrix is None:
        return None
    at = data.values_at.get("matrix")
    if not isinstance(matrix, YamlMapping) or not matrix:
        faults.add(
            Code.BAD_MATRIX,
            f"`matrix` takes a mapping of name → list of values; received {described(matrix)}",
            at,
            "write `matrix: {units: [8, 16]}`",
        )
        return None
    axes: dict[str, list[Any]] = {}
    for name, values in matrix.items():
        if not re.fullmatch(r"\w+", name):
            faults.add(
                Code.BAD_NAME,
                f'"{name}" cannot name a matrix value',
                matrix.keys_at.get(name),
                "use letters, digits and _",
            )
        if not isinstance(values, YamlSequence) or not values:
            faults.add(
                Code.BAD_MATRIX,
                f"`{name}` of the matrix takes a list of values; received {described(values)}",
                matrix.values_at.get(name),
            )
        else:
            axes[name] = list(values)
    cells = prod(len(values) for values in axes.values())
    if cells > most_cells:
        faults.add(
            Code.BAD_MATRIX,
            f"the matrix has {cells:,} cells; at most {most_cells:,} are run",
            at,
            "split it over several scenarios, or over machines with `--scheduler`"
            if most_cells == MOST_CELLS
            else "split it over several scenarios",
        )
    return axes


def cells(axes: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Yield each combination of values; the last name varies fastest."""
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def placeholder_positions(data: YamlMapping) -> set[Position]:
    """Return the positions of all texts that contain a `${name}`."""
    return {at for _, at in _texts(data) if at is not None}


def is_misspelt(data: YamlMapping) -> bool:
    """Return whether the key `matrix` is given but misspelt, which is a fault of its own."""
    return any(sure_name(str(key), ["matrix"]) for key in data if key != "matrix")


def check_placeholders(data: YamlMapping, faults: Faults) -> None:
    """Add a fault for every `${name}` that the matrix does not have."""
    matrix = data.get("matrix")
    names = tuple(matrix) if isinstance(matrix, YamlMapping) else ()
    if is_misspelt(data):
        return
    for text, at in _texts(data):
        for name in _PLACEHOLDER.findall(text):
            if name not in names:
                hint = (
                    suggestion(name, names)
                    if names
                    else "the scenario has no `matrix:` that would give it a value"
                )
                faults.add(
                    Code.UNKNOWN_PLACEHOLDER, f"unknown matrix value `${{{name}}}`", at, hint
                )


def fill_in(data: YamlMapping, cell: dict[str, Any]) -> YamlMapping:
    """Return the data without its matrix and with `${name}` replaced; positions are kept."""
    return _filled_mapping(data, cell, leave_out="matrix")


def _filled(value: Any, cell: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return _filled_text(value, cell) if "${" in value else value
    if isinstance(value, YamlMapping):
        return _filled_mapping(value, cell)
    if isinstance(value, YamlSequence):
        sequence = YamlSequence(value.at)
        sequence.items_at = value.items_at
        sequence.extend(_filled(item, cell) for item in value)
        return sequence
    return value


def _filled_mapping(value: YamlMapping, cell: dict[str, Any], leave_out: str = "") -> YamlMapping:
    mapping = YamlMapping(value.at)
    for key, item in value.items():
        if key != leave_out:
            name = key if "${" not in key else scalar_text(plain(_filled_text(key, cell)))
            places = value.keys_at.get(key), value.values_at.get(key)
            mapping.put(name, _filled(item, cell), *places)
    return mapping


def _filled_text(text: str, cell: dict[str, Any]) -> Any:
    whole = _PLACEHOLDER.fullmatch(text.strip())
    if whole and whole[1] in cell:
        return cell[whole[1]]
    return _PLACEHOLDER.sub(
        lambda found: scalar_text(plain(cell[found[1]])) if found[1] in cell else found[0], text
    )


def _texts(value: Any, at: Position | None = None) -> Iterator[tuple[str, Position | None]]:
    """Yield every text that contains `${`, with its position."""
    if isinstance(value, str):
        if "${" in value:
            yield value, at
    elif isinstance(value, YamlMapping):
        for key, item in value.items():
            if "${" in key:
                yield key, value.keys_at.get(key)
            yield from _texts(item, value.values_at.get(key))
    elif isinstance(value, YamlSequence):
        for item, place in value.with_positions():
            yield from _texts(item, place)
