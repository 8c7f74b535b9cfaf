"""Find the weights of a model among the tensors of an ONNX file by their values."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from .onnx_tensors import nodes_of, tensors_of

#: Files with more numbers are judged on their own weights alone: each set of weights is a copy.
_MOST_NUMBERS = 2**25
#: Beyond so many axes not all orders are tried.
_MOST_AXES = 5
#: Tensors with more elements whose values several weights have are not taken apart.
_MOST_UNSURE = 2**16
#: In place of the position of an element: it is of no weight.
_KEPT = -1
#: The types of tensors whose values may come from weights.
_REAL = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


class NamedWeights:
    """The tensors of a file that hold weights of a model, and what else the file holds.

    A tensor may hold a weight in another order of its axes, in another shape, or negated; or it may
    be put together of elements of several weights, as the biases and the gates of recurrent layers
    are. The values decide, so that weights with equal values cannot be told apart.
    """

    def __init__(self, model: Any, weights: list[Any]) -> None:
        self._model = model
        self._sources = {
            n: value for n, value in enumerate(weights) if value.dtype == np.float32 and value.size
        }
        #: Position of a tensor → the weight that it is, or the place of each element among those of
        #: all weights; positions are those of `tensors_of`.
        self._made: dict[int, Any] = {}
        #: The sorted values of a weight → the weights with these.
        self._by_values: dict[bytes, list[int]] = {}
        #: The position of each weight that was found → the name of a tensor that holds it.
        self.names: dict[int, str] = {}
        #: Whether the file has arrays that may be computed from weights.
        self.has_others = False
        #: Single numbers that may be computed from weights.
        self.numbers: list[float] = []
        sizes = sum(math.prod(one.dims) for one in tensors_of(model))
        self.too_large = sizes > _MOST_NUMBERS
        if self._sources and not self.too_large:
            self._find()

    @property
    def missing(self) -> list[int]:
        """The positions of the weights that are not in the file as they were saved."""
        return [n for n in self._sources if n not in self.names]

    @property
    def complete(self) -> bool:
        """Whether all weights were found, and nothing else may be computed from them."""
        return bool(self._sources) and not self.missing and not self.has_others

    def with_values(self, weights: list[Any]) -> Any:
        """Return a copy of the file with other values in the place of the weights."""
        copy = type(self._model)()
        copy.CopyFrom(self._model)
        flat = None
        for position, tensor in enumerate(tensors_of(copy)):
            made = self._made.get(position)
            if made is None:
                continue
            values = numpy_helper.to_array(tensor)
            if isinstance(made, _Whole):
                changed = np.transpose(weights[made.source], made.axes) * np.float32(made.sign)
            else:
                if flat is None:
                    flat = np.concatenate([weights[n].reshape(-1) for n in self._sources])
                changed = np.where(made == _KEPT, values.reshape(-1), flat[np.maximum(made, 0)])
            changed = np.ascontiguousarray(changed, np.float32).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
        return copy

    # --- finding ----------------------------------------------------------------------------------

    def _find(self) -> None:
        for source, value in self._sources.items():
            self._by_values.setdefault(_sorted_values(value, 1), []).append(source)
        found: dict[int, str] = {}
        left: list[tuple[int, Any, Any]] = []
        for position, tensor in enumerate(tensors_of(self._model)):
            if tensor.data_type not in _REAL:
                continue
            values = numpy_helper.to_array(tensor)
            whole = self._whole(values) if tensor.data_type == TensorProto.FLOAT else []
            if len(whole) == 1:
                self._made[position] = whole[0]
                found.setdefault(whole[0].source, tensor.name)
            elif whole:
                self.has_others = True  # it may be any of them
            else:
                left.append((position, tensor, values))
        pieces: list[Any] = []
        elements = _Elements(self._sources)
        for position, tensor, values in left:
            if values.size == 1:
                self.numbers.append(float(values.reshape(-1)[0]))
                continue
            indices = elements.of(values) if tensor.data_type == TensorProto.FLOAT else None
            if indices is not None:
                self._made[position] = indices
                pieces.append((tensor.name, indices))
            elif not _is_plain(values):
                self.has_others = True
        for source, name in elements.covered(pieces):
            found.setdefault(source, name)
        self.names = found
        for values in _constants(self._model):
            self.numbers += values
            self.has_others = self.has_others or len(values) > 1

    def _whole(self, values: Any) -> list[_Whole]:
        """Return the weights, and the orders of their axes, that a tensor may be as a whole."""
        found: list[_Whole] = []
        for sign in (1, -1):
            for source in self._by_values.get(_sorted_values(values, sign), ()):
                flat = values.reshape(-1) * np.float32(sign)
                weight = self._sources[source]
                orders = _orders(weight, flat)
                fitting = [
                    axes for axes in orders if tuple(weight.shape[n] for n in axes) == values.shape
                ]
                found += [_Whole(source, axes, sign) for axes in fitting or orders]
            if found:  # zeros are not negated
                break
        return found


@dataclass(frozen=True)
class _Whole:
    """A tensor that is a weight with its axes in an order, or that weight negated."""

    source: int
    axes: tuple[int, ...]
    sign: int


class _Elements:
    """The elements of all weights, by value."""

    def __init__(self, sources: dict[int, Any]) -> None:
        self._sources = sources
        flat = np.concatenate([value.reshape(-1) for value in sources.values()])
        sizes = [value.size for value in sources.values()]
        self._owner = np.repeat(np.fromiter(sources, np.int64), sizes)
        self._order = np.argsort(flat, kind="stable")
        self._sorted = flat[self._order]

    def of(self, values: Any) -> Any:
        """Return the position of each element among those of all weights; None if one has none.

        Elements that several weights have are taken from those weights of which the tensor has
        others. A zero that no such weight has is no element of a weight.
        """
        flat = values.reshape(-1)
        first = np.searchsorted(self._sorted, flat, "left")
        count = np.searchsorted(self._sorted, flat, "right") - first
        if bool(((count == 0) & (flat != 0)).any()):
            return None
        places = self._order[np.minimum(first, self._sorted.size - 1)]
        sure = (count == 1) & (flat != 0)
        owners = np.unique(self._owner[places[sure]])
        if not owners.size:
            return None
        indices = np.where(count == 1, places, _KEPT)
        unsure = np.flatnonzero((count != 1) | (flat == 0))
        if unsure.size > _MOST_UNSURE:
            return None
        for n in unsure:
            among = self._order[first[n] : first[n] + count[n]]
            among = among[np.isin(self._owner[among], owners)]
            if len(among) > 1 or (not len(among) and flat[n] != 0):
                return None
            indices[n] = among[0] if len(among) else _KEPT
        return indices

    def covered(self, pieces: list[Any]) -> Iterator[tuple[int, str]]:
        """Yield each weight all of whose elements are in tensors, and the name of one of those."""
        seen = np.zeros(self._owner.size, bool)
        for _, indices in pieces:
            seen[indices[indices != _KEPT]] = True
        for source in self._sources:
            own = self._owner == source
            if bool(seen[own].all()):
                for name, indices in pieces:
                    if bool(own[indices[indices != _KEPT]].any()):
                        yield source, name
                        break


def _orders(weight: Any, flat: Any) -> list[tuple[int, ...]]:
    """Return the orders of a weight's axes in which it has the elements of a flat array.

    Orders that move no element are one and the same.
    """
    if weight.ndim > _MOST_AXES:
        same = np.array_equal(weight.reshape(-1), flat)
        return [tuple(range(weight.ndim))] if same else []
    places = np.arange(weight.size).reshape(weight.shape)
    found: dict[bytes, tuple[int, ...]] = {}
    for axes in itertools.permutations(range(weight.ndim)):
        if np.array_equal(np.transpose(weight, axes).reshape(-1), flat):
            found.setdefault(np.transpose(places, axes).tobytes(), axes)
    return list(found.values())


def _sorted_values(values: Any, sign: int) -> bytes:
    ordered = np.sort(values.reshape(-1) * np.float32(sign)) + np.float32(0)  # without -0.0
    return hashlib.blake2b(ordered.tobytes()).digest()


def _is_plain(values: Any) -> bool:
    """Return whether an array is all zeros or all ones, as initial states are."""
    return bool((values == 0).all() or (values == 1).all())


def _constants(model: Any) -> Iterator[list[float]]:
    """Yield the numbers that are written in `Constant` nodes without a tensor."""
    for node in nodes_of(model):
        for attribute in node.attribute:
            if attribute.name == "value_float":
                yield [float(attribute.f)]
            elif attribute.name == "value_floats":
                yield [float(value) for value in attribute.floats]
