"""Turn the arguments of an assertion into scenarios.

`scenario.yaml` is its reference model, `scenario.yaml::name` the model of that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.scenario.faults import suggestion
from layerlens.scenario.from_python import (
    Inputs,
    checked_modes,
    checked_tolerance,
    input_specs,
    model_spec,
    transfer_rule,
)
from layerlens.scenario.reading.scenarios import read_scenarios, scenario_from_mapping
from layerlens.scenario.spec import InputSpec, ModelSpec, Scenario
from layerlens.vocabulary import Mode, TransferMethod

#: The name of a recording that a model is compared with.
RECORDING = "recording"
_SCENARIO_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class _Side:
    """One of two models: by its name in scenarios, or as a Python object."""

    name: str | None
    #: One for each cell of the matrix; none for a Python object.
    scenarios: tuple[Scenario, ...]
    model: Any = None


@dataclass(frozen=True, slots=True)
class PairOptions:
    """How two models are compared; the defaults leave a scenario's own choices as they are."""

    inputs: Inputs = None
    transfer: TransferMethod | Mapping[str, Any] = "auto"
    mode: Mode | Sequence[Mode] = "inference"
    #: (rtol, atol) instead of the derived noise floor.
    tolerance: tuple[float, float] | None = None

    def changes(self) -> dict[str, Any]:
        """Return the fields of a scenario that these options replace."""
        changes: dict[str, Any] = {}
        if self.transfer != "auto":
            changes["transfer"] = transfer_rule(self.transfer)
        if self.mode != "inference":
            changes["modes"] = checked_modes(self.mode)
        if self.tolerance is not None:
            changes["tolerance"] = checked_tolerance(self.tolerance)
        return changes


def pair_scenarios(
    reference: Any, candidate: Any = None, options: PairOptions | None = None
) -> tuple[Scenario, ...]:
    """Return the scenarios that compare two models, without expectations.

    Without a candidate these are the pairs of the reference's own scenario file.

    Raises:
        UsageError: the arguments do not make a pair.
        ScenarioError: a scenario file is at fault.
    """
    options = options or PairOptions()
    ours = _side(reference)
    _refuse_inputs_with(ours.scenarios, options.inputs)
    changes = {"expect": None, "fit": None, **options.changes()}
    if candidate is None:
        return tuple(replace(scenario, **changes) for scenario in _own_pairs(ours))
    if ours.scenarios and isinstance(candidate, str) and not _is_file(candidate):
        theirs = _Side(_model_name(candidate, ours.scenarios[0]), ours.scenarios)
    else:
        theirs = _side(candidate)
        _refuse_inputs_with(theirs.scenarios, options.inputs)
    return tuple(
        replace(_pair(*cells, options.inputs), **changes)
        for cells in _pair_cells(ours, theirs, reference)
    )


def single_scenarios(model: Any, inputs: Inputs = None) -> tuple[Scenario, ...]:
    """Return the scenarios to summarize for one model, or for all models of a scenario file."""
    side = _side(model)
    _refuse_inputs_with(side.scenarios, inputs)
    if not side.scenarios:
        spec = model_spec("model", side.model, inputs)
        return (_scenario((spec,), input_specs(inputs)),)
    if side.name is None:
        return side.scenarios
    return tuple(
        replace(one, models=(one.model(side.name),), reference=side.name, expect=None, fit=None)
        for one in side.scenarios
    )


def recording_scenario(
    model: Any, path: str, inputs: Inputs, changes: Mapping[str, Any]
) -> Scenario:
    """Return the scenario that compares a model with a recording of it.

    Raises:
        UsageError: the model is a scenario of several cells, or no model.
    """
    scenarios = single_scenarios(model, inputs)
    if len(scenarios) > 1:
        raise UsageError(
            f"{model} has {len(scenarios)} cells of a matrix, and a recording holds one model",
            hint="write this cell as a separate scenario",
            code=Code.CANNOT_RECORD,
        )
    (scenario,) = scenarios
    spec = scenario.model(scenario.reference)
    name = "model" if spec.name == RECORDING else spec.name
    return replace(
        scenario,
        title=f"{name} as recorded in {Path(path).name}",
        models=(ModelSpec(RECORDING, "file", file=path), replace(spec, name=name)),
        reference=RECORDING,
        modes=("inference",),
        expect=None,
        fit=None,
        **changes,
    )


def _side(model: Any) -> _Side:
    if isinstance(model, Mapping) and "models" in model:
        return _Side(None, scenario_from_mapping(model, least_models=1))
    if isinstance(model, (str, Path)):
        path, _, name = str(model).partition("::")
        if Path(path).suffix in _SCENARIO_SUFFIXES:
            if not Path(path).is_file():
                raise UsageError(
                    f"there is no scenario file {path}",
                    hint=f"searched in {Path.cwd()}",
                    code=Code.NO_SUCH_PATH,
                )
            scenarios = read_scenarios(path, least_models=1)
            return _Side(_model_name(name, scenarios[0]) if name else None, scenarios)
    return _Side(None, (), model)


def _is_file(text: str) -> bool:
    return Path(text.partition("::")[0]).suffix != ""


def _model_name(name: str, scenario: Scenario) -> str:
    """Return the name, or raise UsageError where the scenario has no such model."""
    names = [model.name for model in scenario.models]
    if name not in names:
        raise UsageError(
            f"{scenario.path} has no model {name!r}",
            hint=suggestion(name, names),
            code=Code.UNKNOWN_MODEL,
        )
    return name


def _refuse_inputs_with(scenarios: Sequence[Scenario], inputs: Inputs) -> None:
    if scenarios and inputs is not None:
        raise UsageError(
            "inputs= applies to models, not to a scenario file",
            hint="write `input:` in the scenario, or pass the models",
            code=Code.MODELS_AND_SCENARIOS,
        )


def _own_pairs(side: _Side) -> tuple[Scenario, ...]:
    """Return a scenario's own pairs: all, or those of one candidate."""
    if not side.scenarios:
        raise UsageError(
            "there is nothing to compare: one model was given",
            hint="give a reference and a candidate, or a scenario file with both",
            code=Code.NOTHING_TO_COMPARE,
        )
    for scenario in side.scenarios:
        if side.name == scenario.reference or not scenario.candidates:
            raise UsageError(
                f"there is nothing to compare: {scenario.path} was given for its one model "
                f"{scenario.reference!r}",
                hint="give a candidate, or the file with both",
                code=Code.NOTHING_TO_COMPARE,
            )
    if side.name is None:
        return side.scenarios
    return tuple(
        replace(one, models=(one.model(one.reference), one.model(side.name)))
        for one in side.scenarios
    )


_Cell = tuple[_Side, Scenario | None]


def _pair_cells(ours: _Side, theirs: _Side, path: Any) -> list[tuple[_Cell, _Cell]]:
    """Pair the cells of two sides: one to one within a matrix, a single cell with all."""
    our_cells: Sequence[Scenario | None] = ours.scenarios or (None,)
    their_cells: Sequence[Scenario | None] = theirs.scenarios or (None,)
    if len(our_cells) == 1:
        our_cells = list(our_cells) * len(their_cells)
    elif len(their_cells) == 1:
        their_cells = list(their_cells) * len(our_cells)
    if [one and one.cell for one in our_cells] != [two and two.cell for two in their_cells] and (
        len(ours.scenarios) > 1 and len(theirs.scenarios) > 1
    ):
        raise UsageError(
            f"{path} and the candidate's file have matrices with different cells, which "
            f"cannot be paired",
            hint="give models of one file, or files without `matrix:`",
        )
    return [
        ((ours, our_cell), (theirs, their_cell))
        for our_cell, their_cell in zip(our_cells, their_cells, strict=True)
    ]


def _pair(reference: _Cell, candidate: _Cell, inputs: Inputs) -> Scenario:
    home = reference[1] or candidate[1]
    shared: Inputs = home.inputs if home is not None else inputs
    first = _spec("reference", *reference, shared)
    second = _spec("candidate", *candidate, shared)
    if second.name == first.name:
        second = replace(second, name=f"{second.name}_2")
    if home is None:
        return _scenario((first, second), input_specs(inputs))
    return replace(home, models=(first, second), reference=first.name)


def _spec(name: str, side: _Side, scenario: Scenario | None, inputs: Inputs) -> ModelSpec:
    if scenario is None:
        return model_spec(name, side.model, inputs)
    spec = scenario.model(side.name or scenario.reference)
    return replace(spec, inputs=scenario.inputs_of(spec) or None)


def _scenario(specs: tuple[ModelSpec, ...], inputs: tuple[InputSpec, ...]) -> Scenario:
    title = " vs ".join(spec.name for spec in specs)
    return Scenario("<python>", title, specs, specs[0].name, inputs=inputs)
