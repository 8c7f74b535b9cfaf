"""The request to build a model, and its results: Built, Recorded, Foreign or Refused."""

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
from layerlens.models.runtimes.foreign import ForeignModel
from layerlens.models.runtimes.process import RuntimeProcess
from layerlens.numerics.recording import Recording
from layerlens.report.layers import LayerRow, ModelError, ModelReport
from layerlens.scenario.spec import InputSpec, ModelSpec


@dataclass(frozen=True)
class BuildRequest:
    """A request to build one model: the model, its inputs, and the options."""

    spec: ModelSpec
    inputs: tuple[InputSpec, ...]
    precision: Precision = "working"
    allocate: bool = True
    #: The most bytes of weights to allocate; a larger model is only drafted. None is no limit.
    at_most: int | None = None
    memory_limit: int | None = None
    #: Bytes that the process of another runtime may take; None is what the machine has free.
    max_memory: int | None = None
    seed: int = 0
    allow_code: bool = False
    #: Names of the reference's inputs; a model with the same names takes its inputs in this order.
    fed_as: tuple[str, ...] = ()
    #: Replaces each number in the configuration of a saved model or an object.
    numbers: Callable[[float], float] | None = None
    #: Loads a saved model that stands in the place of a layer.
    load: Callable[[ModelSpec], Built | Refused] | None = None
    #: The inputs of a model that is compared with this one, which takes them if it says none.
    other_inputs: tuple[InputSpec, ...] = ()
    #: The number of samples of each batch; a stateful model takes no other.
    batch: int | None = None
    #: The process of another runtime, if it was started ahead.
    process: RuntimeProcess | None = None


@dataclass(frozen=True)
class Built:
    """A model that Keras built, called with one tensor or with a list in the order of `inputs`."""

    spec: ModelSpec
    inputs: tuple[InputSpec, ...]
    model: Any
    report: ModelReport
    allocated: bool
    #: The only batch size that the model takes (stateful layers need one); None takes any.
    batch_size: int | None = None
    #: The precision it was built in; a model that cannot be built anew stays in working precision.
    precision: Precision = "working"
    #: Whether `model` is the caller's own object, which Keras could not copy.
    is_original: bool = False
    #: The model's own names of `inputs`, and the same names in the model's own order; the latter
    #: are empty if the model takes a mapping.
    input_names: tuple[str, ...] = ()
    listed_names: tuple[str, ...] = ()
    #: The model that `model` calls on one piece of its input after the other; None: it has no
    #: chunks.
    piece: Any = None
    #: What the saved model did and this one does not; None without such a difference.
    unrestored: str | None = None
    #: Whether the file does not say the input, which was taken by the shapes of weights.
    assumes_input: bool = False
    #: The traced functions of the model, by execution, mode and shapes, which all runners of the
    #: model share.
    traced: dict[tuple[Any, ...], Any] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )
    #: The shapes that the model computes, by whether it trains; kept when they are first asked for.
    computed_shapes: dict[bool, Any] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    @property
    def described(self) -> Any:
        """The model whose layers the report lists."""
        return self.model if self.piece is None else self.piece


@dataclass(frozen=True)
class Refused:
    """A model that Keras refused; the report has the rows before the layer, and the reason."""

    spec: ModelSpec
    report: ModelReport
    #: Whether other inputs would change nothing: the file or its process is at fault.
    is_final: bool = False


@dataclass(frozen=True)
class Recorded:
    """A recording in the place of a model: it answers on its own inputs and weights alone.

    `recording` has its arrays in the order of `inputs`, and its outputs after `select`.
    """

    spec: ModelSpec
    recording: Recording
    report: ModelReport

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        return self.recording.inputs

    @property
    def input_names(self) -> tuple[str, ...]:
        return self.recording.input_names

    @property
    def listed_names(self) -> tuple[str, ...]:
        return self.recording.input_names


@dataclass(frozen=True)
class Foreign:
    """A model that another runtime runs, on its own weights or on any.

    `inputs` are as the runtime declares them, in the reference's order if the names are the same.
    """

    spec: ModelSpec
    runtime: ForeignModel
    inputs: tuple[InputSpec, ...]
    report: ModelReport
    #: The same model as Keras here built it to describe it, where it did.
    twin: Built | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.inputs)

    @property
    def listed_names(self) -> tuple[str, ...]:
        return tuple(port.name for port in self.runtime.inputs)

    @property
    def is_reordered(self) -> bool:
        """Whether it lists its inputs in another order than the model that it is lined up with."""
        positions = [feed.position for feed in self.runtime.feeds]
        return positions != sorted(positions)


#: A model that this process' Keras does not run.
Frozen = Recorded | Foreign
#: A model of a scenario, as it takes part in a comparison.
Model = Built | Frozen | Refused


def refused(request: BuildRequest, error: ModelError, rows: tuple[LayerRow, ...] = ()) -> Refused:
    """Return a refusal with the rows of the layers that were built."""
    return Refused(
        request.spec, ModelReport(request.spec.name, None, None, None, None, rows, error)
    )


def refused_at(request: BuildRequest, refusal: LayerRefusal) -> Refused:
    """Return a refusal with the explained error of a layer, and the rows before it."""
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
