"""Record one model in a file."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.models.backend import global_settings
from layerlens.models.backend.start import start_backend, without_collection
from layerlens.run.recorded_file import RecordedFile
from layerlens.scenario.spec import Scenario

if TYPE_CHECKING:
    from layerlens.scenario.options import RunOptions
    from layerlens.scenario.spec import InputSpec, ModelSpec

#: The largest file that is written unless another limit is given.
LARGEST_RECORDING = 20 * 10**6


@global_settings.preserving_settings
def record_model(
    spec: ModelSpec,
    inputs: tuple[InputSpec, ...],
    path: str,
    options: RunOptions,
    most_bytes: int = LARGEST_RECORDING,
) -> RecordedFile:
    """Record a model in a file, which is written whole or not at all.

    Args:
        spec: the model, in any form but a recording.
        inputs: its inputs, where it has none of its own.
        path: the file, whose name ends in `.npz`.
        options: the seed of the probes, whether code may run, and the memory that it may take.
        most_bytes: the greatest size of the file.

    Raises:
        UsageError: the model does not build, or cannot be recorded within the size; or another
            file is in the place.
        LayerlensError: as for building the model.
    """
    from layerlens.models.external.exported_file import is_exported_spec
    from layerlens.models.external.recording_file import is_recording_spec, refuse_to_replace
    from layerlens.models.external.refusals import refuse_before_start

    refuse_to_replace(path)
    if is_recording_spec(spec):
        raise UsageError(
            f"{spec.file} is a recording already",
            hint="record the model itself; a recording can be copied",
            code=Code.CANNOT_RECORD,
        )
    if is_exported_spec(spec):
        raise UsageError(
            f"{spec.file} is an exported file, which keeps what the model computes itself",
            hint="record the model that it was exported from, or compare that with the file",
            code=Code.CANNOT_RECORD,
        )
    scenario = Scenario(path, spec.name, (spec,), spec.name, inputs=inputs)
    refuse_before_start(scenario, options)
    start_backend()
    from layerlens.run.recorder import Recorder

    with without_collection(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Recorder(scenario, options, most_bytes).write(path)
