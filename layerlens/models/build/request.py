"""The request to build a model, and its results: Built or Refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from layerlens.models.build.float64 import enable_float64
from layerlens.models.build.graph import LayerRefusal
from layerlens.models.build.inputs import FittedInputs
from layerlens.models.build.precision import Precision
from layerlens.models.build.tensor_sizes import refuse_oversized_model
from layerlens.models.inspect.call_graph import upstream_names
from layerlens.models.inspect.layer_table import model_report, rows_between
from layerlens.models.inspect.shapes import open_batch, selected_shape
from layerlens.models.keras_errors import explain_build_error
from layerlens.report.layers import LayerRow, ModelError, ModelReport
from layerlens.scenario.spec import InputSpec, ModelSpec


@dataclass(frozen=True)
class BuildRequest:
    """What was asked: the model, its inputs, and how it is to be built."""

    spec: ModelSpec
    inputs: tuple[InputSpec, ...]
    precision: Precision = "working"
    allocate: bool = True
    #: The most bytes of weights to make; a model with more is only drafted. None makes any.
    at_most: int | None = None
    memory_limit: int | None = None
    seed: int = 0
    allow_code: bool = False
    #: The names of the reference's inputs: a model with the same ones is fed in their order.
    fed_as: tuple[str, ...] = ()
    #: Changes the numbers in the configuration of a saved model or an object.
    numbers: Callable[[float], float] | None = None


@dataclass(frozen=True)
class Built:
    """A model that Keras built: called with one tensor, or a list in the order of `inputs`."""

    spec: ModelSpec
    inputs: tuple[InputSpec, ...]
    model: Any
    report: ModelReport
    allocated: bool
    #: The one batch size the model takes (stateful layers need one); None takes any.
    batch_size: int | None = None
    #: The precision it was built in: a model that cannot be made anew stays in working precision.
    precision: Precision = "working"
    #: The caller's own object, because Keras could not copy it: what changes it, changes theirs.
    is_original: bool = False
    #: What the model itself calls its `inputs`, and the same in the order in which it lists them;
    #: the latter is empty where it takes a mapping.
    input_names: tuple[str, ...] = ()
    listed_names: tuple[str, ...] = ()
    #: What a saved file meant and this model does not do; None where it does all of it.
    unrestored: str | None = None
    #: The functions traced of the model so far, by execution, mode and shapes: whoever runs it
    #: again, for another pair or under another seed, need not trace it again.
    traced: dict[tuple[Any, ...], Any] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )


@dataclass(frozen=True)
class Refused:
    """A model that Keras refused; the report has the rows before the layer, and the reason."""

    spec: ModelSpec
    report: ModelReport


def refused(request: BuildRequest, error: ModelError, rows: tuple[LayerRow, ...] = ()) -> Refused:
    """Return a refusal with the layers that were still built."""
    return Refused(
        request.spec, ModelReport(request.spec.name, None, None, None, None, rows, error)
    )


def refused_at(request: BuildRequest, refusal: LayerRefusal) -> Refused:
    """Return a refusal explained at its layer, with the layers before it."""
    rows = rows_between(refusal.wired.inputs, refusal.wired.made)
    error = explain_build_error(
        refusal.error,
        layer_name=refusal.layer_name,
        layer_type=refusal.spec.type,
        arguments=refusal.spec.arguments,
        input_shapes=refusal.input_shapes,
        before=rows,
        upstream=upstream_names(refusal.inputs[0]) if refusal.inputs else (),
    )
    return refused(request, error, rows)


def built(request: BuildRequest, fitted: FittedInputs, model: Any, **facts: Any) -> Built | Refused:
    """Return a model with its report, or a refusal where `select` does not fit its output.

    The model takes its inputs in the order of `fitted`.
    """
    if request.precision == "float64":
        enable_float64(model)
    refuse_oversized_model(model, request.spec.where)
    report = model_report(request.spec.name, model)
    batch_size = model.inputs[0].shape[0] if model.inputs else None
    if batch_size is not None:
        report = open_batch(report, batch_size)
    if request.spec.select is not None:
        try:
            report = replace(report, output_shape=_selected(report, request.spec.select))
        except ValueError as error:
            hint = "count the batch axis too: `[:, -1]` is the last step of every sample"
            return refused(request, ModelError(None, str(error), hint), report.layers)
    result = Built(
        request.spec,
        fitted.inputs,
        model,
        report,
        request.allocate,
        batch_size=batch_size,
        precision=request.precision,
        input_names=fitted.names,
        listed_names=fitted.listed,
    )
    return replace(result, **facts)


def _selected(report: ModelReport, select: str) -> tuple[int | None, ...]:
    shape = report.output_shape
    if shape and isinstance(shape[0], tuple):
        raise ValueError(
            f'`select: "{select}"` takes a slice of one output, but the model has {len(shape)}'
        )
    return selected_shape(shape, select)
