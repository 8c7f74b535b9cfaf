"""Load an exported file in its runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from layerlens.models.build.request import BuildRequest, Foreign, Refused, refused
from layerlens.models.external.damaged_file import damaged
from layerlens.models.external.exported_file import again, refuse_unrunnable, runtime_of
from layerlens.models.external.fixed_model import refuse_changes
from layerlens.models.external.start import about_process, start_process
from layerlens.models.inspect.shapes import selected_shape
from layerlens.models.runtimes.damage import damage
from layerlens.models.runtimes.foreign import ForeignModel, Port, Step
from layerlens.models.runtimes.process import (
    About,
    RuntimeAnswerError,
    RuntimeLostError,
    RuntimeProcess,
)
from layerlens.models.runtimes.remedies import loss, refusal
from layerlens.numerics.weight_values import WeightSlot
from layerlens.report.layers import ModelError, ModelReport, RuntimeRow
from layerlens.scenario.spec import InputSpec


def take_exported(request: BuildRequest) -> Foreign | Refused:
    """Load an exported file in a process of its own.

    Raises:
        UnsafeCodeError: the file may run code, which is not allowed.
        ModelFileError: the runtime is missing, or the file is damaged.
        ScenarioError: the scenario changes something that is fixed in the file.
    """
    spec = request.spec
    kind = runtime_of(spec)
    what = f"`{spec.name}`, which {kind.name} runs as it was exported"
    refuse_changes(spec, what, "export the model")
    refuse_unrunnable(spec, allow_code=request.allow_code)
    process = request.process or start_process(spec, request.max_memory)
    about = about_process(process, spec)
    try:
        head, _ = process.ask({"op": "load", "path": str(Path(str(spec.file)).absolute())})
    except RuntimeLostError as lost:
        return _refused(request, about, loss(about, lost, "it loaded the file"))
    except RuntimeAnswerError as error:
        process.close()
        problem = damage(about, error)
        if problem is not None:
            raise damaged(Path(str(spec.file)), problem, spec.where, again(kind)) from error
        return _refused(request, about, refusal(about, error))
    foreign = ForeignModel(
        process,
        about,
        ports_of(head["inputs"]),
        ports_of(head["outputs"]),
        head["float64"],
        head["quantized"],
        tuple(
            Step(tuple(row["shape"]), row["size"], row["low"], row["high"])
            for row in head.get("steps", ())
        ),
        evaluated=bool(head.get("evaluated")),
        is_ordered=bool(head.get("ordered", True)),
        has_ordered_outputs=bool(head.get("ordered_outputs", True)),
    )
    return _described(request, foreign)


def _refused(request: BuildRequest, about: About, error: ModelError) -> Refused:
    found = refused(request, error)
    runtime = RuntimeRow(about.name, about.version, about.python, "frozen", "none")
    return replace(found, report=replace(found.report, runtime=runtime), is_final=True)


def _described(request: BuildRequest, foreign: ForeignModel) -> Foreign | Refused:
    spec = request.spec
    shapes: list[Any] = [open_batch(port) for port in foreign.outputs]
    shape: Any = shapes[0] if len(shapes) == 1 else tuple(shapes)
    if spec.select is not None:
        try:
            if len(shapes) > 1:
                raise ValueError(
                    f'`select: "{spec.select}"` takes a slice of one output, but the file has '
                    f"{len(shapes)}"
                )
            shape = selected_shape(shape, spec.select)
        except (ValueError, IndexError) as error:
            hint = "count the batch axis too: `[:, -1]` is the last step of every sample"
            return _refused(request, foreign.about, ModelError(None, str(error), hint))
    about = foreign.about
    report = ModelReport(
        spec.name,
        None,
        None,
        None,
        shape,
        (),
        runtime=RuntimeRow(about.name, about.version, about.python, "frozen", foreign.float64),
        notes=_notes(foreign),
    )
    inputs = tuple(InputSpec(port.name, port.shape[1:], port.dtype) for port in foreign.inputs)
    return Foreign(spec, foreign, inputs, report)


def _notes(foreign: ForeignModel) -> tuple[str, ...]:
    if foreign.quantized is None:
        return ()
    return (f"it is quantised to {foreign.quantized}",)


def ports_of(rows: Sequence[Any]) -> tuple[Port, ...]:
    """Return the inputs or outputs that a worker lists."""
    return tuple(Port(str(row["name"]), str(row["dtype"]), tuple(row["shape"])) for row in rows)


def open_model(process: RuntimeProcess, about: About, answer: Mapping[str, Any]) -> ForeignModel:
    """Return a model whose weights can be set, as a worker describes it."""
    slots = tuple(
        WeightSlot(str(row["path"]), tuple(row["shape"]), str(row["dtype"]))
        for row in answer["weights"]
    )
    return ForeignModel(
        process,
        about,
        ports_of(answer["inputs"]),
        ports_of(answer["outputs"]),
        answer["float64"],
        None,
        slots=slots,
    )


def open_batch(port: Port) -> tuple[int | None, ...]:
    """Return the shape of an input or output with an open batch axis; () where it is unknown."""
    return (None, *port.shape[1:]) if port.shape else ()
