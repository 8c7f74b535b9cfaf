"""The Python API: compare and summarize models, layers and scenario files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.run.pipeline import (
    compare_paths,
    compare_scenarios,
    summarize_paths,
    summarize_scenarios,
)
from layerlens.run.record import LARGEST_RECORDING, record_model
from layerlens.run.recorded_file import RecordedFile
from layerlens.run.report import Report
from layerlens.scenario.at_revision import callable_against, refuse_unless_callable
from layerlens.scenario.faults import suggestion
from layerlens.scenario.from_arguments import is_model
from layerlens.scenario.from_python import (
    A_MODEL_IS,
    Inputs,
    check_choice,
    checked_modes,
    checked_seed,
    checked_tolerance,
    checked_weights,
    input_specs,
    model_spec,
    transfer_rule,
)
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import ModelSpec, Scenario
from layerlens.vocabulary import (
    EFFORTS,
    VERDICTS,
    Effort,
    Mode,
    TransferMethod,
    Verdict,
    Weights,
)


def compare(
    source: Any,
    *candidates: Any,
    against: str | None = None,
    inputs: Inputs = None,
    reference: str | None = None,
    transfer: TransferMethod | Mapping[str, Any] = "auto",
    weights: Weights | None = None,
    mode: Mode | Sequence[Mode] = "inference",
    tolerance: tuple[float, float] | None = None,
    expect: Verdict | None = None,
    strict: bool = False,
    seed: int = 0,
    allow_code: bool = False,
    effort: Effort = "normal",
    deps: bool = False,
    graph: bool = False,
    explain: bool = False,
) -> Report:
    """Compare models and return the report.

    Args:
        source: the path of a scenario file or of a folder of scenarios, or a list of paths; a
            scenario as a mapping (with `models`); a mapping of name → model; a list of models; or
            the reference itself, followed by `candidates`. A model is a Keras model, a layer (which
            needs `inputs`), a callable that returns one of them, the path of a saved model, or the
            text "path/to/file.py:callable" or "module:callable".
        candidates: models to compare with `source`, named `candidate`, `candidate_2`, ...
        against: a git revision: `source` is then one "path/to/file.py:callable" or
            "module:callable", compared with itself at that revision, which is the reference.
        inputs: the per-sample shape (None is a variable length), a mapping as in a scenario's
            `input:`, or for several inputs a mapping of name → either. By default the model's own.
        reference: the name of the model that the others are compared with; by default the first.
        transfer: how the reference's weights are copied to the candidate: a method, or a mapping as
            in a scenario's `transfer:`.
        weights: "saved" also compares the weights that the models were saved with, "carried" the
            functions alone. By default "saved" if every model is a file with weights.
        mode: "inference", "training" or both.
        tolerance: (rtol, atol) instead of the derived noise floor.
        expect: the expected verdict for every pair without its own expectation.
        strict: fail also where nothing is expected, the verdict is inconclusive, or the strength of
            a pass is weak.
        seed: the seed for all random weights and inputs.
        allow_code: let `python:` models, Lambda layers and unsafe saved models run.
        effort: how much to spend on each pair. "quick" runs a few probes, "normal" a few on very
            large models and all on others, "thorough" all.
        deps: measure which output step depends on which input step, in `mixes` of every layer.
        graph: trace every layer and count the operations of its graph, in `graph_ops`.
        explain: try changes that make a differing pair agree; the result is in `why`.

    Raises:
        UsageError: an argument is invalid, or belongs in the scenario.
        ScenarioError: a scenario given as a mapping has faults. (Those of a file are reported.)
        RevisionError: the git revision cannot be read.
    """
    check_choice("expect", expect, VERDICTS)
    check_choice("effort", effort, EFFORTS)
    options = RunOptions(
        checked_seed(seed),
        expect,
        allow_code,
        effort,
        deps=deps,
        graph=graph,
        explain=explain,
        strict=strict,
    )
    if against is not None:
        _refuse_beside_against(source, candidates, reference=reference, weights=weights)
        scenario = callable_against(str(source), against, expect, allow_code=allow_code)
        scenario = replace(
            scenario,
            inputs=input_specs(inputs),
            transfer=transfer_rule(transfer),
            modes=checked_modes(mode),
            tolerance=checked_tolerance(tolerance),
        )
        return compare_scenarios((scenario,), options)
    if not candidates and _is_scenarios(source) and not _is_saved(source):
        _refuse_arguments(
            input=inputs is not None,
            reference=reference is not None,
            transfer=transfer != "auto",
            weights=weights is not None,
            modes=mode != "inference",
            tolerance=tolerance is not None,
        )
        if _is_paths(source):
            return compare_paths(_paths(source), options)
        from layerlens.scenario.reading.scenarios import scenario_from_mapping

        return compare_scenarios(scenario_from_mapping(source), options)
    rule = transfer_rule(transfer)
    models = _named(source, candidates, "candidate", ("reference",))
    specs = _specs(models, inputs)
    if len(models) < 2:
        received = "1 model was" if models else "no model was"
        raise UsageError(
            f"there is nothing to compare: {received} given",
            hint="give two or more models, one after the other or by name in a mapping",
            code=Code.NOTHING_TO_COMPARE,
        )
    if reference is not None and reference not in models:
        raise UsageError(
            f"reference={reference!r} is not one of the models {', '.join(map(repr, models))}",
            hint=suggestion(reference, models),
            code=Code.BAD_ARGUMENT,
        )
    scenario = Scenario(
        path="<python>",
        title=" vs ".join(models),
        models=specs,
        reference=reference if reference is not None else next(iter(models)),
        inputs=input_specs(inputs),
        transfer=rule,
        weights=checked_weights(models.values(), weights, rule),
        modes=checked_modes(mode),
        tolerance=checked_tolerance(tolerance),
    )
    return compare_scenarios((scenario,), options)


def _refuse_beside_against(source: Any, candidates: Sequence[Any], **given: Any) -> None:
    """Refuse what `against=` cannot be combined with.

    Raises:
        UsageError: `source` is not one callable by name, or an argument has no meaning there.
    """
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"{name}= has no meaning with against=, which compares two forms of one callable",
                hint="leave it out",
                code=Code.BAD_ARGUMENT,
            )
    texts = [str(one) for one in (source, *candidates) if isinstance(one, (str, Path))]
    if len(texts) <= len(candidates):
        raise UsageError(
            f"against= takes a callable by its name, and not one of type {type(source).__name__}",
            hint='name it as text: "path/to/file.py:callable"',
            code=Code.BAD_ARGUMENT,
        )
    refuse_unless_callable(texts, "REV")


def summary(
    source: Any,
    *more: Any,
    inputs: Inputs = None,
    seed: int = 0,
    allow_code: bool = False,
    deps: bool = False,
    graph: bool = False,
) -> Report:
    """Return the layer tables of models.

    Without `deps` and `graph` nothing runs and no weights are allocated, so models of any size
    work. With one of them, the models have to fit into memory.

    Args:
        source: as for `compare`, or the path of a saved `.keras`, `.h5` or `.json` model.
        more: more models, named `model`, `model_2`, ...
        inputs: as for `compare`.
        seed: as for `compare`.
        allow_code: as for `compare`.
        deps: as for `compare`.
        graph: as for `compare`.

    Raises:
        UsageError: as for `compare`.
        ScenarioError: as for `compare`.
    """
    options = RunOptions(checked_seed(seed), allow_code=allow_code, deps=deps, graph=graph)
    if not more and _is_scenarios(source):
        _refuse_arguments(input=inputs is not None)
        if _is_paths(source):
            return summarize_paths(_paths(source), options)
        from layerlens.scenario.reading.scenarios import scenario_from_mapping

        return summarize_scenarios(scenario_from_mapping(source, least_models=1), options)
    models = _named(source, more, "model")
    if not models:
        raise UsageError(
            "there is nothing to summarize: no model was given",
            hint=A_MODEL_IS,
            code=Code.NOTHING_TO_COMPARE,
        )
    scenario = Scenario(
        path="<python>",
        title=", ".join(models),
        models=_specs(models, inputs),
        reference=next(iter(models)),
        inputs=input_specs(inputs),
    )
    return summarize_scenarios((scenario,), options)


def record(
    model: Any,
    path: str | Path,
    *,
    inputs: Inputs = None,
    seed: int = 0,
    allow_code: bool = False,
    max_bytes: int = LARGEST_RECORDING,
) -> RecordedFile:
    """Record what a model computes in a file, and return what was recorded.

    The file holds inputs, weights, outputs in both precisions and the rounding that they were
    measured to have. Models can be compared with it later without this model or its code.

    Args:
        model: a Keras model, a layer (which needs `inputs`), a callable that returns one of them,
            or the path of a saved model.
        path: the `.npz` file to write. A recording there is replaced, another file is not.
        inputs: as for `compare`.
        seed: the seed of the probes.
        allow_code: as for `compare`.
        max_bytes: the greatest size of the file; fewer weights and probes are recorded to keep
            within it.

    Raises:
        UsageError: the model cannot be recorded, or another file is in the place.
    """
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
        raise UsageError(
            f"max_bytes={max_bytes!r} is not a size",
            hint="give a number of bytes, at least 1",
            code=Code.BAD_ARGUMENT,
        )
    options = RunOptions(checked_seed(seed), allow_code=allow_code)
    spec = model_spec("model", model, inputs)
    return record_model(spec, input_specs(inputs), str(path), options, max_bytes)


# --- scenarios ------------------------------------------------------------------------------------


def _is_scenarios(source: Any) -> bool:
    if isinstance(source, Mapping):
        return "models" in source and not callable(
            source["models"]
        )  # callable: a model named "models"
    return _is_paths(source)


def _is_paths(source: Any) -> bool:
    if isinstance(source, (str, Path)):
        return True
    return (
        isinstance(source, (list, tuple))
        and bool(source)
        and all(isinstance(item, (str, Path)) for item in source)
    )


def _is_saved(source: Any) -> bool:
    return _is_paths(source) and all(map(is_model, _paths(source)))


def _paths(source: Any) -> list[str]:
    return [str(source)] if isinstance(source, (str, Path)) else [str(item) for item in source]


def _refuse_arguments(**given: bool) -> None:
    """Raise UsageError for arguments that a scenario specifies itself and that would be ignored."""
    for key, is_given in given.items():
        if is_given:
            argument = {"input": "inputs", "modes": "mode"}.get(key, key)
            written = {"weights": "transfer: none"}.get(key, f"{key}:")
            raise UsageError(
                f"{argument}= applies to models, not to a scenario file",
                hint=f"write `{written}` in the scenario, or pass the models",
                code=Code.MODELS_AND_SCENARIOS,
            )


# --- models ---------------------------------------------------------------------------------------


def _named(
    source: Any, more: Sequence[Any], prefix: str, first: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return models by name; unnamed ones are `first`, then `prefix`, `prefix_2`, ..."""
    if isinstance(source, Mapping):
        if more:
            raise UsageError(
                "a mapping of models and more models were given",
                hint="put every model into the mapping",
                code=Code.MODELS_AND_SCENARIOS,
            )
        return {str(name): model for name, model in source.items()}
    given = [*source, *more] if isinstance(source, (list, tuple)) else [source, *more]
    names = chain(first, [prefix], (f"{prefix}_{number}" for number in count(2)))
    return dict(zip(names, given, strict=False))


def _specs(models: Mapping[str, Any], inputs: Inputs) -> tuple[ModelSpec, ...]:
    return tuple(model_spec(name, model, inputs) for name, model in models.items())
