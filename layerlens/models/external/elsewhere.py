"""Build a model in another Keras: on another backend, or in another interpreter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from layerlens.errors import Fault, ScenarioError
from layerlens.fault_codes import Code
from layerlens.models.build.request import BuildRequest, Built, Foreign, Model, Refused, refused
from layerlens.models.external.exported import open_batch, open_model
from layerlens.models.external.permitted_runtime import refuse_unrunnable_elsewhere
from layerlens.models.external.start import about_process, start_process
from layerlens.models.inspect.shapes import selected_shape
from layerlens.models.runtimes.foreign import ForeignModel
from layerlens.models.runtimes.process import RuntimeAnswerError, RuntimeLostError
from layerlens.models.runtimes.remedies import loss, refusal
from layerlens.plain.printable import one_line
from layerlens.report.layers import ModelError, ModelReport, RuntimeRow
from layerlens.scenario.spec import InputSpec, ModelSpec


def build_elsewhere(request: BuildRequest, build: Callable[[BuildRequest], Model]) -> Model:
    """Build a model in its runtime: from its file, or from the description that Keras here makes.

    Raises:
        UnsafeCodeError: the runtime may not run.
        ModelFileError: the runtime cannot be started.
        ScenarioError: the model cannot be described to another process.
    """
    spec, runtime = request.spec, request.spec.runtime
    assert runtime is not None
    refuse_unrunnable_elsewhere(spec, allow_code=request.allow_code)
    head: dict[str, Any] = {"op": "load"}
    here: Built | None = None
    if runtime.python is not None and spec.form == "file":
        head["path"] = str(Path(str(spec.file)).absolute())
    else:
        built = build(replace(request, spec=replace(spec, runtime=None), allocate=True))
        if isinstance(built, Refused):
            return replace(built, spec=spec)
        if not isinstance(built, Built):
            raise _undescribed(spec, "it is not a model of Keras")
        here = built
        try:
            head["json"] = here.model.to_json()
        except Exception as error:  # Keras may fail to describe a layer for any reason
            raise _undescribed(spec, one_line(str(error))) from error
    process = request.process or start_process(spec, request.max_memory)
    about = about_process(process, spec)
    try:
        answer, _ = process.ask(head)
        model = open_model(process, about, answer)
        if here is not None:
            values = [np.asarray(value) for value in here.model.get_weights()]
            if [value.shape for value in values] != [slot.shape for slot in model.slots]:
                raise _undescribed(spec, "it has other weights in the other Keras")
            model.assign(values)
    except RuntimeLostError as lost:
        return refused(request, loss(about, lost, "it built the model"))
    except RuntimeAnswerError as error:
        return refused(request, refusal(about, error))
    return _described(request, model, here)


def _described(request: BuildRequest, model: ForeignModel, here: Built | None) -> Foreign | Refused:
    spec, about = request.spec, model.about
    row = RuntimeRow(about.name, about.version, about.python, "open", model.float64)
    if here is not None:
        report = replace(here.report, name=spec.name, runtime=row)
        inputs = tuple(
            replace(own, name=name) for own, name in zip(here.inputs, here.input_names, strict=True)
        )
        return Foreign(spec, model, inputs, report, here)
    shapes = [open_batch(port) for port in model.outputs]
    shape: Any = shapes[0] if len(shapes) == 1 else tuple(shapes)
    if spec.select is not None:
        try:
            shape = selected_shape(shape, spec.select)
        except (ValueError, IndexError) as error:
            return refused(request, ModelError(None, str(error), None))
    params = sum(prod(slot.shape) for slot in model.slots)
    report = ModelReport(spec.name, params, None, None, shape, (), runtime=row)
    inputs = tuple(InputSpec(port.name, port.shape[1:], port.dtype) for port in model.inputs)
    return Foreign(spec, model, inputs, report)


def _undescribed(spec: ModelSpec, reason: str) -> ScenarioError:
    return ScenarioError(
        (
            Fault(
                Code.FIXED_MODEL,
                f"`{spec.name}` cannot be given to another runtime: {reason}",
                spec.where,
                "it takes models whose layers are all Keras' own",
            ),
        )
    )
