"""Build a model, whatever form it is described in."""

from __future__ import annotations

from collections.abc import Callable

from layerlens.models.build.described import build_described
from layerlens.models.build.precision import Precision
from layerlens.models.build.request import BuildRequest, Built, Refused
from layerlens.models.external.adopt import adopt_model
from layerlens.scenario.spec import InputSpec, ModelSpec


def build_model(
    spec: ModelSpec,
    inputs: tuple[InputSpec, ...],
    *,
    precision: Precision = "working",
    allocate: bool = True,
    at_most: int | None = None,
    memory_limit: int | None = None,
    seed: int = 0,
    allow_code: bool = False,
    fed_as: tuple[str, ...] = (),
    numbers: Callable[[float], float] | None = None,
) -> Built | Refused:
    """Build one model in Keras as a fresh session would, without touching the process's own.

    Without `allocate` no weight takes memory: the model can be summarised but not run. So it is
    with a described model whose weights take more than `at_most` bytes. The precision "float64"
    makes the same model with every floating dtype float64. `memory_limit` is in bytes, None is what
    the machine has free. `fed_as` are the names of the reference's inputs: a model whose inputs
    have the same names takes them in that order. `numbers` changes those in the configuration of a
    saved model or an object. What Keras refuses is returned. Raises MemoryLimitError before
    anything is allocated, UnsafeCodeError before any code runs, ModelFileError, and ScenarioError
    where `weights` name or hold what the model does not have.
    """
    request = BuildRequest(
        spec, inputs, precision, allocate, at_most, memory_limit, seed, allow_code, fed_as, numbers
    )
    return build_described(request) if spec.form in ("layers", "graph") else adopt_model(request)
