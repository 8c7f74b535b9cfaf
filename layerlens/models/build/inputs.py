"""Match the inputs of a finished model with those of the scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from layerlens.models.build.precision import Precision
from layerlens.models.inspect.input_order import own_input_names, positions_by_name, takes_mapping
from layerlens.report.layers import ModelError
from layerlens.scenario.spec import InputSpec, Shape

_HINT = "give this model its own `input:`, or save it with inputs of the scenario's shape"


class InputsRefusal(Exception):  # noqa: N818 (it becomes a result, not an error)
    """The scenario's inputs do not fit those of a finished model."""

    def __init__(self, message: str, hint: str = _HINT) -> None:
        super().__init__(message)
        self.error = ModelError(None, message, hint)


@dataclass(frozen=True)
class FittedInputs:
    """The inputs with which a model runs, and the input layers that need another shape."""

    #: In the order in which the model is called.
    inputs: tuple[InputSpec, ...]
    #: The position of each among the model's own inputs.
    positions: tuple[int, ...] = ()
    #: The model's own names of the inputs.
    names: tuple[str, ...] = ()
    #: The same names in the model's own order; empty if the model takes a mapping.
    listed: tuple[str, ...] = ()
    #: The new batch shapes of input layers, by the name of the layer.
    changes: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)


def has_graph(model: Any) -> bool:
    """Return whether a model is a graph from inputs to outputs, without a `call` of its own."""
    if not isinstance(model, keras.Model):
        return False
    calls = next(kind for kind in type(model).__mro__ if "call" in vars(kind))
    if not calls.__module__.startswith("keras.") or calls in (keras.Model, keras.Layer):
        return False
    try:
        return bool(model.outputs)
    except (AttributeError, ValueError):  # ValueError: an unbuilt Sequential of Keras 3.5
        return False


def fit_inputs(
    given: tuple[InputSpec, ...],
    model: Any,
    precision: Precision,
    fed_as: Sequence[str] = (),
    *,
    given_to_all: bool = True,
) -> FittedInputs:
    """Pair a model's own inputs with the scenario's, by name if the names agree, else in order.

    An open axis of the model takes the scenario's length.

    Args:
        given: the scenario's inputs; without any, the model's own are used.
        model: a model with inputs and outputs of its own.
        precision: the precision in which the model was built.
        fed_as: names of the reference's inputs; a model with the same names takes its inputs in
            this order.
        given_to_all: whether the scenario gives the reference the same inputs.

    Raises:
        InputsRefusal: the number of inputs, a rank, a length or the kind of dtype differs.
    """
    names = own_input_names(model, fed_as)
    own = tuple(
        _own_input(tensor, name, precision)
        for tensor, name in zip(model.inputs, names, strict=True)
    )
    places = positions_by_name(names, fed_as)
    if not given:
        specs, positions = own, tuple(range(len(own)))
    elif len(own) != len(given):
        raise InputsRefusal(
            f"the model takes {_listed(own)}, but the scenario gives {_listed(given)}"
        )
    elif places is not None and given_to_all:
        specs, positions = given, places
    else:
        specs, positions = given, _positions(names, model, given)
    if places is None and not given_to_all:
        order = positions_by_name([spec.name for spec in specs], fed_as)
    else:
        order = None if places is None else tuple(map(positions.index, places))
    if order is not None:
        specs = tuple(specs[place] for place in order)
        positions = tuple(positions[place] for place in order)
    inputs = tuple(
        _fitted(own[position], theirs) for position, theirs in zip(positions, specs, strict=True)
    )
    changes = {
        str(model.inputs[position].name): (model.inputs[position].shape[0], *fitted.shape)
        for position, fitted in zip(positions, inputs, strict=True)
        if own[position].shape != fitted.shape
    }
    return FittedInputs(
        inputs,
        positions,
        tuple(names[position] for position in positions),
        () if takes_mapping(model) else names,
        changes,
    )


def scenario_inputs(given: tuple[InputSpec, ...], fed_as: Sequence[str]) -> FittedInputs:
    """Return the scenario's inputs, in the reference's order if the names are the same."""
    names = tuple(spec.name for spec in given)
    places = positions_by_name(names, fed_as) or tuple(range(len(given)))
    return FittedInputs(
        tuple(given[place] for place in places),
        places,
        tuple(names[place] for place in places),
        names,
    )


def _positions(names: Sequence[str], model: Any, given: tuple[InputSpec, ...]) -> tuple[int, ...]:
    """Return the position of each of the scenario's inputs among the model's own."""
    wanted = [spec.name for spec in given]
    for known in (list(names), [str(tensor.name) for tensor in model.inputs]):
        if set(known) == set(wanted):
            return tuple(map(known.index, wanted))
    return tuple(range(len(given)))


def with_shapes(config: Any, changes: Mapping[str, tuple[int | None, ...]]) -> Any:
    """Return a serialized model with other batch shapes in its input layers."""
    if not changes:
        return config

    def changed(layer: Any) -> Any:
        inner = layer.get("config", {})
        if layer.get("class_name") != "InputLayer" or inner.get("name") not in changes:
            return layer
        kept = {key: item for key, item in inner.items() if key != "batch_input_shape"}
        return {**layer, "config": {**kept, "batch_shape": list(changes[inner["name"]])}}

    layers = [changed(layer) for layer in config["config"]["layers"]]
    return {**config, "config": {**config["config"], "layers": layers}}


def _own_input(tensor: Any, name: str, precision: Precision) -> InputSpec:
    # A float64 model declares every floating input float64; the drawn inputs stay float32.
    widened = precision == "float64" and tensor.dtype == "float64"
    return InputSpec(name, tuple(tensor.shape[1:]), "float32" if widened else tensor.dtype)


def _fitted(mine: InputSpec, theirs: InputSpec) -> InputSpec:
    name = mine.name
    if _kind(mine.dtype) != _kind(theirs.dtype):
        raise InputsRefusal(
            f"input `{name}` of the model is {mine.dtype}, but the scenario gives {theirs.dtype}",
            hint=f"write `dtype: {mine.dtype}` in the input",
        )
    if len(mine.shape) != len(theirs.shape):
        raise InputsRefusal(
            f"input `{name}` of the model has shape {_batched(mine.shape)}, but the scenario "
            f"gives {_batched(theirs.shape)}: {len(theirs.shape) + 1} axes instead of "
            f"{len(mine.shape) + 1}"
        )
    lengths = zip(mine.shape, theirs.shape, strict=True)
    if any(own is not None and own != given for own, given in lengths):
        raise InputsRefusal(
            f"input `{name}` of the model has shape {_batched(mine.shape)}, but the scenario "
            f"gives {_batched(theirs.shape)}"
        )
    return replace(theirs, dtype=mine.dtype if _kind(mine.dtype) == "float" else theirs.dtype)


def _kind(dtype: str) -> str:
    if dtype.startswith(("int", "uint")):
        return "int"
    return "float" if dtype.startswith(("float", "bfloat")) else dtype


def _listed(inputs: list[InputSpec] | tuple[InputSpec, ...]) -> str:
    named = ", ".join(f"`{item.name}` {_batched(item.shape)}" for item in inputs)
    return f"{len(inputs)} input{'s' if len(inputs) > 1 else ''} ({named})"


def _batched(shape: Shape) -> str:
    return f"({', '.join(str(length) for length in (None, *shape))})"
