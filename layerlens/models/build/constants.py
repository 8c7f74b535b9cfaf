"""Find and change the numbers in the configuration of a model.

Some layers round their constants to float32 under every dtype policy (a slope, a scale). So a
number and its float32 count as the same constant; numbers with different float32 do not.
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

#: Maps each number of a configuration to the number that replaces it.
NumberChange = Callable[[float], float]

#: Endings of arguments whose numbers do not affect the compared outputs.
_WITHOUT_EFFECT = (
    "_initializer",
    "_regularizer",
    "_constraint",
    "momentum",
    "rate",
    "dropout",
    "seed",
)
#: Keys of a saved description that are not arguments of layers.
_NO_ARGUMENTS = ("compile_config", "build_config", "dtype", "registered_name", "module", "name")
#: The largest float32 number.
LARGEST = float(np.finfo(np.float32).max)
#: The relative distance up to which two numbers count as one constant written in two ways.
NEAR = 2.0**-14


def as_float32(value: float) -> float:
    """Return a number rounded to float32; unchanged beyond its range."""
    return float(np.float32(value)) if abs(value) <= LARGEST else value


def move_constants(constants: Collection[float]) -> NumberChange:
    """Return a change that moves these constants to the next float32, and rounds all others."""

    def moved(value: float) -> float:
        held = as_float32(value)
        if abs(held) not in constants:
            return held
        further = np.nextafter(np.float32(abs(held)), np.float32(np.inf))
        return float(np.copysign(further, held))

    return moved


def constant_groups(constants: Collection[float], most: int) -> list[frozenset[float]]:
    """Return at most `most` groups of constants: one each, and the last with all the rest."""
    ordered = sorted(constants)
    groups = [frozenset({one}) for one in ordered[: most - 1]]
    rest = frozenset(ordered[most - 1 :])
    return [*groups, rest] if rest else groups


def spec_with_numbers(spec: ModelSpec, change: NumberChange) -> ModelSpec | None:
    """Change the numbers in a model's layers, including Keras' defaults.

    Numbers that float32 holds exactly stay. None where nothing changes, or where the model is not
    described layer by layer.
    """
    if spec.form not in ("layers", "graph"):
        return None
    changed = _changed_model(spec, change)
    return replace(changed, weights={}) if changed != spec else None


def config_with_numbers(config: Any, change: NumberChange, key: str = "") -> Any:
    """Return a serialized Keras model with its numbers changed."""
    if key.endswith(_WITHOUT_EFFECT) or key in _NO_ARGUMENTS:
        return config
    if isinstance(config, Mapping):
        return {name: config_with_numbers(item, change, name) for name, item in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(config_with_numbers(item, change, key) for item in config)
    return _changed_number(config, change) if isinstance(config, float) else config


def one_sided_constants(
    reference: Built, candidate: Built
) -> tuple[frozenset[float], frozenset[float]]:
    """Return the magnitudes of rounded constants that only the one or the other model has.

    A constant that is close to one of the other model is left out: there the models have different
    values of one constant, not different formulas.
    """
    return without_partners(*(list(constants_of(one)) for one in (reference, candidate)))


def without_partners(
    ours: Sequence[float], theirs: Sequence[float]
) -> tuple[frozenset[float], frozenset[float]]:
    """Return the magnitudes of rounded constants that are only in one of two lists."""
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
        yield from numbers_of(layer)


def numbers_of(layer: Any) -> Iterator[float]:
    """Yield the numbers in the configuration of one layer that its outputs may depend on."""
    yield from _numbers_in(configuration_of(layer).values)


def _numbers_in(value: Any, key: str = "") -> Iterator[float]:
    if key.endswith(_WITHOUT_EFFECT) or key in _NO_ARGUMENTS or isinstance(value, bool):
        return
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers_in(item, str(name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers_in(item, key)
    elif isinstance(value, (int, float)) and abs(value) <= LARGEST:
        yield float(value)


def _changed_model(spec: ModelSpec, change: NumberChange) -> ModelSpec:
    layers = tuple(_changed_layer(layer, change) for layer in spec.layers)
    nodes = tuple(
        replace(node, layer=_changed_layer(node.layer, change)) if node.layer is not None else node
        for node in spec.nodes
    )
    return replace(spec, layers=layers, nodes=nodes)


def _changed_layer(layer: LayerSpec, change: NumberChange) -> LayerSpec:
    if layer.model is not None:
        return replace(layer, model=_changed_model(layer.model, change))
    given = {**_defaults(layer), **layer.arguments}
    arguments = {
        key: value if key.endswith(_WITHOUT_EFFECT) else _changed(value, change)
        for key, value in given.items()
    }
    if all(arguments[key] == given[key] for key in given):
        return layer
    return replace(layer, arguments=arguments)


def _defaults(layer: LayerSpec) -> dict[str, float]:
    """Return the default numbers of a layer that float32 rounds."""
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
            key: item if str(key).endswith(_WITHOUT_EFFECT) else _changed(item, change)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return type(value)(_changed(item, change) for item in value)
    return value


def _changed_number(value: float, change: NumberChange) -> float:
    return value if as_float32(value) == value else change(value)
