"""Models, layers or paths handed over in Python become a report, as the command would give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from layerlens.errors import UsageError
from layerlens.options import RunOptions
from layerlens.report import Report
from layerlens.running import (
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
) -> Report:
    """Compare models and return the report.

    Args:
        source: the path of a scenario file or of a folder of them, or several; a scenario as a
            mapping (with `models`); a mapping of name → model; or the reference itself, with the
            `candidates` after it. A model is a Keras model, a layer (then `inputs` is needed), or
            a callable that returns one.
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

    Raises:
        UsageError: the arguments do not make sense together.
        ScenarioError: a scenario given as a mapping is at fault (a file's faults are reported).
    """
    _check_choice("expect", expect, VERDICTS)
    options = RunOptions(seed=seed, expect=expect, allow_code=allow_code)
    if _is_paths(source) and not candidates:
        return compare_paths(_paths(source), options)
    if isinstance(source, Mapping) and "models" in source and not candidates:
        from layerlens.reading import scenario_from_mapping

        return compare_scenarios(scenario_from_mapping(source), options)
    _check_choice("transfer", transfer, TRANSFER_METHODS)
    modes: tuple[Mode, ...] = (mode,) if isinstance(mode, str) else tuple(mode)
    for one in modes:
        _check_choice("mode", one, MODES)
    models = _named(source, candidates)
    if len(models) < 2:
        raise UsageError(
            f"there is nothing to compare: {len(models)} model was given",
            hint="give a mapping of two or more models, or a reference and its candidates",
        )
    specs = _specs(models, inputs)
    if reference is not None and reference not in models:
        raise UsageError(
            f"reference={reference!r} is none of the models {', '.join(map(repr, models))}"
        )
    scenario = Scenario(
        path="<python>",
        title=" vs ".join(models),
        models=specs,
        reference=reference if reference is not None else next(iter(models)),
        inputs=_input_specs(inputs),
        transfer=transfer,
        modes=modes,
        tolerance=Tolerance(*tolerance) if tolerance is not None else None,
    )
    return compare_scenarios((scenario,), options)


def summary(
    source: Any, *more: Any, inputs: Inputs = None, seed: int = 0, allow_code: bool = False
) -> Report:
    """Return the layer tables of models, without running or allocating anything.

    Args:
        source: as for `compare`, or the path of a saved `.keras`, `.h5` or `.json` model.
        more: further models.
        inputs: as for `compare`.
        seed: as for `compare`.
        allow_code: as for `compare`.
    """
    options = RunOptions(seed=seed, allow_code=allow_code)
    if _is_paths(source) and not more:
        return summarize_paths(_paths(source), options)
    if isinstance(source, Mapping) and "models" in source and not more:
        from layerlens.reading import scenario_from_mapping

        return summarize_scenarios(scenario_from_mapping(source, least_models=1), options)
    models = _named(source, more)
    scenario = Scenario(
        path="<python>",
        title=", ".join(models),
        models=_specs(models, inputs),
        reference=next(iter(models)),
        inputs=_input_specs(inputs),
    )
    return summarize_scenarios((scenario,), options)


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
    for name, model in models.items():
        if not callable(model):
            raise UsageError(
                f"{name!r} is a {type(model).__name__}, not a Keras model, a layer, or a callable "
                "that returns one"
            )
    return tuple(ModelSpec(name, "object", given=model) for name, model in models.items())


def _input_specs(inputs: Inputs) -> tuple[InputSpec, ...]:
    if inputs is None:
        return ()
    if isinstance(inputs, Mapping):
        if "shape" in inputs:
            return (_input_spec("input", inputs),)
        return tuple(_input_spec(str(name), spec) for name, spec in inputs.items())
    items = tuple(inputs)
    if items and all(isinstance(item, InputSpec) for item in items):
        return items  # type: ignore[return-value]  # just checked
    return (_input_spec("input", items),)


_INPUT_KEYS = ("shape", "dtype", "low", "high", "values")


def _input_spec(name: str, spec: Any) -> InputSpec:
    if isinstance(spec, InputSpec):
        return spec
    given = dict(spec) if isinstance(spec, Mapping) else {"shape": spec}
    unknown = sorted(set(given) - set(_INPUT_KEYS))
    if unknown:
        raise UsageError(
            f"input {name!r} has the unknown key {unknown[0]!r}",
            hint=f"allowed are {', '.join(_INPUT_KEYS)}",
        )
    shape = given.pop("shape", None)
    if not isinstance(shape, (list, tuple)) or not all(
        n is None or (isinstance(n, int) and not isinstance(n, bool) and n > 0) for n in shape
    ):
        raise UsageError(
            f"input {name!r} has the shape {shape!r}",
            hint="a per-sample shape is a sequence of positive integers, None for a variable axis",
        )
    return InputSpec(name, tuple(shape), **given)


def _check_choice(
    name: Literal["expect", "transfer", "mode"], value: Any, allowed: Sequence[str]
) -> None:
    if value is not None and value not in allowed:
        raise UsageError(f"{name}={value!r} is not one of {', '.join(allowed)}")
