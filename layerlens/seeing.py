"""Two sides and their probes become what those probes could not have noticed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from layerlens.comparing import UNIT64, distance, per_sample_max
from layerlens.measuring import Outcome, as_array
from layerlens.probes import Array, generator
from layerlens.sides import Side, Values

#: A nudge has to move an output by this many units of float64 to count as seen, by its own scale
#: and by the sample's: where all that is left of an output is rounding, any nudge moves that.
SEEN = 2.0**20
SEEN_IN_SAMPLE = 2.0**12


def unseen(
    side: Side, sets: Sequence[Values], inputs: Sequence[Array], seed: int
) -> tuple[str, ...]:
    """Return the weights and layers of one model that the probes would not have missed.

    Every weight is nudged alone, and some output has to move by more than rounding with one of
    the `sets` of weights; every layer without weights that keeps its shape is taken out, and the
    output has to change, unless the layer is the identity on any input.
    """
    return (*_unseen_weights(side, sets, inputs, seed), *_unseen_layers(side, sets, inputs))


def _unseen_weights(
    side: Side, sets: Sequence[Values], inputs: Sequence[Array], seed: int
) -> Iterator[str]:
    variables = side.float64.variables()
    for position, slot in enumerate(side.float64.slots()):
        if side.training and not variables[position].trainable:
            continue  # a statistic that training only writes
        if not slot.dtype.startswith(("float", "bfloat")) or 0 in slot.shape:
            continue
        if not any(_nudge_shows(side, values, position, inputs, seed) for values in sets):
            yield slot.path


def _nudge_shows(
    side: Side, values: Values, position: int, inputs: Sequence[Array], seed: int
) -> bool:
    rng = generator(seed, "nudge", position)
    weight = values[position].astype(np.float64)
    nudged = weight * (1.0 + 0.25 * rng.random(weight.shape)) + 0.01 * rng.random(weight.shape)
    changed = (*values[:position], nudged, *values[position + 1 :])
    base = side.run(values, inputs, "float64", "traced_dynamic")
    moved = side.run(changed, inputs, "float64", "traced_dynamic")
    return _differ(base, moved)


def _differ(one: Outcome, other: Outcome) -> bool:
    if one.error or other.error or one.shapes != other.shapes:
        return True
    return any(
        _arrays_differ(left, right) for left, right in zip(one.outputs, other.outputs, strict=True)
    )


def _arrays_differ(left: Array, right: Array) -> bool:
    if left.shape != right.shape or left.dtype.kind != right.dtype.kind:
        return True
    gap = distance(left, right)
    if left.dtype.kind != "f":
        return bool(gap.any())
    size = np.where(np.isfinite(left), np.abs(left), 0.0)
    ground = np.maximum(per_sample_max(size), 1.0)
    return bool((gap > UNIT64 * (SEEN * size + SEEN_IN_SAMPLE * ground)).any())


# --- layers without weights -----------------------------------------------------------------------


def _unseen_layers(side: Side, sets: Sequence[Values], inputs: Sequence[Array]) -> Iterator[str]:
    """Yield the layers of a chain whose removal no probe notices; graphs have their own rows."""
    chain = chain_of(side.built.model)
    if chain is None or len(inputs) != 1:
        return
    tested = [layer.name for layer in chain if not layer.weights and _keeps_shape(layer)]
    if not tested:
        return
    remaining = dict.fromkeys(tested)
    for values in sets:
        side.hold(values, "float64")
        for name in _noticed(side, inputs, tuple(remaining)):
            remaining.pop(name, None)
        if not remaining:
            return
    double = {layer.name: layer for layer in chain_of(side.float64.built.model) or ()}
    for name in remaining:
        if not _is_identity(double[name], side):
            yield name


def chain_of(model: Any) -> list[Any] | None:
    """Return the layers of a model that is a plain chain, or None."""
    layers = [layer for layer in model.layers if type(layer).__name__ != "InputLayer"]
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return None
    tensor = model.inputs[0]
    for layer in layers:
        nodes = layer._inbound_nodes
        if len(nodes) != 1 or list(nodes[0].input_tensors) != [tensor]:
            return None
        outputs = list(nodes[0].output_tensors)
        if len(outputs) != 1:
            return None
        tensor = outputs[0]
    return layers if tensor is model.outputs[0] else None


def _keeps_shape(layer: Any) -> bool:
    node = layer._inbound_nodes[0]
    one, other = node.input_tensors[0], node.output_tensors[0]
    return tuple(one.shape) == tuple(other.shape) and one.dtype == other.dtype


def _noticed(side: Side, inputs: Sequence[Array], names: Sequence[str]) -> Iterator[str]:
    """Yield the layers whose removal changes the output, running the rest of the chain eagerly."""
    chain = chain_of(side.float64.built.model) or []
    side.float64.reset_states()
    tensors = side.float64._tensors(inputs)
    before = tensors[0]
    steps = []
    for layer in chain:
        steps.append(before)
        before = _call(layer, before, side.training)
    final = as_array(before)
    for position, layer in enumerate(chain):
        if layer.name not in names:
            continue
        side.float64.reset_states()
        without = steps[position]
        if not _arrays_differ(
            as_array(without),
            as_array(steps[position + 1] if position + 1 < len(steps) else before),
        ):
            continue
        for later in chain[position + 1 :]:
            without = _call(later, without, side.training)
        if _arrays_differ(final, as_array(without)):
            yield layer.name


def _call(layer: Any, tensor: Any, training: bool) -> Any:
    return layer(tensor, training=training) if layer._call_has_training_arg else layer(tensor)


def _is_identity(layer: Any, side: Side) -> bool:
    """Tell whether a layer passes on anything it is given, fed directly with wide signed values."""
    import tensorflow as tf

    shape = [2 if n is None else int(n) for n in layer._inbound_nodes[0].input_tensors[0].shape]
    dtype = tf.as_dtype(str(layer._inbound_nodes[0].input_tensors[0].dtype))
    if not dtype.is_floating:
        return True
    rng = generator(0, "identity", layer.name)
    for scale in (1e-4, 1.0, 30.0, 1e4):
        given = tf.constant(scale * rng.standard_normal((8, *shape[1:])), dtype=dtype)
        if _arrays_differ(as_array(given), as_array(_call(layer, given, side.training))):
            return False
    return True
