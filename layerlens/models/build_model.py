"""Build a model from any form of description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from layerlens.models.build.chunks import build_in_chunks
from layerlens.models.build.described import build_described
from layerlens.models.build.precision import Precision
from layerlens.models.build.request import BuildRequest, Built, Frozen, Model, Refused
from layerlens.models.external.adopt import adopt_model
from layerlens.models.external.at_revision import build_at_revision
from layerlens.models.external.elsewhere import build_elsewhere
from layerlens.models.runtimes.process import RuntimeProcess
from layerlens.scenario.spec import InputSpec, ModelSpec


def build_model(
    spec: ModelSpec,
    inputs: tuple[InputSpec, ...],
    *,
    precision: Precision = "working",
    allocate: bool = True,
    at_most: int | None = None,
    memory_limit: int | None = None,
    max_memory: int | None = None,
    seed: int = 0,
    allow_code: bool = False,
    fed_as: tuple[str, ...] = (),
    numbers: Callable[[float], float] | None = None,
    other_inputs: tuple[InputSpec, ...] = (),
    batch: int | None = None,
    process: RuntimeProcess | None = None,
) -> Model:
    """Build one model in a fresh Keras session; an error of Keras is returned as Refused.

    Args:
        spec: the model.
        inputs: the scenario's inputs, or the model's own.
        precision: with "float64" every floating dtype of the model is float64.
        allocate: whether weights take memory; without, the model can be summarized but not run.
        at_most: bytes of weights above which a described model is not allocated.
        memory_limit: bytes that the model may take; None is what the machine has free.
        max_memory: the same for the process of another runtime.
        seed: the seed of the initial weights.
        allow_code: whether code from scenarios and files may run.
        fed_as: names of the reference's inputs; a model with the same names takes its inputs in
            this order.
        numbers: replaces each number in the configuration of a saved model or an object.
        other_inputs: those of a model that is compared with this one, for a model that says none.
        batch: the number of samples of each batch; None is any.
        process: the process of the model's runtime, if it was started ahead.

    Raises:
        MemoryLimitError: the weights need more memory; raised before they are allocated.
        UnsafeCodeError: the model needs code that is not allowed; raised before any code runs.
        ModelFileError: a file is missing, damaged, or cannot be loaded as a model.
        RevisionError: the files of a git revision cannot be read.
        ScenarioError: `weights` or `chunks` do not fit the model, a callable is missing or returns
            no Keras object, or a graph or policy is invalid.
    """
    request = BuildRequest(
        spec,
        inputs,
        precision,
        allocate,
        at_most,
        memory_limit,
        max_memory,
        seed,
        allow_code,
        fed_as,
        numbers,
        other_inputs=other_inputs,
        batch=batch,
        process=process,
    )
    if spec.runtime is not None and spec.runtime.revision is not None:
        return build_at_revision(request, spec.runtime.revision)
    if spec.runtime is not None:
        return build_elsewhere(request, _build_here)
    return _build_here(request)


def _build_here(request: BuildRequest) -> Model:
    return _build(request) if request.spec.chunks is None else build_in_chunks(request, _build)


def _build(request: BuildRequest) -> Model:
    spec = request.spec
    if spec.form not in ("layers", "graph"):
        return adopt_model(request)

    def load(inner: ModelSpec) -> Built | Refused:
        dtype = spec.dtype or inner.dtype
        found = adopt_model(
            replace(request, spec=replace(inner, dtype=dtype), inputs=(), at_most=None, fed_as=())
        )
        assert not isinstance(found, Frozen)  # refused when the scenario is read
        return found

    return build_described(replace(request, load=load))
