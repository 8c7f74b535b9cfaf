"""Build a model that is described layer by layer, or as a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from layerlens.models.build.graph import LayerRefusal, wire_model
from layerlens.models.build.inputs import scenario_inputs
from layerlens.models.build.layer import LayerMaker, refuse_code_layers
from layerlens.models.build.memory import refuse_beyond_memory, weight_bytes
from layerlens.models.build.nested_model import nested_model
from layerlens.models.build.request import BuildRequest, Built, Refused, built, refused_at
from layerlens.models.build.session import in_fresh_session
from layerlens.models.build.symbolic import (
    DraftImpossible,
    drafting,
    functional,
    input_tensors,
    raise_if_draft_impossible,
    set_policy,
)
from layerlens.models.build.weights import assign_weights
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.scenario.spec import LayerSpec, ModelSpec, layer_specs

#: The batch size of models with stateful layers, which keep a state per sample.
_STATEFUL_BATCH = 4


def build_described(request: BuildRequest) -> Built | Refused:
    """Draft the model to learn its size, then allocate its weights.

    A stateful layer cannot be drafted, since Keras makes its state from an array. It is drafted
    without state, with the same weights and shapes, and then built anew. So is a model of which
    another layer cannot be drafted.

    Raises:
        UnsafeCodeError: a layer is code, or has code as an argument, and `allow_code` is false.
        MemoryLimitError: the weights need more memory than there is.
        ScenarioError: `weights`, the policy or the graph is invalid.
    """
    if not request.allow_code:
        refuse_code_layers(layer_specs(request.spec))
    stateful = _is_stateful(request.spec)
    try:
        drafted = in_fresh_session(lambda: _draft(request, allocate=not stateful), request.seed)
    except DraftImpossible:
        return in_fresh_session(lambda: _make(request), request.seed)
    if isinstance(drafted, Refused) or not stateful:
        return drafted
    if not request.allocate or not drafted.allocated:
        return replace(drafted, report=_report_with_state(drafted.report, request.spec))
    return in_fresh_session(lambda: _make(request), request.seed)


def _draft(request: BuildRequest, allocate: bool) -> Built | Refused:
    with drafting() as draft:
        result = _wire(request, without_state(request.spec))
        if isinstance(result, Built) and request.allocate:
            model, spec = result.model, request.spec
            if request.at_most is not None and weight_bytes(model) > request.at_most:
                return replace(result, allocated=False)
            refuse_beyond_memory(model, spec.name, request.memory_limit, spec.where)
            if allocate:
                draft.allocate()
                assign_weights(model, spec.weights, spec.name, spec.where)
        return result


def _make(request: BuildRequest) -> Built | Refused:
    result = _wire(request, request.spec)
    if isinstance(result, Built):
        spec = request.spec
        assign_weights(result.model, spec.weights, spec.name, spec.where)
        result = replace(result, allocated=True)
    return result


def _wire(request: BuildRequest, spec: ModelSpec) -> Built | Refused:
    set_policy(spec, request.precision)
    tensors = input_tensors(
        request.inputs,
        request.precision,
        batch_size=_batch_size(request),
        taken=frozenset(_own_names(spec)),
    )
    try:
        maker = LayerMaker(request.precision, partial(nested_model, request.load))
        wired = wire_model(spec, request.inputs, tensors, maker)
    except LayerRefusal as refusal:
        raise_if_draft_impossible(refusal.error)
        return refused_at(request, refusal)
    fitted = scenario_inputs(request.inputs, request.fed_as)
    fed = tuple(tensors[place] for place in fitted.positions)
    return built(request, fitted, functional(fed, wired.outputs, spec.name))


def without_state(value: Any) -> Any:
    """Return a description without `stateful` arguments; weights and shapes stay the same."""
    if isinstance(value, ModelSpec):
        nodes = tuple(replace(node, layer=without_state(node.layer)) for node in value.nodes)
        return replace(value, layers=without_state(value.layers), nodes=nodes)
    if isinstance(value, LayerSpec):
        kept = {key: item for key, item in value.arguments.items() if key != "stateful"}
        return replace(value, arguments=without_state(kept), model=without_state(value.model))
    if isinstance(value, Mapping):
        return {key: without_state(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(without_state(item) for item in value)
    return value


def _report_with_state(report: ModelReport, spec: ModelSpec) -> ModelReport:
    """Add the `stateful` arguments, left out for the draft, to its layer table."""
    written = {node.name: node.layer for node in spec.nodes}
    if len(spec.layers) == len(report.layers):
        written = {row.name: layer for row, layer in zip(report.layers, spec.layers, strict=True)}
    layers = tuple(
        _row_with_state(row, dict(_states(written[row.name], ""))) if row.name in written else row
        for row in report.layers
    )
    return replace(report, layers=layers)


def _row_with_state(row: LayerRow, states: Mapping[str, bool]) -> LayerRow:
    held = iter([is_so for path, is_so in states.items() if "." in path])
    holds = tuple(
        replace(one, arguments={**one.arguments, "stateful": next(held, False)})
        if "stateful" in one.arguments
        else one
        for one in row.holds
    )
    return replace(row, arguments={**row.arguments, **states}, holds=holds)


def _states(value: Any, prefix: str) -> Iterator[tuple[str, bool]]:
    """Yield the paths and values of the `stateful` arguments of a layer and its inner layers."""
    if not isinstance(value, LayerSpec):
        return
    for name, item in value.arguments.items():
        if name == "stateful":
            yield f"{prefix}stateful", bool(item)
        for position, held in enumerate(item if isinstance(item, (list, tuple)) else ()):
            yield from _states(held, f"{prefix}{name}[{position}].")
        yield from _states(item, f"{prefix}{name}.")
    if value.type == "Bidirectional" and "backward_layer" not in value.arguments:
        yield from _states(value.arguments.get("layer"), f"{prefix}backward_layer.")


def _is_stateful(spec: ModelSpec) -> bool:
    return any(layer.arguments.get("stateful") is True for layer in layer_specs(spec))


def _own_names(spec: ModelSpec) -> Iterator[str]:
    yield from (node.name for node in spec.nodes)
    for layer in layer_specs(spec):
        if isinstance(layer.arguments.get("name"), str):
            yield layer.arguments["name"]


def _batch_size(request: BuildRequest) -> int | None:
    if not _is_stateful(request.spec):
        return None
    given = [len(item.values) for item in request.inputs if item.values is not None]
    return given[0] if given else request.batch or _STATEFUL_BATCH
