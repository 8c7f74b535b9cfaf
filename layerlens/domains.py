"""Built models become the domains that probes are drawn from: lengths, ranges, words, constants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from layerlens.building import Built
from layerlens.probes import Domain
from layerlens.scenario import InputSpec

#: Lengths to try where an axis is variable; the first that the reference takes is the base.
BASE_LENGTHS: tuple[int, ...] = (7, 12, 24, 48, 96, 3, 1)
#: Further (batch, length) combinations: batch larger, smaller and equal to the length.
COMBINATIONS: tuple[tuple[int, int], ...] = ((5, 3), (2, 11), (4, 4), (3, 1), (1, 8))

#: Arguments that bound integer inputs from above.
_RANGE_ARGUMENTS = ("input_dim", "num_tokens")
#: Arguments whose value, even as an integer, is a place where a layer changes its mind.
_THRESHOLD_ARGUMENTS = (
    "max_value",
    "min_value",
    "threshold",
    "value",
    "mask_value",
    "bin_boundaries",
)


def fixed_domains(built: Sequence[Built], length: int) -> tuple[Domain, ...]:
    """Return the domains of the models' common inputs, variable axes set to `length`."""
    return tuple(
        _domain(spec, position, built, length) for position, spec in enumerate(built[0].inputs)
    )


def has_variable_axis(built: Built) -> bool:
    return any(None in spec.shape for spec in built.inputs)


def config_constants(built: Sequence[Built]) -> tuple[float, ...]:
    """Return the numbers in the layers' configurations at which inputs are worth trying."""
    found: dict[float, None] = {}
    for one in built:
        for layer in flat_layers(one.model):
            for value in _constants(layer.get_config()):
                if 1e-6 <= abs(value) <= 1e6:
                    found.setdefault(value)
    return tuple(list(found)[:32])


def mask_values(built: Sequence[Built]) -> tuple[float, ...]:
    """Return the values other than 0 that a Masking layer takes for padding."""
    found = {
        float(layer.mask_value)
        for one in built
        for layer in flat_layers(one.model)
        if isinstance(getattr(layer, "mask_value", None), (int, float))
    }
    return tuple(sorted(found - {0.0}))


def flat_layers(model: Any) -> Iterator[Any]:
    """Yield every layer of a model, the ones that wrappers hold among them."""
    yield from model._flatten_layers(include_self=False)


def _domain(spec: InputSpec, position: int, built: Sequence[Built], length: int) -> Domain:
    shape = tuple(length if n is None else n for n in spec.shape)
    low = spec.low if spec.low is not None else 0
    high = spec.high
    if high is None:
        limits = [limit for one in built for limit in _limits(one, position)]
        high = min(limits) if limits else (256 if spec.dtype == "uint8" else max(low + 10, 10))
    return Domain(spec, shape, low, max(high, low + 1), _words(built, spec))


def _limits(built: Built, position: int) -> Iterator[int]:
    """Yield the ranges of the layers that take this input; of all layers where none does so."""
    source = built.model.inputs[position]
    direct, anywhere = [], []
    for layer in flat_layers(built.model):
        limit = next(
            (
                int(value)
                for name in _RANGE_ARGUMENTS
                if isinstance(value := getattr(layer, name, None), int)
            ),
            None,
        )
        if limit is None:
            continue
        anywhere.append(limit)
        nodes = getattr(layer, "_inbound_nodes", ())
        if any(tensor is source for node in nodes for tensor in node.input_tensors):
            direct.append(limit)
    yield from direct or anywhere


def _words(built: Sequence[Built], spec: InputSpec) -> tuple[str, ...]:
    if spec.dtype != "string":
        return ()
    words = {""}
    for one in built:
        for layer in flat_layers(one.model):
            vocabulary = getattr(layer, "get_vocabulary", None)
            if vocabulary is not None:
                words.update(str(word) for word in vocabulary())
    return (*sorted(words), "unknown word", "Mixed CASE, punctuated!")


def _constants(value: Any, key: str = "") -> Iterator[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, float) or (isinstance(value, int) and key in _THRESHOLD_ARGUMENTS):
        yield float(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            if not name.endswith(("_initializer", "_regularizer", "_constraint")):
                yield from _constants(item, name)
    elif isinstance(value, (list, tuple)) and key in _THRESHOLD_ARGUMENTS:
        for item in value:
            yield from _constants(item, key)
