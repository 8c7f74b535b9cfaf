"""Turn what is passed to an assertion into scenarios.

`scenario.yaml` stands for its reference model, `scenario.yaml::name` for the model of that name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layerlens.errors import UsageError
from layerlens.scenario.faults import suggestion
from layerlens.scenario.from_python import (
    Inputs,
    checked_modes,
    checked_tolerance,
    input_specs,
    model_spec,
)
from layerlens.scenario.reading.scenarios import read_scenarios, scenario_from_mapping
from layerlens.scenario.spec import InputSpec, ModelSpec, Scenario
from layerlens.vocabulary import Mode, TransferMethod

_SCENARIO_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class _Side:
    """One model, and the scenarios it stands in: one for each cell, none for a Python object."""

    name: str | None
    scenarios: tuple[Scenario, ...]
    given: Any = None


def pair_scenarios(
    reference: Any,
    candidate: Any = None,
    *,
    inputs: Inputs = None,
    transfer: TransferMethod = "auto",
    mode: Mode | Sequence[Mode] = "inference",
    tolerance: tuple[float, float] | None = None,
) -> tuple[Scenario, ...]:
    """Return what is to be run to compare two models, without any expectations.

    A scenario's own inputs, modes, transfer and tolerance hold where the call says nothing else.
    Without a candidate every candidate of the scenario is one.

    Raises:
        UsageError: what is given makes no pair.
        ScenarioError: a scenario file is at fault.
    """
    one = _side(reference)
    _refuse_inputs_beside(one.scenarios, inputs)
    changes: dict[str, Any] = {"expect": None, "fit": None}
    if transfer != "auto":
        changes["transfer"] = transfer
    if mode != "inference":
        changes["modes"] = checked_modes(mode)
    if tolerance is not None:
        changes["tolerance"] = checked_tolerance(tolerance)
    if candidate is None:
        return tuple(replace(scenario, **changes) for scenario in _whole(one))
    if one.scenarios and isinstance(candidate, str) and not _is_file(candidate):
        other = _Side(_known(candidate, one.scenarios[0]), one.scenarios)
    else:
        other = _side(candidate)
        _refuse_inputs_beside(other.scenarios, inputs)
    return tuple(
        replace(_pair(*both, inputs), **changes) for both in _side_by_side(one, other, reference)
    )


def single_scenarios(model: Any, inputs: Inputs = None) -> tuple[Scenario, ...]:
    """Return what is to be summarised to see one model, or all models of a scenario file."""
    side = _side(model)
    _refuse_inputs_beside(side.scenarios, inputs)
    if not side.scenarios:
        spec = model_spec("model", side.given, inputs)
        return (_scenario((spec,), input_specs(inputs)),)
    if side.name is None:
        return side.scenarios
    return tuple(
        replace(one, models=(one.model(side.name),), reference=side.name, expect=None, fit=None)
        for one in side.scenarios
    )


def _side(given: Any) -> _Side:
    if isinstance(given, Mapping) and "models" in given:
        return _Side(None, scenario_from_mapping(given, least_models=1))
    if isinstance(given, (str, Path)):
        path, _, name = str(given).partition("::")
        if Path(path).suffix in _SCENARIO_SUFFIXES:
            if not Path(path).is_file():
                raise UsageError(
                    f"there is no scenario file {path}", hint=f"it was looked for in {Path.cwd()}"
                )
            scenarios = read_scenarios(path, least_models=1)
            return _Side(_known(name, scenarios[0]) if name else None, scenarios)
    return _Side(None, (), given)


def _is_file(text: str) -> bool:
    return Path(text.partition("::")[0]).suffix != ""


def _known(name: str, scenario: Scenario) -> str:
    names = [model.name for model in scenario.models]
    if name not in names:
        raise UsageError(f"{scenario.path} has no model {name!r}", hint=suggestion(name, names))
    return name


def _refuse_inputs_beside(scenarios: Sequence[Scenario], inputs: Inputs) -> None:
    if scenarios and inputs is not None:
        raise UsageError(
            "inputs= is for models; a scenario says so itself",
            hint="write `input:` into the scenario, or give the models",
        )


def _whole(side: _Side) -> tuple[Scenario, ...]:
    """Return a scenario's own pairs: all of them, or those of one candidate."""
    if not side.scenarios:
        raise UsageError(
            "there is nothing to compare: one model was given",
            hint="give a reference and a candidate, or a scenario file with both",
        )
    for scenario in side.scenarios:
        if side.name == scenario.reference or not scenario.candidates:
            raise UsageError(
                f"there is nothing to compare: {scenario.path} was given for its one model "
                f"{scenario.reference!r}",
                hint="give a candidate, or the file with both",
            )
    if side.name is None:
        return side.scenarios
    return tuple(
        replace(one, models=(one.model(one.reference), one.model(side.name)))
        for one in side.scenarios
    )


def _side_by_side(
    one: _Side, other: _Side, path: Any
) -> list[tuple[tuple[_Side, Scenario | None], tuple[_Side, Scenario | None]]]:
    """Pair the cells of both sides: those of one file with each other, a single one with all."""
    ours: Sequence[Scenario | None] = one.scenarios or (None,)
    theirs: Sequence[Scenario | None] = other.scenarios or (None,)
    if len(ours) == 1:
        ours = list(ours) * len(theirs)
    elif len(theirs) == 1:
        theirs = list(theirs) * len(ours)
    if [one and one.cell for one in ours] != [two and two.cell for two in theirs] and (
        one.scenarios and other.scenarios and len(one.scenarios) > 1 and len(other.scenarios) > 1
    ):
        raise UsageError(
            f"{path} and the candidate's file have matrices of other cells, which make no pairs",
            hint="give models of one file, or files without `matrix:`",
        )
    return [((one, a), (other, b)) for a, b in zip(ours, theirs, strict=True)]


def _pair(
    one: tuple[_Side, Scenario | None], other: tuple[_Side, Scenario | None], inputs: Inputs
) -> Scenario:
    home = one[1] or other[1]
    shared: Inputs = home.inputs if home is not None else inputs
    reference = _spec("reference", *one, shared)
    candidate = _spec("candidate", *other, shared)
    if candidate.name == reference.name:
        candidate = replace(candidate, name=f"{candidate.name}_2")
    if home is None:
        return _scenario((reference, candidate), input_specs(inputs))
    return replace(home, models=(reference, candidate), reference=reference.name)


def _spec(name: str, side: _Side, scenario: Scenario | None, inputs: Inputs) -> ModelSpec:
    if scenario is None:
        return model_spec(name, side.given, inputs)
    spec = scenario.model(side.name or scenario.reference)
    return replace(spec, inputs=scenario.inputs_of(spec) or None)


def _scenario(specs: tuple[ModelSpec, ...], inputs: tuple[InputSpec, ...]) -> Scenario:
    title = " vs ".join(spec.name for spec in specs)
    return Scenario("<python>", title, specs, specs[0].name, inputs=inputs)
