"""Models, layers or paths handed over in Python become a report, as the command would give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any, Literal

from layerlens.errors import ScenarioError, UsageError
from layerlens.faultfinding import suggestion
from layerlens.options import RunOptions
from layerlens.report import Report
from layerlens.running import (
    SAVED_SUFFIXES,
    compare_paths,
    compare_scenarios,
    summarize_paths,
    summarize_scenarios,
)
from layerlens.scenario import (
    MODES,
    TRANSFER_METHODS,
    VERDICTS,
    InputSpec,
    Mode,
    ModelSpec,
    Scenario,
    Tolerance,
    TransferMethod,
    Verdict,
)

Inputs = Sequence[int | None] | Mapping[str, Any] | Sequence[InputSpec] | None


def compare(
    source: Any,
    *candidates: Any,
    inputs: Inputs = None,
    reference: str | None = None,
    transfer: TransferMethod = "auto",
    mode: Mode | Sequence[Mode] = "inference",
    tolerance: tuple[float, float] | None = None,
    expect: Verdict | None = None,
    seed: int = 0,
    allow_code: bool = False,
    deps: bool = False,
    graph: bool = False,
    explain: bool = False,
) -> Report:
    """Compare models and return the report.

    Args:
        source: the path of a scenario file or of a folder of them, or several; a scenario as a
            mapping (with `models`); a mapping of name → model; or the reference itself, with the
            `candidates` after it. A model is a Keras model, a layer (then `inputs` is needed), a
            callable that returns one, or the path of a saved one.
        candidates: models to compare with `source`, named `candidate`, `candidate_2`, ...
        inputs: the per-sample shape (None is a variable length), a mapping as in a scenario's
            `input:`, or a mapping of name → either for several. Taken from the model where it
            knows its own.
        reference: which of the named models the others are compared with; the first if not said.
        transfer: how the reference's weights reach the candidate.
        mode: "inference", "training" or both.
        tolerance: (rtol, atol) instead of the derived noise floor.
        expect: the verdict expected of every pair that has no expectation of its own.
        seed: every random choice follows from it.
        allow_code: let `python:` models, Lambda layers and unsafe saved models run.
        deps: measure which output step depends on which input step, in `mixes` of every layer.
        graph: trace every layer and tell how many operations its graph has, in `graph_ops`.
        explain: where a pair does not agree, try what would make it agree; told in `why`.

    Raises:
        UsageError: an argument does not make sense, or is what a scenario says itself.
        ScenarioError: a scenario given as a mapping is at fault (a file's faults are reported).
    """
    check_choice("expect", expect, VERDICTS)
    options = RunOptions(
        checked_seed(seed), expect, allow_code, deps=deps, graph=graph, explain=explain
    )
    if not candidates and _is_scenarios(source):
        _refuse_beside_scenarios(
            input=inputs is not None,
            reference=reference is not None,
            transfer=transfer != "auto",
            modes=mode != "inference",
            tolerance=tolerance is not None,
        )
        if _is_paths(source):
            return compare_paths(_paths(source), options)
        from layerlens.reading import scenario_from_mapping

        return compare_scenarios(scenario_from_mapping(source), options)
    check_choice("transfer", transfer, TRANSFER_METHODS)
    models = _named(source, candidates)
    specs = _specs(models, inputs)
    if len(models) < 2:
        count = "1 model was" if models else "no model was"
        raise UsageError(
            f"there is nothing to compare: {count} given",
            hint="give a mapping of two or more models, or a reference and its candidates",
        )
    if reference is not None and reference not in models:
        raise UsageError(
            f"reference={reference!r} is none of the models {', '.join(map(repr, models))}",
            hint=suggestion(reference, models),
        )
    scenario = Scenario(
        path="<python>",
        title=" vs ".join(models),
        models=specs,
        reference=reference if reference is not None else next(iter(models)),
        inputs=input_specs(inputs),
        transfer=transfer,
        modes=checked_modes(mode),
        tolerance=checked_tolerance(tolerance),
    )
    return compare_scenarios((scenario,), options)


def summary(
    source: Any,
    *more: Any,
    inputs: Inputs = None,
    seed: int = 0,
    allow_code: bool = False,
    deps: bool = False,
    graph: bool = False,
) -> Report:
    """Return the layer tables of models; without `deps` and `graph` nothing is run or allocated.

    Args:
        source: as for `compare`, or the path of a saved `.keras`, `.h5` or `.json` model.
        more: further models.
        inputs: as for `compare`.
        seed: as for `compare`.
        allow_code: as for `compare`.
        deps: as for `compare`; then the models have to fit into memory.
        graph: as for `compare`; then they have to as well.
    """
    options = RunOptions(checked_seed(seed), allow_code=allow_code, deps=deps, graph=graph)
    if not more and _is_scenarios(source):
        _refuse_beside_scenarios(input=inputs is not None)
        if _is_paths(source):
            return summarize_paths(_paths(source), options)
        from layerlens.reading import scenario_from_mapping

        return summarize_scenarios(scenario_from_mapping(source, least_models=1), options)
    models = _named(source, more)
    if not models:
        raise UsageError("there is nothing to summarise: no model was given", hint=_MODELS)
    scenario = Scenario(
        path="<python>",
        title=", ".join(models),
        models=_specs(models, inputs),
        reference=next(iter(models)),
        inputs=input_specs(inputs),
    )
    return summarize_scenarios((scenario,), options)


_MODELS = (
    "a model is a Keras model, a layer, a callable that returns one, or the path of a saved "
    f"{', '.join(SAVED_SUFFIXES)}"
)


# --- scenarios ------------------------------------------------------------------------------------


def _is_scenarios(source: Any) -> bool:
    return _is_paths(source) or (isinstance(source, Mapping) and "models" in source)


def _is_paths(source: Any) -> bool:
    if isinstance(source, (str, Path)):
        return True
    return (
        isinstance(source, (list, tuple))
        and bool(source)
        and all(isinstance(item, (str, Path)) for item in source)
    )


def _paths(source: Any) -> list[str]:
    return [str(source)] if isinstance(source, (str, Path)) else [str(item) for item in source]


def _refuse_beside_scenarios(**given: bool) -> None:
    """Refuse what would be passed over: a scenario says these things itself."""
    for key, is_given in given.items():
        if is_given:
            argument = {"input": "inputs", "modes": "mode"}.get(key, key)
            raise UsageError(
                f"{argument}= is for models; a scenario says so itself",
                hint=f"write `{key}:` into the scenario, or give the models",
            )


# --- models ---------------------------------------------------------------------------------------


def _named(source: Any, candidates: Sequence[Any]) -> dict[str, Any]:
    if isinstance(source, Mapping):
        if candidates:
            raise UsageError(
                "a mapping of models and further models were given",
                hint="put every model into the mapping",
            )
        return {str(name): model for name, model in source.items()}
    names = ["candidate", *(f"candidate_{n}" for n in range(2, len(candidates) + 1))]
    return {"reference": source, **dict(zip(names, candidates, strict=False))}


def _specs(models: Mapping[str, Any], inputs: Inputs) -> tuple[ModelSpec, ...]:
    return tuple(model_spec(name, model, inputs) for name, model in models.items())


def model_spec(name: str, model: Any, inputs: Inputs) -> ModelSpec:
    if isinstance(model, (str, Path)) and Path(model).suffix in SAVED_SUFFIXES:
        return ModelSpec(name, "file", file=str(model))
    if not callable(model):
        what = (
            f"{str(model)!r}"
            if isinstance(model, (str, Path))
            else f"of type {type(model).__name__}"
        )
        raise UsageError(f"{name!r} is {what}, which is no model", hint=_MODELS)
    bases = {base.__name__ for base in type(model).__mro__ if base.__module__.startswith("keras.")}
    if inputs is None and "Layer" in bases and "Model" not in bases:
        raise UsageError(
            f"{name!r} is a {type(model).__name__} layer, which has no input of its own",
            hint="give inputs=, the shape of one sample, as in inputs=[64, 15]",
        )
    return ModelSpec(name, "object", given=model)


# --- the other arguments --------------------------------------------------------------------------


def input_specs(inputs: Any) -> tuple[InputSpec, ...]:
    """Read inputs as a scenario's are read: the same is allowed, and the same is said."""
    if inputs is None:
        return ()
    if isinstance(inputs, str) or not isinstance(inputs, (Mapping, Sequence)):
        raise UsageError(
            f"inputs={inputs!r} is no input",
            hint="give the shape of one sample, as in inputs=[64, 15], or a mapping of several",
        )
    if inputs and all(isinstance(item, InputSpec) for item in inputs):
        return tuple(inputs)
    if not isinstance(inputs, Mapping):
        return _read_inputs(input={"shape": list(inputs)})
    if {"shape", "values"} & set(inputs):
        return _read_inputs(input=inputs)
    several = {
        str(name): spec if isinstance(spec, Mapping) else {"shape": spec}
        for name, spec in inputs.items()
    }
    return _read_inputs(inputs=several)


def _read_inputs(**written: Any) -> tuple[InputSpec, ...]:
    from layerlens.reading import scenario_from_mapping

    unread = {"model": {"python": "not:called"}}
    try:
        (scenario,) = scenario_from_mapping({**written, "models": unread}, least_models=1)
    except ScenarioError as error:
        raise UsageError(f"inputs=: {error.message}", hint=error.hint) from error
    return scenario.inputs


def checked_modes(mode: Mode | Sequence[Mode]) -> tuple[Mode, ...]:
    modes: tuple[Mode, ...] = (mode,) if isinstance(mode, str) else tuple(mode)
    if not modes:
        raise UsageError("mode= names no mode", hint=f"give one or both of {', '.join(MODES)}")
    for one in modes:
        check_choice("mode", one, MODES)
    return tuple(dict.fromkeys(modes))


def checked_tolerance(tolerance: Any) -> Tolerance | None:
    if tolerance is None:
        return None
    pair = tuple(tolerance) if isinstance(tolerance, (tuple, list)) else ()
    if len(pair) != 2 or not all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and 0 <= n < inf for n in pair
    ):
        raise UsageError(
            f"tolerance={tolerance!r} is no tolerance",
            hint="give (rtol, atol), two numbers from 0 on, or leave it out",
        )
    return Tolerance(*pair)


def checked_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed={seed!r} is no seed", hint="give a whole number from 0 on")
    return seed


def check_choice(
    name: Literal["expect", "transfer", "mode"], value: Any, allowed: Sequence[str]
) -> None:
    if value is not None and value not in allowed:
        raise UsageError(f"{name}={value!r} is not allowed", hint=suggestion(str(value), allowed))
