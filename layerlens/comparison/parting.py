"""Find the first layer of a model whose result another runtime does not have inside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from layerlens.comparison.foreign_answers import assign
from layerlens.comparison.frozen_observer import FrozenObserver
from layerlens.comparison.observer import Interrupted
from layerlens.models.build.request import Foreign
from layerlens.models.execute.intermediates import InstrumentedSide, Intermediates, LayerCall
from layerlens.models.runtimes.foreign import InnerResult
from layerlens.models.runtimes.process import RuntimeAnswerError, RuntimeLostError
from layerlens.numerics.arrays import Array, Inputs
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import Witness
from layerlens.numerics.noise_floor import input_scale, noise_floor
from layerlens.plain import stage
from layerlens.report.pairs import FirstDivergence

#: Results inside the models are alike up to so many times the noise floor.
_ALIKE = 2.0**6
_SAMPLES = 4


def first_parting(observed: FrozenObserver, witness: Witness) -> FirstDivergence | None:
    """Return the first layer of the model whose result is not inside the other one.

    Layers of Keras elsewhere are those of the same name. Results inside an ONNX file are found by
    their shapes, also with the channels or the time in another place, and preferably by the name
    of the layer. A layer whose result has no counterpart was merged with others. None where the
    inside of a model cannot be seen.
    """
    frozen = observed.frozen
    if not isinstance(frozen, Foreign) or not frozen.runtime.shows_inside:
        return None
    stage.enter("finding the first layers whose outputs differ")
    instrumented = InstrumentedSide.of(observed.side)
    if instrumented is None:
        return None
    seen = witness.observation
    inputs = _samples(seen.batch.inputs, witness.sample)
    values = observed.weights[seen.weights]
    try:
        if seen.weights in observed.answers.assigned:
            assign(frozen, observed.answers.assigned[seen.weights])
        inner = frozen.runtime.inside(inputs)
    except (Interrupted, RuntimeLostError, RuntimeAnswerError):
        return None
    layers = instrumented.look(values, inputs)
    if layers is None:
        return None
    found = _Inside(layers, inner, inputs, by_name=frozen.runtime.has_layers).first()
    if found is None:
        return None
    layer, result, gap = found
    there = result.name if frozen.runtime.has_layers else f"{result.name} ({result.type})"
    return FirstDivergence(*observed.ordered(there, layer.layer), gap)


def _samples(inputs: Inputs, sample: int) -> tuple[Array, ...]:
    """Return some samples of a batch, the one that differs most first."""
    others = [n for n in range(len(inputs[0])) if n != sample][: _SAMPLES - 1]
    return tuple(array[[sample, *others]] for array in inputs)


@dataclass
class _Inside:
    """The results inside two models on the same inputs."""

    layers: Intermediates
    inner: Sequence[InnerResult]
    inputs: Inputs
    by_name: bool

    def first(self) -> tuple[LayerCall, InnerResult, float] | None:
        right = self._with_ancestors([layer for layer in self.layers.layers if self._is_in(layer)])
        for layer in self.layers.layers:
            if id(layer) in right:
                continue
            near = self._counterpart(layer)
            if near is not None:
                return (layer, *near)
        return None

    def _is_in(self, layer: LayerCall) -> bool:
        """Return whether the other model has the result of a layer."""
        value = layer.values[0].double
        if not self.by_name and (value.dtype.kind != "f" or np.ptp(value) == 0):
            return False  # anything may give that
        return any(self._is_alike(layer, value) for _, value in self._fitting(layer))

    def _is_alike(self, layer: LayerCall, value: Array) -> bool:
        own = layer.values[0]
        with np.errstate(over="ignore", invalid="ignore"):
            floor = noise_floor(
                (own.double,),
                (own.working,),
                (own.sensitivity,),
                input_scale(self.inputs, own.double),
            )
        count = len(value)
        gap = distance(own.double[:count], value.astype(np.float64))
        return not bool((gap > _ALIKE * floor.working[:count]).any())

    def _counterpart(self, layer: LayerCall) -> tuple[InnerResult, float] | None:
        """Return the result of the other model that stands in the place of a layer's."""
        fitting = [
            (result, float(distance(layer.values[0].working[: len(value)], value).max(initial=0.0)))
            for result, value in self._fitting(layer)
        ]
        named = [each for each in fitting if self.by_name or _is_named(each[0].tensor, layer.layer)]
        if named:
            return named[-1]
        if fitting and layer is self.layers.layers[-1]:
            return fitting[-1]
        return min(fitting, key=lambda each: each[1], default=None)

    def _fitting(self, layer: LayerCall) -> Iterator[tuple[InnerResult, Array]]:
        """Yield the other model's results that may be a layer's, in the layout of the latter."""
        shape = layer.shape[1:]
        for result in self.inner:
            if self.by_name:
                if result.name == layer.layer and result.value.shape[1:] == shape:
                    yield result, result.value
                continue
            if result.value.size and np.ptp(result.value) == 0:
                continue  # an initial state, or a mask
            for value in _layouts(result.value):
                if value.shape[1:] == shape and len(value) <= layer.shape[0]:
                    yield result, value
                    break

    def _with_ancestors(self, layers: Sequence[LayerCall]) -> set[int]:
        found: set[int] = set()
        waiting = list(layers)
        while waiting:
            layer = waiting.pop()
            if id(layer) in found:
                continue
            found.add(id(layer))
            waiting += [self.layers.makers[n] for n in layer.sources if n in self.layers.makers]
        return found


def _layouts(value: Array) -> Iterator[Array]:
    """Yield a result as it is, with its channels last, and with its time after the batch axis."""
    if value.ndim:
        yield value
    if value.ndim > 2:
        yield np.moveaxis(value, 1, -1)
        yield np.swapaxes(value, 0, 1)


def _is_named(tensor: str, layer: str) -> bool:
    """Return whether an exporter named a tensor after a layer."""
    return re.search(rf"(^|/){re.escape(layer)}(_\d+)*(/|:|$)", tensor) is not None
