"""The numbers in a model's configuration: as float32 holds them, moved, and which two models share.

Some layers round their constants to float32 whatever the dtype policy says (a slope, a scale). So a
number and its float32 are the same constant; two numbers that float32 tells apart are not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from layerlens.models.build.request import Built
from layerlens.models.inspect.configuration import configuration_of
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.scenario.spec import LayerSpec, ModelSpec

#: Returns the number that a model is built with in the place of another.
NumberChange = Callable[[float], float]

#: Arguments whose numbers do not reach the outputs that are compared.
_BESIDE = ("_initializer", "_regularizer", "_constraint", "momentum", "rate", "dropout", "seed")
#: Parts of a saved description that are no arguments of layers.
_NO_ARGUMENTS = ("compile_config", "build_config", "dtype", "registered_name", "module", "name")
#: The greatest number of float32.
LARGEST = float(np.finfo(np.float32).max)
#: Two numbers this close, relative to their size, are taken for one constant written in two ways.
NEAR = 2.0**-14


def as_float32(value: float) -> float:
    """Return a number as float32 holds it; one beyond its range stays as it is."""
    return float(np.float32(value)) if abs(value) <= LARGEST else value


def move_constants(constants: Collection[float]) -> NumberChange:
    """Return what moves constants to the next number of float32, and rounds all others."""

    def moved(value: float) -> float:
        held = as_float32(value)
        if abs(held) not in constants:
            return held
        further = np.nextafter(np.float32(abs(held)), np.float32(np.inf))
        return float(np.copysign(further, held))

    return moved


def constant_groups(constants: Collection[float], most: int) -> list[frozenset[float]]:
    """Return constants one by one; where there are more than `most`, the last ones together."""
    ordered = sorted(constants)
    groups = [frozenset({one}) for one in ordered[: most - 1]]
    rest = frozenset(ordered[most - 1 :])
    return [*groups, rest] if rest else groups


def spec_with_numbers(spec: ModelSpec, change: NumberChange) -> ModelSpec | None:
    """Change the numbers of a model's layers, those left to Keras' defaults included.

    Numbers that float32 holds exactly are no rounded constants and stay. None where nothing is
    changed, or where the model is not described layer by layer.
    """
    if spec.form not in ("layers", "graph"):
        return None
    layers = tuple(_changed_layer(layer, change) for layer in spec.layers)
    nodes = tuple(
        replace(node, layer=_changed_layer(node.layer, change)) if node.layer is not None else node
        for node in spec.nodes
    )
    if (layers, nodes) == (spec.layers, spec.nodes):
        return None
    return replace(spec, layers=layers, nodes=nodes, weights={})


def config_with_numbers(config: Any, change: NumberChange, key: str = "") -> Any:
    """Return a serialised Keras model with its numbers changed."""
    if key.endswith(_BESIDE) or key in _NO_ARGUMENTS:
        return config
    if isinstance(config, Mapping):
        return {name: config_with_numbers(item, change, name) for name, item in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(config_with_numbers(item, change, key) for item in config)
    return _changed_number(config, change) if isinstance(config, float) else config


def one_sided_constants(
    reference: Built, candidate: Built
) -> tuple[frozenset[float], frozenset[float]]:
    """Return the constants that float32 rounds, as its sizes, and that only one of two models has.

    A constant of which the other model has one nearly as large is the same in another value: that
    is what the two differ in, and no matter of how a formula is written.
    """
    ours, theirs = (list(constants_of(one)) for one in (reference, candidate))
    return _without_partner(ours, theirs), _without_partner(theirs, ours)


def _without_partner(own: Sequence[float], others: Sequence[float]) -> frozenset[float]:
    rounded = {abs(value) for value in own if as_float32(value) != value}
    return frozenset(
        as_float32(size)
        for size in rounded
        if not any(abs(abs(other) - size) <= NEAR * size for other in others)
    )


def constants_of(built: Built) -> Iterator[float]:
    """Yield the numbers in the configurations of a model's layers."""
    for layer in flat_layers(built.model):
        yield from _numbers_in(configuration_of(layer).values)


def _numbers_in(value: Any, key: str = "") -> Iterator[float]:
    if key.endswith(_BESIDE) or key in _NO_ARGUMENTS or isinstance(value, bool):
        return
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers_in(item, str(name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers_in(item, key)
    elif isinstance(value, (int, float)) and abs(value) <= LARGEST:
        yield float(value)


def _changed_layer(layer: LayerSpec, change: NumberChange) -> LayerSpec:
    given = {**_defaults(layer), **layer.arguments}
    arguments = {
        key: value if key.endswith(_BESIDE) else _changed(value, change)
        for key, value in given.items()
    }
    if all(arguments[key] == given[key] for key in given):
        return layer
    return replace(layer, arguments=arguments)


def _defaults(layer: LayerSpec) -> dict[str, float]:
    """Return the numbers that a layer has unless told otherwise, and that float32 has to round."""
    kind = getattr(keras.layers, layer.type, None)
    if kind is None:
        return {}
    return {
        name: parameter.default
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if isinstance(parameter.default, float)
        and as_float32(parameter.default) != parameter.default
    }


def _changed(value: Any, change: NumberChange) -> Any:
    if isinstance(value, float):
        return _changed_number(value, change)
    if isinstance(value, LayerSpec):
        return _changed_layer(value, change)
    if isinstance(value, Mapping):
        return {
            key: item if str(key).endswith(_BESIDE) else _changed(item, change)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return type(value)(_changed(item, change) for item in value)
    return value


def _changed_number(value: float, change: NumberChange) -> float:
    return value if as_float32(value) == value else change(value)
