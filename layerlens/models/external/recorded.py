"""Take a recording in the place of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerlens.models.build.request import BuildRequest, Recorded, Refused, refused
from layerlens.models.external.fixed_model import refuse_changes
from layerlens.models.external.recording_file import read_recording
from layerlens.models.inspect.input_order import positions_by_name
from layerlens.models.inspect.shapes import selected_shape
from layerlens.numerics.arrays import Array
from layerlens.numerics.recording import RecordedRun, Recording
from layerlens.report.layers import ModelError, RuntimeRow
from layerlens.scenario.slices import parse_select


def take_recording(request: BuildRequest) -> Recorded | Refused:
    """Read a recording; its inputs come in the reference's order if the names are the same.

    Raises:
        ModelFileError: the file is missing, damaged, or no recording.
        ScenarioError: the scenario changes something that is fixed in a recording.
    """
    spec = request.spec
    assert spec.file is not None  # that is what the form says
    what = f"the recording `{spec.name}`: it was recorded with its own"
    refuse_changes(spec, what, "record the model")
    recording = read_recording(spec.file, spec.where)
    places = positions_by_name(recording.input_names, request.fed_as)
    if places is not None:
        recording = _in_order(recording, places)
    report = replace(recording.report, name=spec.name, runtime=runtime_of(recording))
    if spec.select is not None:
        try:
            if len(recording.output_dtypes) > 1:
                raise ValueError(
                    f'`select: "{spec.select}"` takes a slice of one output, but the recording has '
                    f"{len(recording.output_dtypes)}"
                )
            shape = selected_shape(report.output_shape, spec.select)
            report = replace(report, output_shape=shape)
            recording = _selected(recording, spec.select)
        except (ValueError, IndexError) as error:
            hint = "count the batch axis too: `[:, -1]` is the last step of every sample"
            return refused(request, ModelError(None, str(error), hint), report.layers)
    return Recorded(spec, recording, report)


def runtime_of(recording: Recording) -> RuntimeRow:
    """Return what computed a recording."""
    versions = recording.versions
    return RuntimeRow(
        "recording",
        f"Keras {versions.keras}, TensorFlow {versions.tensorflow}",
        versions.python,
        "frozen",
        "native" if recording.exact else "none",
    )


def _in_order(recording: Recording, places: Sequence[int]) -> Recording:
    return replace(
        recording,
        inputs=tuple(recording.inputs[place] for place in places),
        batches=tuple(
            replace(batch, inputs=tuple(batch.inputs[place] for place in places))
            for batch in recording.batches
        ),
    )


def _selected(recording: Recording, select: str) -> Recording:
    part = parse_select(select)

    def cut(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(np.asarray(array[part]) for array in arrays)

    def cut_run(run: RecordedRun) -> RecordedRun:
        return replace(
            run,
            outputs={execution: cut(outputs) for execution, outputs in run.outputs.items()},
            float64=cut(run.float64),
            sensitivity=cut(run.sensitivity),
            inner=cut(run.inner),
        )

    return replace(recording, runs=tuple(map(cut_run, recording.runs)))
