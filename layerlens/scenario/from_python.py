"""Turn arguments passed in Python into parts of a scenario."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

from layerlens.errors import ScenarioError, UsageError
from layerlens.fault_codes import Code
from layerlens.plain.numbers import GREATEST
from layerlens.scenario.faults import suggestion
from layerlens.scenario.files import SAVED_SUFFIXES
from layerlens.scenario.from_arguments import compared_weights, is_model, model_spec_of
from layerlens.scenario.spec import InputSpec, ModelSpec, Tolerance, TransferRule
from layerlens.vocabulary import (
    MODES,
    TRANSFER_METHODS,
    WEIGHTS,
    Mode,
    TransferMethod,
    Weights,
)

Inputs = Sequence[int | None] | Mapping[str, Any] | Sequence[InputSpec] | None

A_MODEL_IS = (
    "a model is a Keras model, a layer, a callable that returns one, the path of a saved "
    f"{', '.join(SAVED_SUFFIXES)}, or the text `path/to/file.py:callable` or `module:callable`"
)


def model_spec(name: str, model: Any, inputs: Inputs) -> ModelSpec:
    """Return the spec of a model, layer, callable or path of a saved model.

    Raises:
        UsageError: it is none of these, or a layer without `inputs`.
    """
    if isinstance(model, (str, Path)) and Path(model).suffix in SAVED_SUFFIXES:
        return ModelSpec(name, "file", file=str(model))
    if isinstance(model, (str, Path)) and is_model(str(model)):
        try:
            return replace(model_spec_of(str(model), name), where=None)
        except ScenarioError as error:
            raise UsageError(error.message, hint=error.hint, code=error.code) from error
    if not callable(model):
        what = (
            f"{str(model)!r}"
            if isinstance(model, (str, Path))
            else f"of type {type(model).__name__}"
        )
        raise UsageError(
            f"{name!r} is {what}, which is not a model", hint=A_MODEL_IS, code=Code.NOT_A_MODEL
        )
    if inputs is None and is_bare_layer(model):
        raise UsageError(
            f"{name!r} is a {type(model).__name__} layer, which has no input",
            hint="give inputs=, the shape of one sample, as in inputs=[64, 15]",
            code=Code.NOT_A_MODEL,
        )
    return ModelSpec(name, "object", given=model)


def is_bare_layer(model: Any) -> bool:
    """Return whether an object is a Keras layer that is no model, and so has no input."""
    bases = _keras_bases(model)
    return "Layer" in bases and "Model" not in bases


def lacks_inputs(model: Any) -> bool:
    """Return whether an object is a Keras layer, or a model that does not say what it takes."""
    if "Layer" not in _keras_bases(model):
        return False
    try:
        return not getattr(model, "inputs", None)
    except (AttributeError, ValueError):  # ValueError: an unbuilt Sequential of Keras 3.5
        return True


def _keras_bases(model: Any) -> set[str]:
    return {base.__name__ for base in type(model).__mro__ if base.__module__.startswith("keras.")}


def input_specs(inputs: Any) -> tuple[InputSpec, ...]:
    """Read inputs by the rules of a scenario's `input:` and `inputs:`.

    Raises:
        UsageError: they break a rule.
    """
    if inputs is None:
        return ()
    if isinstance(inputs, str) or not isinstance(inputs, (Mapping, Sequence)):
        raise UsageError(
            f"inputs={inputs!r} is not an input",
            hint="give the shape of one sample, as in inputs=[64, 15], or a mapping of several",
            code=Code.BAD_ARGUMENT,
        )
    if inputs and all(isinstance(item, InputSpec) for item in inputs):
        return tuple(inputs)
    if not isinstance(inputs, Mapping):
        if any(isinstance(item, (Mapping, Sequence)) for item in inputs):
            raise UsageError(
                f"inputs={inputs!r} is not the shape of one input",
                hint="name several, as in inputs={'x': [4], 'y': [4]}",
                code=Code.BAD_ARGUMENT,
            )
        return _read_inputs(input={"shape": list(inputs)})
    if {"shape", "values"} & set(inputs):
        return _read_inputs(input=inputs)
    several = {
        str(name): spec if isinstance(spec, Mapping) else {"shape": spec}
        for name, spec in inputs.items()
    }
    return _read_inputs(inputs=several)


def _read_inputs(**written: Any) -> tuple[InputSpec, ...]:
    from layerlens.scenario.reading.scenarios import scenario_from_mapping

    unread = {"model": {"python": "not:called"}}
    try:
        (scenario,) = scenario_from_mapping({**written, "models": unread}, least_models=1)
    except ScenarioError as error:
        hint = error.hint.replace("`null`", "None") if error.hint else None
        raise UsageError(f"inputs=: {error.message}", hint=hint, code=error.code) from error
    return scenario.inputs


def checked_modes(mode: Mode | Sequence[Mode]) -> tuple[Mode, ...]:
    """Return the modes as a tuple, each once; raise UsageError for an unknown one."""
    modes: tuple[Mode, ...] = (mode,) if isinstance(mode, str) else tuple(mode)
    if not modes:
        raise UsageError(
            "mode= is not a mode",
            hint=f"give one or both of {', '.join(MODES)}",
            code=Code.BAD_ARGUMENT,
        )
    for one in modes:
        check_choice("mode", one, MODES)
    return tuple(dict.fromkeys(modes))


def checked_tolerance(tolerance: Any) -> Tolerance | None:
    """Return a pair (rtol, atol) as a Tolerance; raise UsageError if it is not one."""
    if tolerance is None:
        return None
    pair = tuple(tolerance) if isinstance(tolerance, (tuple, list)) else ()
    if len(pair) != 2 or not all(
        isinstance(n, (int, float)) and not isinstance(n, bool) and 0 <= n < inf for n in pair
    ):
        raise UsageError(
            f"tolerance={tolerance!r} is not a tolerance",
            hint="give (rtol, atol), two numbers of at least 0, or omit it",
            code=Code.BAD_ARGUMENT,
        )
    return Tolerance(*pair)


def checked_seed(seed: Any) -> int:
    """Return a seed as an int; raise UsageError unless it is an integer of 64 bits."""
    number = None
    if not isinstance(seed, bool) and isinstance(seed, Integral):
        number = int(seed)
    if number is None or not 0 <= number <= GREATEST:
        huge = number is not None and abs(number) > GREATEST
        shown = f"a number of {number.bit_length():,} bits" if number and huge else repr(seed)
        hint = f"give an integer from 0 to {GREATEST}"
        raise UsageError(f"seed={shown} is not a seed", hint=hint, code=Code.BAD_ARGUMENT)
    return number


def transfer_rule(transfer: TransferMethod | Mapping[str, Any]) -> TransferRule:
    """Return how weights are copied: a method, or a mapping as in a scenario's `transfer:`.

    Raises:
        UsageError: there is no such method.
        ScenarioError: the mapping is at fault.
    """
    if not isinstance(transfer, Mapping):
        check_choice("transfer", transfer, TRANSFER_METHODS)
        return transfer
    from layerlens.scenario.reading.scenarios import transfer_from_mapping

    return transfer_from_mapping(transfer)


def checked_weights(
    models: Iterable[Any], asked: Weights | None, transfer: TransferRule
) -> Weights:
    """Return what is compared of models: also the saved weights if all are files with weights.

    Raises:
        UsageError: the value is unknown, or saved weights are asked for and a file has none.
    """
    check_choice("weights", asked, WEIGHTS)
    models = list(models)
    paths = [str(model) for model in models if isinstance(model, (str, Path))]
    if asked == "saved" and transfer == "none":
        raise UsageError(
            "weights='saved' needs weights to be carried over, and transfer='none' carries none",
            hint="leave out one of the two",
        )
    if asked is not None:
        return compared_weights(paths, asked)
    if transfer == "none" or len(paths) < len(models):
        return "carried"
    return compared_weights(paths)


def check_choice(
    name: Literal["effort", "expect", "mode", "transfer", "weights"],
    value: Any,
    allowed: Sequence[str],
) -> None:
    """Raise UsageError unless the value of an argument is None or allowed."""
    if value is not None and value not in allowed:
        raise UsageError(
            f"{name}={value!r} is not allowed",
            hint=suggestion(str(value), allowed),
            code=Code.BAD_ARGUMENT,
        )
