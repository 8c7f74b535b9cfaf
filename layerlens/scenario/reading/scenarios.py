"""Read a file's scenarios, one per cell of the matrix, or raise all its faults at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from layerlens.errors import Fault, InternalError, ScenarioError, Where
from layerlens.plain.numbers import NumberOutOfRangeError, check_whole_number
from layerlens.scenario.faults import Faults, suggestion
from layerlens.scenario.files import find_scenario_files, looks_like_scenario, read_text
from layerlens.scenario.reading.expectations import check_expectations, check_fit, expectations
from layerlens.scenario.reading.matrix import (
    cells,
    fill_in,
    placeholders_at,
    read_matrix,
    tell_unknown_placeholders,
)
from layerlens.scenario.reading.models import (
    Structure,
    check_inputs,
    input_specs,
    model_spec,
    read_structure,
)
from layerlens.scenario.reading.schema import ExpectPart, FitPart, Names, ScenarioPart
from layerlens.scenario.reading.schema_faults import tell_shape_faults
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import FitSpec, Scenario, TargetSpec, Tolerance
from layerlens.scenario.yaml.parse import DEEPEST, parse_yaml
from layerlens.scenario.yaml.positions import YamlMapping, YamlSequence, described, plain

__all__ = [
    "find_scenario_files",
    "looks_like_scenario",
    "parse_select",
    "read_cell",
    "read_scenarios",
    "scenario_from_mapping",
]


def read_scenarios(path: Path | str, *, least_models: int = 2) -> tuple[Scenario, ...]:
    """Read a scenario file: one scenario for each cell of its matrix, one without.

    Args:
        path: the file; `file:` models are looked up beside it.
        least_models: how many models a scenario needs; 1 where they are only summarised.

    Raises:
        ScenarioError: with every fault of the file, each with line and column.
    """
    file = str(path)
    document = parse_yaml(read_text(path), file)
    faults = Faults(file, list(document.faults))
    return _scenarios(document.value, Path(path), faults, least_models)


def read_cell(data: YamlMapping, cell: Mapping[str, Any] | None, file: str) -> Scenario:
    """Read one cell of a file that was parsed, or the file where it has no matrix.

    Raises:
        ScenarioError: with every fault of the cell.
    """
    found, told = _Reader(Path(file), file, 2).read_cells(data, [dict(cell) if cell else None])
    if told or not found:
        raise ScenarioError(tuple(told))
    return found[0]


def scenario_from_mapping(
    data: Mapping[str, Any], path: str = "<python>", *, least_models: int = 2
) -> tuple[Scenario, ...]:
    """Read a scenario that is already in memory, in the form of its file.

    Raises:
        ScenarioError: with every fault of the scenario.
    """
    return _scenarios(_placed(data, path), Path(path), Faults(path), least_models)


def _placed(value: Any, path: str, depth: int = 0) -> Any:
    """Return Python's own values (and NumPy's, by `tolist`) as a parsed file would hold them."""
    if depth > DEEPEST:
        raise ScenarioError((Fault(f"values are nested more than {DEEPEST} deep", Where(path)),))
    if isinstance(value, Mapping):
        mapping = YamlMapping()
        for key, item in value.items():
            if not isinstance(key, str):
                fault = Fault(f"a key has to be text; received {described(key)}", Where(path))
                raise ScenarioError((fault,))
            mapping[key] = _placed(item, path, depth + 1)
        return mapping
    if isinstance(value, (list, tuple)):
        sequence = YamlSequence()
        sequence.extend(_placed(item, path, depth + 1) for item in value)
        return sequence
    if isinstance(value, int):
        try:
            check_whole_number(value)
        except NumberOutOfRangeError as error:
            raise ScenarioError((Fault(str(error), Where(path)),)) from error
    if hasattr(value, "tolist"):
        return _placed(value.tolist(), path, depth)
    return value


def _scenarios(data: Any, path: Path, faults: Faults, least_models: int) -> tuple[Scenario, ...]:
    if not isinstance(data, YamlMapping):
        message = (
            "this file holds no scenario"
            if data is None
            else f"a scenario is a mapping; received {described(data)}"
        )
        faults.add(message, (1, 1), "`layerlens init PATH` writes one to start from")
        raise ScenarioError(faults.in_order())
    matrix_faults = Faults(faults.file)
    axes = read_matrix(data, matrix_faults)
    tell_unknown_placeholders(data, matrix_faults)
    reader = _Reader(path, faults.file, least_models)
    if matrix_faults:
        found, told = reader.read_unfilled(data)
    else:
        found, told = reader.read_cells(data, [None] if axes is None else list(cells(axes)))
    faults.found += [*matrix_faults.found, *told]
    if faults:
        raise ScenarioError(faults.in_order())
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the cells of one file."""

    path: Path
    file: str
    least_models: int

    def read_cells(
        self, data: YamlMapping, each: Sequence[dict[str, Any] | None]
    ) -> tuple[tuple[Scenario, ...], list[Fault]]:
        """Return the scenario of each cell, and the faults; those of some cells name the first."""
        found: list[Scenario] = []
        cells_of: dict[Fault, list[dict[str, Any] | None]] = {}
        for cell in each:
            faults = Faults(self.file)
            filled = fill_in(data, cell) if cell is not None else data
            scenario = _scenario(filled, cell, self.path, faults, self.least_models)
            if scenario is not None:
                found.append(scenario)
            for fault in dict.fromkeys(faults.found):
                cells_of.setdefault(fault, []).append(cell)
        told = [
            fault if len(cells) == len(each) else _in_cell(fault, cells)
            for fault, cells in cells_of.items()
        ]
        return tuple(found), told

    def read_unfilled(self, data: YamlMapping) -> tuple[tuple[Scenario, ...], list[Fault]]:
        """Return what is wrong in a file whose matrix is at fault, apart from its `${name}`s."""
        open_places = placeholders_at(data)
        found, told = self.read_cells(fill_in(data, {}), [None])
        return found, [
            fault
            for fault in told
            if fault.where and (fault.where.line, fault.where.column) not in open_places
        ]


def _in_cell(fault: Fault, cells: Sequence[dict[str, Any] | None]) -> Fault:
    values = ", ".join(f"{name}={plain(value)}" for name, value in (cells[0] or {}).items())
    more = f" and {len(cells) - 1:,} more" if len(cells) > 1 else ""
    return Fault(f"{fault.message} (in the cell {values}{more})", fault.where, fault.hint)


def _with_model_lists(data: YamlMapping) -> YamlMapping:
    """Return the data with each model that is a plain list as `{layers: list}`."""
    models = data.get("models")
    if not isinstance(models, YamlMapping):
        return data
    shaped, shaped_models = copy(data), copy(models)
    for name, model in models.items():
        if isinstance(model, YamlSequence):
            mapping = YamlMapping(models.keys_at.get(name))
            at = models.values_at.get(name)
            mapping.put("layers", model, at, at)
            shaped_models[name] = mapping
    shaped["models"] = shaped_models
    return shaped


def _scenario(
    data: YamlMapping, cell: Mapping[str, Any] | None, path: Path, faults: Faults, least_models: int
) -> Scenario | None:
    """Return one scenario, or None after telling what is wrong with it."""
    data = _with_model_lists(data)
    models = data.get("models")
    models = models if isinstance(models, YamlMapping) else YamlMapping()
    names = _names(data, models, faults)
    part = _shape(data, names)
    check_inputs(data, faults)
    structures = {
        name: read_structure(name, model, data, path.parent, faults)
        for name, model in models.items()
        if isinstance(model, YamlMapping)
    }
    check_expectations(data.get("expect"), names)
    check_fit(data.get("fit"), faults)
    if models and len(models) < least_models:
        faults.add(
            f"a comparison needs {least_models} models; received {len(models)}",
            data.keys_at.get("models"),
            "add a candidate; `layerlens summary` shows a single model",
        )
    if faults:
        return None
    if part is None:
        raise InternalError(f"{faults.file} has a fault that cannot be told")
    return _finished(part, data, structures, cell, path, faults)


def _names(data: YamlMapping, models: YamlMapping, faults: Faults) -> Names:
    reference = data.get("reference")
    if isinstance(reference, str) and models and reference not in models:
        faults.add(
            f"unknown model `{reference}`",
            data.values_at.get("reference"),
            suggestion(reference, models),
        )
    if not isinstance(reference, str):
        reference = next(iter(models), None)
    modes = data.get("modes")
    modes = tuple(str(mode) for mode in modes) if isinstance(modes, list) else ("inference",)
    return Names(faults, tuple(models), reference, modes)


def _shape(data: YamlMapping, names: Names) -> ScenarioPart | None:
    try:
        return ScenarioPart.read(data, names)
    except ValidationError as error:
        details = error.errors(include_url=False)
        tell_shape_faults(details, data, names.faults)
        return None


def _finished(
    part: ScenarioPart,
    data: YamlMapping,
    structures: Mapping[str, Structure],
    cell: Mapping[str, Any] | None,
    path: Path,
    faults: Faults,
) -> Scenario:
    keys_at = data["models"].keys_at
    specs = tuple(
        model_spec(name, model, structures[name], path.parent, faults, keys_at.get(name))
        for name, model in part.models.items()
    )
    modes = tuple(dict.fromkeys(part.modes))
    title = (part.title or "").strip() or path.stem
    return Scenario(
        path=faults.file,
        title=title,
        models=specs,
        reference=part.reference or specs[0].name,
        question=part.question,
        inputs=input_specs(part.input, part.inputs) or (),
        transfer=part.transfer,
        modes=modes,
        fit=_fit(part.fit),
        tolerance=Tolerance(part.tolerance.rtol, part.tolerance.atol) if part.tolerance else None,
        expect=_expect(part.expect, data.get("expect"), modes),
        cell=plain(dict(cell)) if cell is not None else None,
    )


def _expect(part: ExpectPart | None, written: Any, modes: Any) -> Any:
    return expectations(part, written, modes) if part is not None else None


def _fit(part: FitPart | None) -> FitSpec | None:
    if part is None:
        return None
    return FitSpec(
        loss=part.loss,
        optimizer=part.optimizer,
        epochs=part.epochs,
        samples=part.samples,
        batch_size=part.batch_size,
        target=TargetSpec(tuple(part.target.shape), part.target.dtype) if part.target else None,
        targets={
            name: TargetSpec(tuple(target.shape), target.dtype)
            for name, target in (part.targets or {}).items()
        },
    )
