"""The domains of a model's inputs: lengths, ranges, words and constants."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations, islice
from math import lcm
from types import MappingProxyType
from typing import Any

import numpy as np

from layerlens.models.build.request import Built, Frozen
from layerlens.models.execute.receptive_field import whole_numbers_in
from layerlens.models.execute.user_functions import numbers_in_functions, users_methods
from layerlens.models.inspect.configuration import configuration_of
from layerlens.models.inspect.nested_layers import flat_layers, operation_nodes
from layerlens.models.inspect.shapes import agree
from layerlens.models.keras_errors.text import counted
from layerlens.numerics.probes import Domain
from layerlens.scenario.chunks import has_time_axis
from layerlens.scenario.spec import InputSpec

#: Lengths to try on a variable axis; the first that the reference takes is the base.
BASE_LENGTHS: tuple[int, ...] = (7, 12, 24, 48, 96, 3, 1)
#: Further (batch, length) combinations: batch larger, smaller and equal to the length.
COMBINATIONS: tuple[tuple[int, int], ...] = ((5, 3), (2, 11), (4, 4), (3, 1), (1, 8))

#: Arguments that bound integer inputs from above.
_RANGE_ARGUMENTS = ("input_dim", "num_tokens")
#: Arguments whose value, even an integer, is an input at which the output of a layer may jump.
_THRESHOLD_ARGUMENTS = (
    "max_value",
    "min_value",
    "threshold",
    "value",
    "mask_value",
    "bin_boundaries",
)


#: Arguments that have no effect in inference.
_IN_TRAINING = ("rate", "stddev", "dropout", "recurrent_dropout", "momentum")

#: The most numbers to try as counts, and the largest number too small to be one.
MOST_COUNTS = 6
MOST_ALIKE = 4
#: Prefixes of attributes in which Keras stores integers in every layer.
_OF_KERAS = ("_build_shapes_dict", "_self_")
#: The most numbers read from one layer, which may hold a vocabulary.
MOST_LOOKED_AT = 10_000

#: The range of float32, outside which no input lies.
LEAST_CONSTANT, GREATEST_CONSTANT = map(float, (np.finfo("f4").tiny, np.finfo("f4").max))
MOST_CONSTANTS, FEW_CONSTANTS = 32, 6
#: The bound of integers without another bound; float32 holds each of them exactly.
FAR_INTEGER = 2**20
#: The most words of a vocabulary to try.
MOST_WORDS = 256
#: The depth up to which lists and mappings of a layer are read; some contain themselves.
_DEEPEST = 12


def fixed_domains(
    built: Sequence[Built], length: int, lengths: Mapping[int, int] = MappingProxyType({})
) -> tuple[Domain, ...]:
    """Return the domains of the models' common inputs, with variable axes of `length`.

    `lengths` overrides it for single axes, by number with the batch axis 0.
    """
    return tuple(
        _domain(spec, position, built, length, lengths)
        for position, spec in enumerate(built[0].inputs)
    )


def has_variable_axis(built: Built) -> bool:
    return any(None in spec.shape for spec in built.inputs)


def longest_of(built: Sequence[Built]) -> int | None:
    """Return the greatest length to compare at; None is any."""
    found = [spec.longest for one in built for spec in one.inputs if spec.longest is not None]
    return min(found, default=None)


def config_constants(built: Sequence[Built], in_graphs: Iterable[float] = ()) -> tuple[float, ...]:
    """Return the numbers in the layers at which the outputs may jump, to use as inputs.

    They come from configurations, from the code and attributes of layers that Keras does not
    define, and from weights with few values in the scenario. If there are few, their quotients,
    sums and differences are added: a threshold behind `2x - 6` is reached at 3. `in_graphs` are
    numbers in traced graphs, which come last.
    """
    found: dict[float, None] = {}
    for one in built:
        for value in (*_described(one), *_given_weights(one)):
            if LEAST_CONSTANT <= abs(value) <= GREATEST_CONSTANT:
                found.setdefault(value)
    plain = list(found)[:MOST_CONSTANTS]
    if len(plain) <= FEW_CONSTANTS:
        found.update(dict.fromkeys(_combined(plain)))
    found.update(dict.fromkeys(in_graphs))
    return tuple(list(found)[: 2 * MOST_CONSTANTS])


def possible_counts(built: Sequence[Built]) -> tuple[int, ...]:
    """Return integers from which a number of samples or steps may matter, each with its successor.

    For layers that Keras does not define, they come from their attributes, code and closures, and
    the shapes of their weights; for operations of `keras.ops`, from what they are called with.
    """
    found: dict[int, None] = {}
    for one in built:
        for layer in flat_layers(one.model):
            found.update(dict.fromkeys(foreign_layer_numbers(layer)))
        found.update(dict.fromkeys(_counts_among(_operation_numbers(one))))
    greatest = sorted(found, reverse=True)[:MOST_COUNTS]
    return tuple(dict.fromkeys(near for n in greatest for near in (n, n + 1)))


def foreign_layer_numbers(layer: Any) -> Iterator[int]:
    """Yield the integers above MOST_ALIKE in a layer; none if Keras defines the layer."""
    if not is_foreign(layer):
        return
    own = [value for name, value in vars(layer).items() if not name.startswith(_OF_KERAS)]
    shapes = [tuple(weight.shape) for weight in getattr(layer, "weights", ())]
    numbers = chain(whole_numbers_in([own, shapes]), _numbers_in_code(layer))
    yield from _counts_among(islice(numbers, MOST_LOOKED_AT))


def _counts_among(numbers: Iterable[float]) -> Iterator[int]:
    for n in numbers:
        if MOST_ALIKE < abs(n) < FAR_INTEGER and float(n).is_integer():
            yield int(abs(n))


def _numbers_in_code(layer: Any) -> Iterator[float]:
    """Yield the numbers in the code of a layer's own methods, or of its function."""
    function = getattr(layer, "function", None)
    if function is not None:
        yield from numbers_in_functions([function])
        yield from whole_numbers_in(getattr(layer, "arguments", None))
    methods = users_methods(type(layer))
    yield from numbers_in_functions(methods.values(), methods)


def written_numbers(built: Built) -> frozenset[float]:
    """Return every floating number in the layers' descriptions, as written."""
    return frozenset(_described(built))


def mask_values(built: Sequence[Built]) -> tuple[float, ...]:
    """Return the values other than 0 that a Masking layer treats as padding."""
    found = {
        float(layer.mask_value)
        for one in built
        for layer in flat_layers(one.model)
        if isinstance(getattr(layer, "mask_value", None), (int, float))
    }
    return tuple(sorted(found - {0.0}))


def has_foreign_layers(built: Built) -> bool:
    """Return whether Keras does not define every layer, or a layer runs a function of the user."""
    return any(map(is_foreign, flat_layers(built.model)))


def is_foreign(layer: Any) -> bool:
    """Return whether Keras does not define a layer, or it runs a function of the user."""
    return not type(layer).__module__.startswith("keras.") or type(layer).__name__ == "Lambda"


def _domain(
    spec: InputSpec,
    position: int,
    built: Sequence[Built],
    length: int,
    lengths: Mapping[int, int],
) -> Domain:
    shape = _narrowest([one.inputs[position].shape for one in built], length, lengths)
    if spec.shape[:1] == (None,) and has_time_axis(spec):
        # Chunks of equal length; an axis that is open in all models has no other bound.
        pieces = lcm(*(one.spec.chunks or 1 for one in built))
        is_open = all(one.inputs[position].shape[:1] == (None,) for one in built)
        if is_open:
            shape = (_cut_length(shape[0], pieces, longest_of(built)), *shape[1:])
    direct = [limit for one in built for limit in _limits(one, position, direct=True)]
    limit = look_up_limit(built, position)
    low, high = spec.low, spec.high
    widest = (low if low is not None else -FAR_INTEGER, high if high is not None else FAR_INTEGER)
    if limit is not None or any(map(has_foreign_layers, built)) or not spec.dtype.startswith("int"):
        widest = (low if low is not None else 0, high if high is not None else 0)
    if low is None:  # integers to be looked up start at 0; others have either sign
        low = -10 if widest[0] < 0 and high is None else 0
    if high is None:
        high = limit if limit is not None else 256 if spec.dtype == "uint8" else max(low + 10, 10)
    # Keras' inputs are floating by default, also before a layer that looks integers up.
    tokens = bool(direct) and spec.dtype.startswith("float")
    high = max(high, low + 1)
    widest = (min(widest[0], low), max(widest[1], high))
    return Domain(spec, shape, low, high, _words(built, spec), tokens, widest)


def _cut_length(length: int, pieces: int, longest: int | None) -> int:
    """Return a length that can be cut into so many pieces, near another one."""
    least_above = -(-length // pieces) * pieces
    if longest is None or least_above <= longest:
        return least_above
    return max(longest // pieces, 1) * pieces


def _narrowest(
    shapes: Sequence[tuple[int | None, ...]], length: int, lengths: Mapping[int, int]
) -> tuple[int, ...]:
    """Return a shape that fits every model, with `length` on axes that are variable in all."""
    alike = [shape for shape in shapes if len(shape) == len(shapes[0])]
    return tuple(
        next((n for n in sizes if n is not None), lengths.get(axis, length))
        for axis, sizes in enumerate(zip(*alike, strict=True), start=1)
    )


def input_mismatch(reference: Built | Frozen, candidate: Built | Frozen) -> str | None:
    """Return why no input fits both models; None if one does.

    An input with as many elements along more or fewer axes fits after reshaping.
    """
    if len(reference.inputs) != len(candidate.inputs):
        counts = len(reference.inputs), len(candidate.inputs)
        return f"{counted(counts[0], 'input')} against {counts[1]}"
    for one, other in zip(reference.inputs, candidate.inputs, strict=True):
        if len(one.shape) == len(other.shape):
            fits = agree(one.shape, other.shape)
        else:
            sizes = [_size(spec.shape) for spec in (one, other)]
            fits = None not in sizes and sizes[0] == sizes[1]
        if not fits:
            shapes = [list(spec.shape) for spec in (one, other)]
            return f"an input of {shapes[0]} against one of {shapes[1]}".replace("None", "null")
    return None


def _size(shape: Sequence[int | None]) -> int | None:
    known = [n for n in shape if n is not None]
    return int(np.prod(known)) if len(known) == len(shape) else None


def look_up_limit(built: Sequence[Built], position: int) -> int | None:
    """Return the least number that a layer cannot look up; None where nothing is looked up.

    The layers that take this input count, or all where none takes it as it is.
    """
    direct = [limit for one in built for limit in _limits(one, position, direct=True)]
    limits = direct or [limit for one in built for limit in _limits(one, position)]
    return min(limits, default=None)


def _limits(built: Built, position: int, *, direct: bool = False) -> Iterator[int]:
    """Yield the ranges of layers that look integers up; with `direct`, of those of this input."""
    layers = list(flat_layers(built.model))
    source = built.model.inputs[position] if layers else None
    for layer in layers:
        limits = (getattr(layer, name, None) for name in _RANGE_ARGUMENTS)
        limit = next((limit for limit in limits if isinstance(limit, int)), None)
        nodes = getattr(layer, "_inbound_nodes", ())
        takes = any(tensor is source for node in nodes for tensor in node.input_tensors)
        if limit is not None and (takes or not direct):
            yield limit


def _words(built: Sequence[Built], spec: InputSpec) -> tuple[str, ...]:
    """Return the words of the vocabularies, and spellings that a layer may distinguish."""
    if spec.dtype != "string":
        return ()
    known: dict[str, None] = {}
    for one in built:
        for layer in flat_layers(one.model):
            vocabulary = getattr(layer, "get_vocabulary", None)
            if vocabulary is not None:
                known.update(dict.fromkeys(str(word) for word in vocabulary()))
    words = list(known)[:MOST_WORDS] or ["word"]
    altered = [
        text
        for word in words[:8]
        for text in (word.upper(), f"{word}!", f" {word}  {words[-1]}", f"{word}-{words[-1]}")
    ]
    return (*dict.fromkeys(("", *words, *altered)), "unknown word", "Mixed CASE, punctuated!")


def _described(built: Built) -> Iterator[float]:
    for layer in flat_layers(built.model):
        yield from _in_layer(layer)
    yield from _operation_numbers(built)


def _in_layer(layer: Any, without: Container[str] = ()) -> Iterator[float]:
    """Yield the numbers in a layer's configuration and code, without those of some arguments."""
    values = configuration_of(layer).values
    yield from _constants({name: value for name, value in values.items() if name not in without})
    if not type(layer).__module__.startswith("keras."):
        yield from _constants({k: v for k, v in vars(layer).items() if not k.startswith("_")})
        yield from numbers_in_functions([type(layer).call], users_methods(type(layer)))
    elif hasattr(layer, "function"):
        yield from numbers_in_functions([layer.function])


def numbers_in(built: Built) -> dict[str, frozenset[float]]:
    """Return layer or operation → the numbers in it at which its outputs in inference may jump.

    Those that probes meet anyway are left out: halves near 0, and small whole numbers in the calls
    of operations, which are axes and counts.
    """
    found: dict[str, frozenset[float]] = {}
    for layer in flat_layers(built.model):
        name = str(layer.name)
        own = frozenset(n for n in _in_layer(layer, _IN_TRAINING) if not _is_near_half(n))
        found[name] = own | found.get(name, frozenset())
    for node in operation_nodes(built.model):
        name = str(node.operation.name)
        own = frozenset(
            n for n in _in_operation(node) if not (_is_near_half(n) or is_small_whole(n))
        )
        found[name] = own | found.get(name, frozenset())
    return found


def _is_near_half(number: float) -> bool:
    return float(2 * number).is_integer() and abs(number) <= MOST_ALIKE


def is_small_whole(number: float) -> bool:
    return float(number).is_integer() and abs(number) <= 2 * MOST_ALIKE


def _operation_numbers(built: Built) -> Iterator[float]:
    """Yield the numbers that the operations of a model's graph are made and called with."""
    for node in operation_nodes(built.model):
        yield from _in_operation(node)


def _in_operation(node: Any) -> Iterator[float]:
    own = {k: v for k, v in vars(node.operation).items() if not k.startswith("_")}
    for value in (*own.values(), *node.arguments.args, *node.arguments.kwargs.values()):
        if isinstance(value, float):
            yield value
        else:
            yield from whole_numbers_in(value)


def _given_weights(built: Built) -> Iterator[float]:
    for values in built.spec.weights.values():
        distinct = np.unique(np.asarray(values, dtype=np.float64))
        if len(distinct) <= FEW_CONSTANTS:
            yield from distinct.tolist()


def _combined(values: Sequence[float]) -> Iterator[float]:
    for one, other in combinations(values, 2):
        for value in (one / other, other / one, one + other, one - other):
            if LEAST_CONSTANT <= abs(value) <= GREATEST_CONSTANT:
                yield value


def _constants(value: Any, key: str = "", depth: int = 0) -> Iterator[float]:
    if isinstance(value, bool) or depth > _DEEPEST:
        return
    if isinstance(value, float) or (isinstance(value, int) and key in _THRESHOLD_ARGUMENTS):
        yield float(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            if not str(name).endswith(("_initializer", "_regularizer", "_constraint")):
                yield from _constants(item, str(name), depth + 1)
    elif isinstance(value, (list, tuple)) and key in _THRESHOLD_ARGUMENTS:
        for item in value:
            yield from _constants(item, key, depth + 1)
