"""Refuse code without permission and unreadable files before Keras is imported."""

from __future__ import annotations

from layerlens.errors import Fault, ScenarioError, UnsafeCodeError
from layerlens.models.external.recording_file import is_recording_spec, read_recording
from layerlens.models.external.saved_file import read_saved
from layerlens.scenario.options import RunOptions
from layerlens.scenario.spec import ModelSpec, Scenario, TransferMapping


def refuse_before_start(scenario: Scenario, options: RunOptions) -> None:
    """Refuse the first model that is code without permission, or an unreadable file.

    Raises:
        UnsafeCodeError: a model is a callable, and `allow_code` is false.
        ModelFileError: a file is missing, damaged, or no saved model.
        ScenarioError: a recording cannot do what the scenario asks of it.
    """
    for model in scenario.models:
        refuse_callable(model, allow_code=options.allow_code)
        if is_recording_spec(model):
            assert model.file is not None  # that is what the form says
            read_recording(model.file, model.where)
        elif model.form == "file":
            assert model.file is not None
            read_saved(model.file, model.where)
    _refuse_beside_recording(scenario)


def _refuse_beside_recording(scenario: Scenario) -> None:
    """Refuse what a recording cannot do: run in training, be trained, or meet another recording.

    Raises:
        ScenarioError: the scenario asks for it.
    """
    recordings = [model for model in scenario.models if is_recording_spec(model)]
    if not recordings:
        return
    faults = []
    first, names = recordings[0], [model.name for model in recordings]
    if "training" in scenario.modes:
        faults.append(f"`{first.name}` is a recording, which has no outputs in training")
    if scenario.fit is not None:
        faults.append(f"`{first.name}` is a recording, which cannot be trained: leave `fit:` out")
    if isinstance(scenario.transfer, TransferMapping) and scenario.reference not in names:
        faults.append(
            f"`{first.name}` is a recording, whose weights are carried over to the reference, "
            "against the direction of the mapping under `transfer:`; make it the reference"
        )
    if scenario.reference in names and len(names) > 1:
        both = " and ".join(f"`{name}`" for name in names[:2])
        faults.append(f"{both} are recordings, of which one cannot be compared with the other")
    if faults:
        raise ScenarioError(tuple(Fault(what, first.where, _RECORDS) for what in faults))


_RECORDS = "a recording holds outputs in inference, and is compared with a model that runs"


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
