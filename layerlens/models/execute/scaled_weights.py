"""Draw weights with which a deep model keeps its signal, from the inputs to the outputs.

With weights drawn layer by layer without data, activations die out or grow with depth, and a
difference deep inside no longer shows at the outputs. Here each layer is scaled by the data that
reach it, so that its outputs vary by about 1 (Mishkin and Matas, *All you need is a good init*,
2016), and normalizations get about the statistics of their inputs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from layerlens.models.execute.layer_walk import LayerWalk, graph_of
from layerlens.models.execute.passing_weights import pass_on
from layerlens.numerics.probes import generator
from layerlens.numerics.weight_values import WeightSlot, draw_weight

#: Kernels of more values are drawn by TensorFlow, in several threads.
_MANY = 100_000
#: The greatest factor by which one kernel is scaled. A layer whose outputs hardly vary may be one
#: that is not meant to pass a signal on.
_MOST_SCALED = 1e6


def draw_weights(
    variables: Sequence[Any],
    slots: Sequence[WeightSlot],
    *,
    kept: Collection[int],
    seed: int,
) -> None:
    """Draw every weight but those at the positions that are kept, in place."""
    for position, (variable, slot) in enumerate(zip(variables, slots, strict=True)):
        if position in kept or not slot.dtype.startswith(("float", "bfloat")):
            continue
        rng = generator(seed, "scaled", position)
        if np.prod(slot.shape, dtype=np.int64) <= _MANY:
            variable.assign(draw_weight(slot, np.zeros(slot.shape), "drawn", rng))
            continue
        spread = 1.0 / np.sqrt(slot.fan_in) if "embedding" not in slot.path else 1.0
        drawn = tf.random.stateless_normal(slot.shape, rng.integers(0, 2**31, 2), stddev=spread)
        variable.assign(tf.cast(drawn, slot.dtype))


@dataclass
class ScalingCall:
    """Calls each layer of a model and, at its first call, scales its weights by its inputs."""

    seed: int
    #: The ids of weights that keep their values.
    kept: Collection[int]
    #: The standard deviation of a layer's outputs, before its activation.
    spread: float = 1.0
    #: The ids of nodes whose layers pass every change of their inputs on, in place of being scaled.
    passing: Collection[int] = ()
    _scaled: set[int] = field(default_factory=set)

    def __call__(self, node: Any, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        layer = node.operation
        graph = graph_of(layer)
        if graph is not None and not named.get("mask"):
            inputs = dict(zip(map(id, graph.inputs), keras.tree.flatten(arguments), strict=True))
            outputs = [id(tensor) for tensor in graph.outputs]
            values = LayerWalk(graph).evaluate(inputs, outputs, self)
            found = [values[number] for number in outputs]
            return found[0] if len(found) == 1 else found
        if isinstance(layer, keras.layers.Layer) and id(layer) not in self._scaled:
            self._scaled.add(id(layer))
            if not any(id(weight) in self.kept for weight in layer.weights):
                rng = generator(self.seed, "scaling", layer.name)
                if not (id(node) in self.passing and pass_on(layer, arguments, named, rng)):
                    self._scale(layer, arguments, named, rng)
        return layer(*arguments, **named)

    def _scale(
        self,
        layer: Any,
        arguments: Sequence[Any],
        named: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> None:
        if isinstance(layer, keras.layers.BatchNormalization):
            _normalize(layer, arguments[0], rng, self.spread)
        elif hasattr(layer, "kernel") and hasattr(layer, "activation"):
            activation, layer.activation = layer.activation, keras.activations.linear
            try:
                spread = float(keras.ops.std(layer(*arguments, **named)))
            finally:
                layer.activation = activation
            if np.isfinite(spread) and spread > 1.0 / _MOST_SCALED:
                layer.kernel.assign(layer.kernel * (self.spread / spread))
        elif getattr(layer, "gamma", None) is not None and self.spread != 1.0:
            layer.gamma.assign(layer.gamma * self.spread)  # of other normalizations


def _normalize(layer: Any, inputs: Any, rng: np.random.Generator, wanted: float) -> None:
    """Set moving statistics for about the wanted spread, and other ones for every channel."""
    axis = layer.axis % len(inputs.shape)
    others = [a for a in range(len(inputs.shape)) if a != axis]
    mean, variance = (np.asarray(one, np.float64) for one in keras.ops.moments(inputs, others))
    size = mean.shape
    spread = np.sqrt(variance)
    layer.moving_mean.assign(mean + 0.3 * rng.standard_normal(size) * spread)
    layer.moving_variance.assign((variance + 1e-12) / wanted**2 * rng.uniform(0.5, 1.5, size))
