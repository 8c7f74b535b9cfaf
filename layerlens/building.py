"""A model's description becomes a Keras model and its report, or a refusal that is explained."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from layerlens.backend import start_backend
from layerlens.inspecting import model_report, rows_between
from layerlens.memory import refuse_beyond_memory
from layerlens.precision import Precision, layer_dtype
from layerlens.remedies import explain_refusal
from layerlens.report import LayerRow, ModelError, ModelReport
from layerlens.scenario import InputSpec, ModelSpec
from layerlens.wiring import LayerRefused, wire_model

T = TypeVar("T")


@dataclass(frozen=True)
class Built:
    """A model that Keras built: called with one tensor, or a list in the order of `inputs`."""

    spec: ModelSpec
    inputs: tuple[InputSpec, ...]
    model: Any
    report: ModelReport
    allocated: bool


@dataclass(frozen=True)
class Refused:
    """A model that Keras refused; the report has the rows before the layer, and the reason."""

    spec: ModelSpec
    report: ModelReport


@dataclass(frozen=True)
class _Order:
    """What was asked of one build."""

    spec: ModelSpec
    inputs: tuple[InputSpec, ...]
    precision: Precision
    allocate: bool
    memory_limit: int | None
    allow_code: bool


def build_model(
    spec: ModelSpec,
    inputs: tuple[InputSpec, ...],
    *,
    precision: Precision = "working",
    allocate: bool = True,
    memory_limit: int | None = None,
    seed: int = 0,
    allow_code: bool = False,
) -> Built | Refused:
    """Build one model in Keras as a fresh session would, without touching the process's own.

    Without `allocate` no weight takes memory: the model can be summarised but not run. The
    precision "float64" makes the same model with every floating dtype float64. `memory_limit` is
    in bytes, None is what the machine has free. Raises MemoryLimitError before anything is
    allocated, UnsafeCodeError, ModelFileError; what Keras refuses is returned.
    """
    start_backend()
    order = _Order(spec, inputs, precision, allocate, memory_limit, allow_code)
    return in_fresh_session(lambda: _build(order), seed)


def in_fresh_session(work: Callable[[], T], seed: int) -> T:
    """Run Keras work where names count from zero and the caller's settings are out of reach.

    Keras keeps names, scopes and the dtype policy per thread, so a new thread is a new session.
    Initialisers and seed generators draw their seeds from Python's `random`: it is seeded for the
    work and put back after it.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # raised again in the thread that asked
            failure.append(error)

    with _RANDOM_STATE:
        state = random.getstate()
        random.seed(seed)
        try:
            thread = threading.Thread(target=run, name="layerlens-build", daemon=True)
            thread.start()
            thread.join()
        finally:
            random.setstate(state)
    if failure:
        raise failure[0]
    return outcome[0]


_RANDOM_STATE = threading.Lock()


def _build(order: _Order) -> Built | Refused:
    import keras

    keras.config.set_dtype_policy(layer_dtype(order.spec.dtype or "float32", order.precision))
    scope = keras.StatelessScope()
    # Left only where weights are wanted: leaving is what makes Keras allocate them.
    scope.__enter__()
    try:
        model = _wired_model(order)
    except LayerRefused as refusal:
        return _refused(order, refusal)
    report = model_report(order.spec.name, model)
    if order.allocate:
        refuse_beyond_memory(model, order.spec.name, order.memory_limit, order.spec.where)
        scope.__exit__(None, None, None)
    return Built(order.spec, order.inputs, model, report, order.allocate)


def _wired_model(order: _Order) -> Any:
    tensors = tuple(input_tensor(given, order.precision) for given in order.inputs)
    wired = wire_model(order.spec, order.inputs, tensors, order.precision)
    return functional(tensors, wired.outputs, order.spec.name)


def input_tensor(given: InputSpec, precision: Precision, batch_size: int | None = None) -> Any:
    import keras

    return keras.Input(
        shape=given.shape,
        batch_size=batch_size,
        dtype=layer_dtype(given.dtype, precision),
        name=keras_name(given.name),
    )


def functional(inputs: tuple[Any, ...], outputs: tuple[Any, ...], name: str) -> Any:
    """Join tensors to a model that takes and gives a plain tensor where there is one."""
    import keras

    return keras.Model(
        inputs[0] if len(inputs) == 1 else list(inputs),
        outputs[0] if len(outputs) == 1 else list(outputs),
        name=keras_name(name),
    )


def keras_name(name: str) -> str:
    """Return a name that Keras and TensorFlow accept."""
    return re.sub(r"[^A-Za-z0-9_.\\-]", "_", name) or "model"


def _refused(order: _Order, refusal: LayerRefused) -> Refused:
    rows = rows_between(refusal.wired.inputs, refusal.wired.made)
    error = _explained(refusal, rows)
    empty = ModelReport(order.spec.name, None, None, None, None, rows, error)
    return Refused(order.spec, empty)


def _explained(refusal: LayerRefused, rows: tuple[LayerRow, ...]) -> ModelError:
    return explain_refusal(
        refusal.error,
        layer_name=refusal.layer_name,
        layer_type=refusal.spec.type,
        arguments=refusal.spec.arguments,
        input_shapes=refusal.input_shapes,
        before=rows,
    )
