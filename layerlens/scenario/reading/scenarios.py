"""Read the scenarios of a file, one per cell of its matrix, or raise all faults together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from layerlens.errors import Fault, InternalError, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.plain.numbers import NumberOutOfRangeError, check_whole_number
from layerlens.scenario.chunks import check_pieces
from layerlens.scenario.faults import Faults, suggestion
from layerlens.scenario.files import find_scenario_files, looks_like_scenario, read_text
from layerlens.scenario.reading.expectations import (
    check_expectations,
    check_fit,
    expectations_spec,
)
from layerlens.scenario.reading.inputs import check_inputs, input_specs
from layerlens.scenario.reading.matrix import (
    cells,
    check_placeholders,
    fill_in,
    is_misspelt,
    placeholder_positions,
    read_matrix,
)
from layerlens.scenario.reading.models import (
    Structure,
    model_spec,
    read_structure,
)
from layerlens.scenario.reading.runtimes import check_runtimes, runtime_spec
from layerlens.scenario.reading.schema import ExpectPart, FitPart, Names, ScenarioPart, WhenPart
from layerlens.scenario.reading.transfer import read_transfer
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import (
    Condition,
    FitSpec,
    InputSpec,
    ModelSpec,
    Scenario,
    TargetSpec,
    Tolerance,
    TransferRule,
)
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
    """Read a scenario file: one scenario for each cell of its matrix, or one without a matrix.

    Args:
        path: the file; `file:` models are relative to its folder.
        least_models: how many models a scenario needs; 1 where they are only summarised.

    Raises:
        ScenarioError: with every fault of the file, each with line and column.
    """
    file = str(path)
    document = parse_yaml(read_text(path), file)
    faults = Faults(file, list(document.faults))
    return _scenarios(document.value, Path(path), faults, least_models)


def read_cell(data: YamlMapping, cell: Mapping[str, Any] | None, file: str) -> Scenario:
    """Read one cell of a parsed file, or the file itself if it has no matrix.

    Raises:
        ScenarioError: with every fault of the cell.
    """
    found, cell_faults = _CellReader(Path(file), file, 2).read_cells(
        data, [dict(cell) if cell else None]
    )
    if cell_faults or not found:
        raise ScenarioError(tuple(cell_faults))
    return found[0]


def scenario_from_mapping(
    data: Mapping[str, Any], path: str = "<python>", *, least_models: int = 2
) -> tuple[Scenario, ...]:
    """Read a scenario given as a mapping with the keys of a file.

    Raises:
        ScenarioError: with every fault of the scenario.
    """
    return _scenarios(_as_parsed(data, path), Path(path), Faults(path), least_models)


def transfer_from_mapping(value: Mapping[str, Any], path: str = "<python>") -> TransferRule:
    """Read a transfer given as a mapping with the keys of a file's `transfer:`.

    Raises:
        ScenarioError: with every fault of the mapping.
    """
    data, faults = YamlMapping(), Faults(path)
    data["transfer"] = _as_parsed(value, path)
    rule = read_transfer(data, faults)
    if faults:
        raise ScenarioError(faults.in_order())
    return rule


def _as_parsed(value: Any, path: str, depth: int = 0) -> Any:
    """Return values of Python (and of NumPy, by `tolist`) as `parse_yaml` would return them."""
    if depth > DEEPEST:
        raise ScenarioError(
            (Fault(Code.YAML_LIMIT, f"values are nested more than {DEEPEST} deep", Where(path)),)
        )
    if isinstance(value, Mapping):
        mapping = YamlMapping()
        for key, item in value.items():
            if not isinstance(key, str):
                fault = Fault(
                    Code.KEY_NOT_TEXT,
                    f"a key has to be text; received {described(key)}",
                    Where(path),
                )
                raise ScenarioError((fault,))
            mapping[key] = _as_parsed(item, path, depth + 1)
        return mapping
    if isinstance(value, (list, tuple)):
        sequence = YamlSequence()
        sequence.extend(_as_parsed(item, path, depth + 1) for item in value)
        return sequence
    if isinstance(value, int):
        try:
            check_whole_number(value)
        except NumberOutOfRangeError as error:
            raise ScenarioError((Fault(Code.SCALAR, str(error), Where(path)),)) from error
    if hasattr(value, "tolist"):
        return _as_parsed(value.tolist(), path, depth)
    return value


def _scenarios(data: Any, path: Path, faults: Faults, least_models: int) -> tuple[Scenario, ...]:
    if not isinstance(data, YamlMapping):
        message = (
            "this file has no scenario"
            if data is None
            else f"a scenario is a mapping; received {described(data)}"
        )
        faults.add(
            Code.NO_SCENARIO, message, (1, 1), "`layerlens init PATH` writes one to start from"
        )
        raise ScenarioError(faults.in_order())
    matrix_faults = Faults(faults.file)
    axes = read_matrix(data, matrix_faults)
    check_placeholders(data, matrix_faults)
    reader = _CellReader(path, faults.file, least_models)
    if matrix_faults or is_misspelt(data):
        found, cell_faults = reader.read_unfilled(data)
    else:
        found, cell_faults = reader.read_cells(data, [None] if axes is None else list(cells(axes)))
    faults.found += [*matrix_faults.found, *cell_faults]
    if faults:
        raise ScenarioError(faults.in_order())
    return found


@dataclass(frozen=True, slots=True)
class _CellReader:
    """Reads the cells of one file."""

    path: Path
    file: str
    least_models: int

    def read_cells(
        self, data: YamlMapping, each: Sequence[dict[str, Any] | None]
    ) -> tuple[tuple[Scenario, ...], list[Fault]]:
        """Return the scenario of each cell and all faults; one of some cells names the first."""
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
        cell_faults = [
            fault if len(cells) == len(each) else _in_cell(fault, cells)
            for fault, cells in cells_of.items()
        ]
        return tuple(found), cell_faults

    def read_unfilled(self, data: YamlMapping) -> tuple[tuple[Scenario, ...], list[Fault]]:
        """Return the faults of a file whose matrix is at fault, apart from its `${name}`s."""
        unfilled = placeholder_positions(data)
        found, cell_faults = self.read_cells(fill_in(data, {}), [None])
        return found, [
            fault
            for fault in cell_faults
            if fault.where and (fault.where.line, fault.where.column) not in unfilled
        ]


def _in_cell(fault: Fault, cells: Sequence[dict[str, Any] | None]) -> Fault:
    values = ", ".join(f"{name}={plain(value)}" for name, value in (cells[0] or {}).items())
    more = f" and {len(cells) - 1:,} more" if len(cells) > 1 else ""
    return replace(fault, message=f"{fault.message} (in the cell {values}{more})")


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
    """Return one scenario; None, with its faults added, if it has any."""
    data = _with_model_lists(data)
    models = data.get("models")
    models = models if isinstance(models, YamlMapping) else YamlMapping()
    names = _names(data, models, faults)
    part = ScenarioPart.read(data, names)
    check_inputs(data, faults)
    structures = {
        name: read_structure(name, model, data, path.parent, faults)
        for name, model in models.items()
        if isinstance(model, YamlMapping)
    }
    check_runtimes(data, path.parent, faults)
    check_expectations(data.get("expect"), names)
    check_fit(data.get("fit"), faults)
    transfer = read_transfer(data, faults)
    if models and len(models) < least_models:
        faults.add(
            Code.TOO_FEW_MODELS,
            f"a comparison needs {least_models} models; received {len(models)}",
            data.keys_at.get("models"),
            "add a candidate; `layerlens summary` shows a single model",
        )
    if faults:
        return None
    if part is None:
        raise InternalError(f"{faults.file} has a fault that cannot be shown")
    return _scenario_spec(part, data, structures, transfer, cell, path, faults)


def _names(data: YamlMapping, models: YamlMapping, faults: Faults) -> Names:
    reference = data.get("reference")
    if isinstance(reference, str) and models and reference not in models:
        faults.add(
            Code.UNKNOWN_MODEL,
            f"unknown model `{reference}`",
            data.values_at.get("reference"),
            suggestion(reference, models),
        )
    if not isinstance(reference, str):
        reference = next(iter(models), None)
    modes = data.get("modes")
    modes = tuple(str(mode) for mode in modes) if isinstance(modes, list) else ("inference",)
    return Names(faults, tuple(models), reference, modes)


def _scenario_spec(
    part: ScenarioPart,
    data: YamlMapping,
    structures: Mapping[str, Structure],
    transfer: TransferRule,
    cell: Mapping[str, Any] | None,
    path: Path,
    faults: Faults,
) -> Scenario:
    keys_at = data["models"].keys_at
    specs = tuple(
        replace(
            model_spec(
                model.like or name,
                part.models[model.like or name],
                structures[model.like or name],
                path.parent,
                faults,
                keys_at.get(name),
            ),
            name=name,
            runtime=runtime_spec(model.runtime, part.runtimes, path.parent),
        )
        for name, model in part.models.items()
    )
    inputs = input_specs(part.input, part.inputs) or ()
    for spec in specs:
        _check_chunks(spec, inputs if spec.inputs is None else spec.inputs, data, faults)
    _check_when(part.when, [inputs, *(spec.inputs or () for spec in specs)], data, faults)
    modes = tuple(dict.fromkeys(part.modes))
    title = (part.title or "").strip() or path.stem
    return Scenario(
        path=faults.file,
        title=title,
        models=specs,
        reference=part.reference or specs[0].name,
        question=part.question,
        answer=part.answer,
        inputs=inputs,
        transfer=transfer,
        modes=modes,
        fit=_fit(part.fit),
        tolerance=Tolerance(part.tolerance.rtol, part.tolerance.atol) if part.tolerance else None,
        when=_when(part.when),
        expect=_expect(part.expect, data.get("expect"), modes),
        cell=plain(dict(cell)) if cell is not None else None,
    )


def _check_chunks(
    spec: ModelSpec, inputs: Sequence[InputSpec], data: YamlMapping, faults: Faults
) -> None:
    """Add a fault where a model cannot be called on as many pieces of its input."""
    if spec.chunks is None:
        return
    try:
        check_pieces(spec, inputs, faults.where(data["models"][spec.name].values_at.get("chunks")))
    except ScenarioError as error:
        faults.found += error.faults


def _check_when(
    part: WhenPart | None, each: Sequence[Sequence[InputSpec]], data: YamlMapping, faults: Faults
) -> None:
    """Add a fault for a condition that restricts none of the inputs; `each` has all of them."""
    inputs = list(chain.from_iterable(each))
    if part is None or not inputs:
        return
    places = data["when"].values_at
    if part.lengths is not None and not any(None in one.shape for one in inputs):
        faults.add(
            Code.CONDITION,
            "`lengths` restricts variable axes, and no input has one",
            places.get("lengths"),
            "write `null` for the axis in `shape`, or remove `lengths`",
        )
    if part.range is not None and not any(one.is_floating for one in inputs):
        faults.add(
            Code.CONDITION,
            "`range` restricts floating inputs, and no input is one",
            places.get("range"),
            "write `low` and `high` for integers, or remove `range`",
        )


def _expect(part: ExpectPart | None, written: Any, modes: Any) -> Any:
    return expectations_spec(part, written, modes) if part is not None else None


def _when(part: WhenPart | None) -> Condition | None:
    if part is None:
        return None
    least, greatest = part.range or (None, None)
    found = Condition(part.unpadded, part.batch, part.lengths, least, greatest)
    return found if found != Condition() else None


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
