"""Build a model from a saved source, with the scenario's inputs, precision and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.build.call_forms import apply_by_name
from layerlens.models.build.constants import config_with_numbers
from layerlens.models.build.custom_objects import custom_code
from layerlens.models.build.graph import LayerRefusal, WiredGraph, flat_outputs
from layerlens.models.build.inputs import (
    FittedInputs,
    InputsRefusal,
    fit_inputs,
    has_graph,
    scenario_inputs,
    with_shapes,
)
from layerlens.models.build.memory import refuse_beyond_memory
from layerlens.models.build.precision import config_in, config_with_policy
from layerlens.models.build.request import BuildRequest, Built, Refused, built, refused, refused_at
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
from layerlens.models.external.deserialize import Source, draft_model, restore_model
from layerlens.models.external.undrawn_weights import without_drawing
from layerlens.plain.shapes import shape_text
from layerlens.report.layers import CODE_OUTSIDE
from layerlens.scenario.spec import LayerSpec

Make = Callable[[Mapping[str, Any]], Any]


class RebuildError(Exception):
    """Keras could not make a model from its own description; the cause has Keras' error."""


def build_from(request: BuildRequest, source: Source) -> Built | Refused:
    """Draft the model to learn its inputs and size, then build it with its weights.

    Raises:
        RebuildError: Keras cannot make the model from its description.
        MemoryLimitError: the weights need more memory than there is.
    """
    spec = request.spec
    config = source.config if spec.dtype is None else config_with_policy(source.config, spec.dtype)
    config = config_in(config, request.precision)
    if request.numbers is not None:
        config = config_with_numbers(config, request.numbers)

    def draft() -> Built | Refused:
        with drafting() as drafted:
            result = _make_with_inputs(
                request, config, lambda described: draft_model(source, described)
            )
            if isinstance(result, Built) and request.allocate:
                refuse_beyond_memory(result.model, spec.name, request.memory_limit, spec.where)
                if not source.has_weights:
                    drafted.allocate()
                    assign_weights(result.model, spec.weights, spec.name, spec.where)
            return result

    def make() -> Built | Refused:
        restore = restore_model if source.has_weights else draft_model
        # In working precision a file's own description costs less than another one.
        is_undrawn = request.precision == "float64" and source.saved.kind == "keras"
        described = without_drawing(config) if is_undrawn else config
        result = _make_with_inputs(request, described, lambda given: restore(source, given))
        if isinstance(result, Built):
            assign_weights(result.model, spec.weights, spec.name, spec.where)
            result = replace(result, allocated=True)
        return result

    try:
        result = in_fresh_session(draft, request.seed)
        if isinstance(result, Built) and request.allocate and source.has_weights:
            result = in_fresh_session(make, request.seed)
    except DraftImpossible:
        result = in_fresh_session(make, request.seed)
    return _with_notes(result, source)


def _with_notes(result: Built | Refused, source: Source) -> Built | Refused:
    """Add the notes on the source to the report of the result."""
    notes = source.notes
    outside: tuple[str, ...] = ()
    if isinstance(result, Built) and result.spec.form == "file":
        outside = _code_outside(result.model)
    if outside:
        notes = (*notes, _outside_note(outside, source.saved.path.name))
    report = replace(result.report, notes=(*notes, *result.report.notes), outside_code=outside)
    if isinstance(result, Refused):
        return replace(result, report=report)
    return replace(result, report=report, unrestored=source.unrestored)


def _code_outside(model: Any) -> tuple[str, ...]:
    """Return the classes and functions of a saved model that Keras does not define."""
    names = (
        code.__name__
        for code in custom_code(model)
        if code.__name__ != "<lambda>" and not str(code.__module__).startswith("layerlens.")
    )
    return tuple(dict.fromkeys(names))


def _outside_note(names: Sequence[str], file: str) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return (
        f"{CODE_OUTSIDE}{listed} is not in {file}: its current code was used, so changes since "
        f"the file was saved are not detected"
    )


def _make_with_inputs(
    request: BuildRequest, config: Mapping[str, Any], make: Make
) -> Built | Refused:
    """Make the model, and again with the scenario's lengths if its inputs have open axes."""
    set_policy(request.spec, request.precision)
    try:
        model = _call_make(make, config)
        fitted = inputs_for(request, model)
        if fitted.changes:
            model = _call_make(make, with_shapes(config, fitted.changes))
        return built(request, fitted, wrapped(request, model, fitted))
    except InputsRefusal as refusal:
        return refused(request, refusal.error)
    except LayerRefusal as refusal:
        raise_if_draft_impossible(refusal.error)
        return refused_at(request, refusal)


def _call_make(make: Make, config: Mapping[str, Any]) -> Any:
    try:
        return make(config)
    except Exception as error:  # Keras may raise anything for a description it cannot make
        raise_if_out_of_memory(error, "while the saved model was loaded")
        raise_if_draft_impossible(error)
        raise RebuildError from error


def inputs_for(request: BuildRequest, model: Any) -> FittedInputs:
    if has_graph(model):
        shared = request.spec.inputs is None
        return fit_inputs(
            request.inputs, model, request.precision, request.fed_as, given_to_all=shared
        )
    if inputs := request.inputs or request.other_inputs:
        return scenario_inputs(inputs, request.fed_as)
    raise _without_inputs(request, model)


def _without_inputs(request: BuildRequest, model: Any) -> InputsRefusal:
    """Return the refusal of a subclassed model or a layer whose input shape is not known."""
    shape = _shape_when_built(model)
    known = "" if shape is None else f"; it was built for one of shape {shape_text(shape)}"
    sample = [2] if shape is None else list(shape[1:])
    if request.spec.where is None:
        text = f"({sample[0]},)" if len(sample) == 1 else str(tuple(sample))
        hint = f"pass the shape of one sample as `inputs=`, such as `inputs={text}`"
    elif request.spec.is_argument and request.spec.form == "python":
        hint = (
            "let the callable return a model that does, such as `keras.Model(x, model(x))` with "
            f"`x = keras.Input({tuple(sample)})`"
        )
    elif request.spec.is_argument:
        text = ", ".join("null" if size is None else str(size) for size in sample)
        hint = (
            "compare it with a model that does, such as a functional one, or write a scenario with "
            f"the shape of one sample, such as `input: {{shape: [{text}]}}`"
        )
    else:
        text = ", ".join("null" if size is None else str(size) for size in sample)
        hint = f"add the shape of one sample, such as `input: {{shape: [{text}]}}`"
    kind = type(model).__name__
    return InputsRefusal(f"`{kind}` does not say what input it takes{known}", hint=hint)


def _shape_when_built(model: Any) -> tuple[int | None, ...] | None:
    """Return the shape of the one input a model was called with; None if that is not known."""
    shapes = model.get_build_config() if getattr(model, "built", False) else None
    given = shapes.get("input_shape") if shapes else None
    if isinstance(given, (tuple, list)) and all(n is None or isinstance(n, int) for n in given):
        return tuple(given)
    return None


def wrapped(request: BuildRequest, model: Any, fitted: FittedInputs) -> Any:
    """Return a functional model around a layer or model, called with one tensor or a list.

    Raises:
        LayerRefusal: the layer cannot be called with these inputs.
    """
    if has_graph(model):
        own = tuple(model.inputs[position] for position in fitted.positions)
        return functional(own, tuple(model.outputs), request.spec.name)
    tensors = input_tensors(fitted.inputs, request.precision, taken=frozenset({model.name}))
    kind = type(model).__name__
    try:
        named = dict(zip((spec.name for spec in fitted.inputs), tensors, strict=True))
        outputs = flat_outputs(apply_by_name(model, kind, named), model.name)
    except Exception as error:  # whatever Keras raises is its refusal
        raise_if_out_of_memory(error, f"while `{model.name}` was built")
        raise LayerRefusal(
            error, model.name, LayerSpec(kind), tensors, WiredGraph(tensors)
        ) from error
    return functional(tensors, outputs, request.spec.name)
