"""The variables of a model: weights in written order, random seeds, states.

Nothing is run, and only `assign_array` and `as_array` need allocated weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from layerlens.models.build.request import Built, Foreign, Recorded
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.numerics.arrays import Array
from layerlens.numerics.weight_mapping import map_weights
from layerlens.numerics.weight_transfer import Transfer, pair_weights
from layerlens.report.layers import WeightRow
from layerlens.scenario.spec import TransferMapping, TransferRule

#: The number of values above which a copy takes notable time.
LARGE = 100_000


def weight_variables(built: Built) -> list[Any]:
    """Return a model's weights by layer in written order, each once.

    Keras orders `model.weights` by depth from the outputs, which an extra identity on one branch
    changes. In written order weights pair as a person would pair them.
    """
    ordered: dict[int, Any] = {}
    layers = {layer.name: layer for layer in built.described.layers}
    for row in built.report.layers:
        layer = layers.get(row.name)
        for variable in layer.weights if layer is not None else ():
            ordered.setdefault(id(variable), variable)
    for variable in built.model.weights:
        ordered.setdefault(id(variable), variable)
    return list(ordered.values())


def assign_reshaped(variable: Any, source: Any) -> None:
    """Give a variable the values of another one with as many, inside TensorFlow."""
    variable.assign(tf.reshape(source.value, variable.shape))


def depthwise_kernels(layers: Iterable[Any]) -> frozenset[int]:
    """Return the ids of the kernels that convolve each channel by itself."""
    found: set[int] = set()
    for layer in layers:
        if type(layer).__name__.startswith("DepthwiseConv"):
            found.add(id(layer.kernel))
        elif type(layer).__name__.startswith("SeparableConv"):
            found.add(id(layer.depthwise_kernel))
    return frozenset(found)


def weight_rows(built: Built | Recorded | Foreign) -> tuple[WeightRow, ...]:
    """Return the same weights as rows, also of a model that is not allocated."""
    if isinstance(built, Recorded):
        return built.recording.weight_rows
    if isinstance(built, Foreign):
        if built.twin is not None:
            return weight_rows(built.twin)
        return tuple(
            WeightRow(slot.path, slot.shape, prod(slot.shape)) for slot in built.runtime.slots
        )
    rows = []
    for variable in weight_variables(built):
        shape = tuple(int(n) for n in variable.shape)
        rows.append(WeightRow(str(variable.path), shape, prod(shape)))
    return tuple(rows)


def written_order(foreign: Foreign) -> list[int]:
    """Return, for each weight in written order, its position among those of the runtime."""
    if foreign.twin is None:
        return list(range(len(foreign.runtime.slots)))
    positions = {id(variable): n for n, variable in enumerate(foreign.twin.model.weights)}
    return [positions[id(variable)] for variable in weight_variables(foreign.twin)]


def given_weights(built: Built | Recorded | Foreign) -> frozenset[int]:
    """Return the positions of the weights whose values the scenario gives."""
    keys = built.spec.weights
    return frozenset(
        position
        for position, row in enumerate(weight_rows(built) if keys else ())
        if any(row.path == key or row.path.endswith(f"/{key}") for key in keys)
    )


def pair_model_weights(
    reference: Built | Recorded | Foreign, candidate: Built | Recorded | Foreign, rule: TransferRule
) -> Transfer:
    """Pair the weights of two models.

    Raises:
        ScenarioError: a mapping does not fit the models.
    """
    given = given_weights(reference), given_weights(candidate)
    rows = weight_rows(reference), weight_rows(candidate)
    if isinstance(rule, TransferMapping):
        return map_weights(*rows, rule, (reference.spec.name, candidate.spec.name), given)
    return pair_weights(*rows, rule, given)


def seed_variables(built: Built) -> list[Any]:
    """Return the state variables of the layers' random generators."""
    return [v for v in built.model.variables if "seed_generator_state" in str(v.path)]


def stateful_layers(built: Built) -> list[Any]:
    """Return the layers that keep their state between calls."""
    return [
        layer
        for layer in flat_layers(built.model)
        if getattr(layer, "stateful", False) and hasattr(layer, "reset_state")
    ]


def assign_array(variable: Any, value: Array) -> None:
    """Assign values of its shape to a variable.

    TensorFlow's own variable is assigned, since Keras' `assign` takes three times as long and reads
    the variable back.

    Raises:
        ValueError: the shape differs.
    """
    dtype = str(variable.dtype)
    if value.dtype == "float32" and dtype == "float64" and value.size > LARGE:
        # TensorFlow converts in several threads, and saves one copy.
        tensor = tf.cast(tf.constant(value), dtype)
    else:
        stored = np.asarray(value).astype("float32" if dtype == "bfloat16" else dtype, copy=False)
        tensor = tf.constant(stored, dtype)
    variable.value.assign(tensor, read_value=False)


def assign_blocks(variable: Any, blocks: Iterable[Array]) -> None:
    """Assign values that come in blocks, in row-major order, without an array of all of them."""
    dtype = str(variable.dtype)
    stored = "float32" if dtype == "bfloat16" else dtype
    tensors = [tf.constant(block.astype(stored, copy=False).ravel(), dtype) for block in blocks]
    joined = tensors[0] if len(tensors) == 1 else tf.concat(tensors, 0)
    variable.value.assign(tf.reshape(joined, variable.shape), read_value=False)


def memory_of(array: Array) -> tuple[int, str, int]:
    """Return what tells two arrays that are in memory at the same time and have the same values."""
    return array.__array_interface__["data"][0], array.dtype.str, array.size


def as_array(tensor: Any) -> Array:
    """Return a tensor or variable as an array; bfloat16 becomes float32, sparse becomes dense.

    The array of a variable is a read-only view without a copy. It keeps its values when the
    variable is assigned, which replaces the variable's tensor.
    """
    if isinstance(tensor, tf.SparseTensor):
        tensor = tf.sparse.to_dense(tensor)
    if isinstance(tensor, tf.RaggedTensor):
        tensor = tensor.to_tensor()
    if isinstance(tensor, keras.Variable):
        tensor = tensor.value
        if str(tensor.dtype.name) in ("float32", "float64"):
            return np.asarray(memoryview(tensor.read_value()))
    if isinstance(tensor, (tf.Tensor, tf.Variable)):
        array = np.asarray(tensor.numpy())
    else:
        array = np.asarray(keras.ops.convert_to_numpy(tensor))
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
