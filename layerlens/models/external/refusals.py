"""Refuse code without permission and unreadable files before Keras is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from layerlens.errors import (
    Fault,
    LayerlensError,
    ModelFileError,
    ScenarioError,
    UnsafeCodeError,
    with_further_faults,
)
from layerlens.fault_codes import Code
from layerlens.models.external.exported_file import is_exported_spec, refuse_unrunnable
from layerlens.models.external.permitted_runtime import refuse_unrunnable_elsewhere
from layerlens.models.external.recording_file import is_recording_spec, read_recording
from layerlens.models.external.saved_file import read_saved
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import ModelSpec, Scenario, TransferMapping


def refuse_before_start(scenario: Scenario, options: RunOptions) -> None:
    """Refuse models that are code without permission, or unreadable files.

    Raises:
        UnsafeCodeError: a model is a callable, and `allow_code` is false.
        ModelFileError: a file is missing, damaged, or no saved model.
        ScenarioError: several models are refused, or a recording or an exported file cannot do what
            the scenario asks of it.
    """
    errors: list[LayerlensError] = []
    for model in scenario.models:
        try:
            _refuse_unreadable(model, options)
        except (ScenarioError, ModelFileError, UnsafeCodeError) as error:
            errors.append(error)
    if errors:  # two models may be one file: a fault counts once
        further = (fault for error in errors[1:] for fault in error.faults)
        raise with_further_faults(errors[0], further)
    _refuse_beside_frozen(scenario)


def _refuse_unreadable(model: ModelSpec, options: RunOptions) -> None:
    refuse_callable(model, allow_code=options.allow_code)
    if model.runtime is not None:
        refuse_unrunnable_elsewhere(model, allow_code=options.allow_code)
        if model.runtime.python is not None:
            return  # its own Keras reads the file
    if is_recording_spec(model):
        assert model.file is not None  # that is what the form says
        read_recording(model.file, model.where)
    elif is_exported_spec(model):
        refuse_unrunnable(model, allow_code=options.allow_code)
    elif model.form == "file":
        assert model.file is not None
        read_saved(model.file, model.where)


def _refuse_beside_frozen(scenario: Scenario) -> None:
    """Refuse what a recording or an exported file cannot do.

    They do not run in training, are not trained, and are not compared with each other.

    Raises:
        ScenarioError: the scenario asks for it.
    """
    frozen = {
        model.name: what for model in scenario.models if (what := _kind_of(model)) is not None
    }
    if not frozen:
        return
    faults = []
    name, what = next(iter(frozen.items()))
    if "training" in scenario.modes:
        faults.append(f"`{name}` is {what}, which has no outputs in training")
    if scenario.fit is not None:
        faults.append(f"`{name}` is {what}, which cannot be trained: leave `fit:` out")
    if isinstance(scenario.transfer, TransferMapping):
        faults += _mapped(scenario, frozen)
    if scenario.reference in frozen and len(frozen) > 1:
        other = next(one for one in frozen if one != scenario.reference)
        faults.append(
            f"`{scenario.reference}` is {frozen[scenario.reference]} and `{other}` is "
            f"{frozen[other]}, which cannot be compared with each other"
        )
    if faults:
        where = scenario.model(name).where
        raise ScenarioError(
            tuple(Fault(Code.FIXED_MODEL, fault, where, _COMPARED[what]) for fault in faults)
        )


def _kind_of(model: ModelSpec) -> str | None:
    """Return what a model is that this process' Keras does not run; None if it does."""
    if model.runtime is not None:
        if model.runtime.revision is not None:
            return "a model at a git revision"
        return "a model in another runtime"
    if is_recording_spec(model):
        return "a recording"
    return "an exported file" if is_exported_spec(model) else None


def _mapped(scenario: Scenario, frozen: Mapping[str, str]) -> Iterator[str]:
    """Yield why the weights of frozen models cannot be paired by a mapping."""
    for name, what in frozen.items():
        if what == "an exported file":
            yield f"`{name}` is {what}, to which no weights are carried over: remove `transfer:`"
        elif what == "a recording" and scenario.reference != name:
            yield (
                f"`{name}` is {what}, whose weights are carried over to the reference, against the "
                "direction of the mapping under `transfer:`; make it the reference"
            )


_COMPARED = {
    "a recording": "a recording has outputs in inference only: compare it with a model that runs",
    "a model in another runtime": "other runtimes run models in inference only: compare them with "
    "a model that runs here",
    "a model at a git revision": "models at a git revision run in inference only",
    "an exported file": "an exported file runs in inference only: compare it with the Keras model "
    "that it was exported from",
}


def refuse_callable(model: ModelSpec, *, allow_code: bool) -> None:
    """Refuse a model that is a callable unless code may run.

    Raises:
        UnsafeCodeError: the model is a callable, and `allow_code` is false.
    """
    if model.form == "python" and not allow_code:
        raise UnsafeCodeError(
            f"model `{model.name}` runs the Python code `{model.python}`",
            model.where,
            hint="if you trust it, allow it with `--allow-code`",
        )
