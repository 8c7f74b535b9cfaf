"""Assign the weights of an `.h5` file of Keras 1 or 2 to a model of Keras 3, in its layout."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from layerlens.models.external.older.record import numbers, valid_name
from layerlens.models.inspect.nested_layers import with_nested
from layerlens.scenario.older_names import CONVOLUTIONS


class WeightsError(Exception):
    """The weights in a file do not fit the model that it describes."""


@dataclass(frozen=True)
class Stored:
    """One weight in a file."""

    name: str
    values: Any

    @property
    def role(self) -> str | None:
        """Return what the weight is by its name, such as `kernel`; None if that is not known."""
        last = re.sub(r"(_\d+)?(:\d+)?$", "", self.name.rpartition("/")[2])
        for end, role in _ROLES:
            if last == end or last.endswith(f"_{end}"):
                return role
        return None


#: Endings of the names of weights → what they are for; longer endings stand first.
_ROLES = (
    ("recurrent_kernel", "recurrent_kernel"),
    ("kernel", "kernel"),
    ("bias", "bias"),
    ("gamma", "gamma"),
    ("beta", "beta"),
    ("moving_mean", "moving_mean"),
    ("moving_variance", "moving_variance"),
    ("running_mean", "moving_mean"),
    ("running_std", "moving_variance"),
    ("W", "kernel"),
    ("U", "recurrent_kernel"),
    ("b", "bias"),
)
#: Gates of Keras 1, each with weights of its own: their order there → in the joined weights.
_SEPARATE_GATES = {"LSTM": (0, 2, 1, 3), "GRU": (0, 1, 2), "ConvLSTM2D": (0, 2, 1, 3)}
_FIRST_OF_SEPARATE = re.compile(r"_W_[iz](_\d+)?(:\d+)?$")
#: The state of random numbers, which is no weight of a model any more.
_RANDOM_STATE = re.compile(r"(^|/)(StateVar|random_generator|seed_generator)")


@dataclass(frozen=True)
class Age:
    """Who wrote a file's weights, and which of its layers are composed in Keras 3."""

    version: str | None
    backend: str | None
    composed: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_first(self) -> bool:
        """Return whether Keras 1 wrote them, as it did where the file names no version."""
        return numbers(self.version)[:1] in ((), (0,), (1,))


def assign_stored(model: Any, path: Path, age: Age) -> None:
    """Assign the weights in an `.h5` file to a model.

    Layers are found by name, or in their order where the names differ, as Keras itself does.

    Raises:
        WeightsError: they do not fit the model.
    """
    groups = stored_weights(path)
    layers = {layer.name: layer for layer in model.layers if _variables(layer)}
    pairs: Sequence[tuple[Any, str]] = [(layer, name) for name, layer in layers.items()]
    if set(layers) != set(groups):
        if len(layers) != len(groups):
            missing = [name for name in layers if name not in groups]
            more = [name for name in groups if name not in layers]
            raise WeightsError(
                f"the model has {len(layers)} layers with weights, the file {len(groups)}"
                + (f"; it has none for {_listed(missing)}" if missing else "")
                + (f"; the model has no {_listed(more)}" if more else "")
            )
        pairs = list(zip(layers.values(), groups, strict=True))
    for layer, name in pairs:
        values = _converted(layer, groups[name], age)
        _check(layer, layer.name, values)
        for variable, stored in zip(_variables(layer), values, strict=True):
            variable.assign(stored.values)
    for layer in with_nested(model):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # computes with constants made from its weights


def stored_weights(path: Path) -> dict[str, list[Stored]]:
    """Return the weights of each group that has any, in the order of the file.

    Raises:
        WeightsError: the file lists weights that it does not have.
    """
    found: dict[str, list[Stored]] = {}
    with h5py.File(path, "r") as file:
        content = file["model_weights"]
        for name in _names(content, "layer_names"):
            group = content.get(name)
            if not isinstance(group, h5py.Group):
                raise WeightsError(f"the file lists the layer `{name}` but has no weights for it")
            weights = [_weight(group, name, weight) for weight in _names(group, "weight_names")]
            kept = [one for one in weights if not _RANDOM_STATE.search(one.name)]
            if kept:
                found[valid_name(name)] = kept
    return found


def _weight(group: Any, layer: str, name: str) -> Stored:
    dataset = group.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "fiub":
        raise WeightsError(f"the file lists the weight `{name}` of `{layer}` but has no such array")
    return Stored(name, np.asarray(dataset))


def _names(group: Any, attribute: str) -> list[str]:
    """Return a list of names, which Keras splits where it is too long for one attribute."""
    if attribute in group.attrs:
        listed = [group.attrs[attribute]]
    else:
        listed = []
        while f"{attribute}{len(listed)}" in group.attrs:
            listed.append(group.attrs[f"{attribute}{len(listed)}"])
    return [
        item.decode("utf-8", errors="replace") if isinstance(item, bytes) else str(item)
        for names in listed
        for item in np.ravel(names)
    ]


# --- to the layout of Keras 3 ---------------------------------------------------------------------


def _converted(layer: Any, stored: list[Stored], age: Age) -> list[Stored]:
    """Return a layer's weights in the order and layout of Keras 3."""
    kind = type(layer).__name__
    if layer.name in age.composed:
        return _COMPOSED[age.composed[layer.name]](stored)
    if isinstance(layer, keras.Model):
        return _of_model(layer, stored, age)
    if isinstance(layer, keras.layers.Bidirectional):
        half = len(stored) // 2
        return [
            *_converted(layer.forward_layer, stored[:half], age),
            *_converted(layer.backward_layer, stored[half:], age),
        ]
    if isinstance(layer, keras.layers.Wrapper):
        return _converted(layer.layer, stored, age)
    if age.is_first:
        stored = _joined_gates(layer, kind, stored)
        stored = _layout_of_keras_1(layer, kind, stored)
    if kind in CONVOLUTIONS and age.backend == "theano":
        turned = 2 if kind == "ConvLSTM2D" else 1
        stored = [_turned(one) if i < turned else one for i, one in enumerate(stored)]
    if kind in ("LSTM", "GRU"):
        stored = _from_cudnn(kind, stored)
    return stored


def _joined_gates(layer: Any, kind: str, stored: list[Stored]) -> list[Stored]:
    """Join the weights of single gates, three each."""
    order = _SEPARATE_GATES.get(kind)
    if order is None or len(stored) != 3 * len(order):
        return stored
    # A convolution's kernel has its outputs first where channels come first, else last.
    axis = 0 if getattr(layer, "data_format", None) == "channels_first" else -1
    return [
        Stored(
            role,
            np.concatenate(
                [stored[3 * gate + part].values for gate in order], axis=-1 if part == 2 else axis
            ),
        )
        for part, role in enumerate(("kernel", "recurrent_kernel", "bias"))
    ]


def _layout_of_keras_1(layer: Any, kind: str, stored: list[Stored]) -> list[Stored]:
    """Move the axes of kernels that Keras 1 kept in another order."""
    if not stored:
        return stored
    first = getattr(layer, "data_format", None) == "channels_first"
    kernel = stored[0].values
    if kind == "Conv1D" and kernel.ndim == 4:
        if kernel.shape[:2] != (layer.kernel_size[0], 1) or kernel.shape[3] != layer.filters:
            kernel = np.transpose(kernel, (2, 3, 1, 0))  # of Keras 1.1: outputs first
        kernel = kernel[:, 0]
    elif kind == "Conv2D" and first and kernel.ndim == 4:
        kernel = np.transpose(kernel, (2, 3, 1, 0))
    elif kind == "Conv3D" and first and kernel.ndim == 5:
        kernel = np.transpose(kernel, (2, 3, 4, 1, 0))
    elif kind == "Conv2DTranspose" and kernel.ndim == 4:
        kernel = np.transpose(kernel, (2, 3, 0, 1) if first else (0, 1, 3, 2))
    elif kind == "SeparableConv2D" and first and len(stored) > 1:
        # Both kernels: outputs first, inputs second.
        both = [_moved(one, (2, 3, 1, 0)) for one in stored[:2]]
        return [*both, *stored[2:]]
    elif kind == "ConvLSTM2D" and first:
        return [_moved(one, (2, 3, 1, 0)) for one in stored[:2]] + stored[2:]
    return [Stored(stored[0].name, kernel), *stored[1:]]


def _moved(stored: Stored, order: tuple[int, ...]) -> Stored:
    if stored.values.ndim != len(order):
        return stored
    return Stored(stored.name, np.transpose(stored.values, order))


def _turned(stored: Stored) -> Stored:
    """Turn a kernel over along its spatial axes."""
    spatial = tuple(range(max(stored.values.ndim - 2, 0)))
    return Stored(stored.name, np.flip(stored.values, spatial))


def _from_cudnn(kind: str, stored: list[Stored]) -> list[Stored]:
    """Return the weights of a CuDNN layer in the layout of the plain one; others as they are.

    CuDNN keeps the kernels of gates transposed, and two biases where LSTM has their sum.
    """
    gates = 4 if kind == "LSTM" else 3
    if len(stored) != 3 or stored[1].values.ndim != 2 or stored[2].values.ndim != 1:
        return stored
    kernel, recurrent, bias = (one.values for one in stored)
    units = recurrent.shape[0]
    if bias.shape != (2 * gates * units,) or kernel.shape[-1] != gates * units:
        return stored
    kernels = [part.T.reshape(part.shape, order="F") for part in np.hsplit(kernel, gates)]
    recurrents = [part.T for part in np.hsplit(recurrent, gates)]
    biases = bias.reshape(2, -1)
    return [
        Stored(stored[0].name, np.hstack(kernels)),
        Stored(stored[1].name, np.hstack(recurrents)),
        Stored(stored[2].name, biases.sum(axis=0) if kind == "LSTM" else biases),
    ]


def _maxout(stored: list[Stored]) -> list[Stored]:
    """Return one kernel and bias for the features of a MaxoutDense."""
    kernel = stored[0].values  # (features, inputs, outputs)
    if kernel.ndim != 3:
        return stored
    joined = np.transpose(kernel, (1, 0, 2)).reshape(kernel.shape[1], -1)
    return [
        Stored("kernel", joined),
        *(Stored("bias", one.values.reshape(-1)) for one in stored[1:]),
    ]


def _highway(stored: list[Stored]) -> list[Stored]:
    """Return the weights of the transform, then of the gate."""
    gate = [one for one in stored if "_carry" in one.name]
    return [one for one in stored if "_carry" not in one.name] + gate


_COMPOSED = {"MaxoutDense": _maxout, "Highway": _highway}


# --- models within models -------------------------------------------------------------------------


def _of_model(model: Any, stored: list[Stored], age: Age) -> list[Stored]:
    """Return the weights of a nested model, which a file keeps in one list.

    Most versions list what can be trained first, some go layer by layer: the order is the one in
    which shapes and names fit.
    """
    reasons = []
    for slots in (list(_trainable_first(model, age)), list(_by_layer(model, age))):
        try:
            return _dealt(model, stored, slots, age)
        except WeightsError as error:
            reasons.append(error)
    raise reasons[0]


@dataclass(frozen=True)
class _Slot:
    """The weights of one layer that stand together: all, the trainable or the other ones."""

    layer: Any
    part: str


def _trainable_first(model: Any, age: Age) -> Iterator[_Slot]:
    leaves = list(_leaves(model, age))
    for layer in leaves:
        if layer.trainable:
            yield _Slot(layer, "trainable")
    for layer in leaves:
        yield _Slot(layer, "others" if layer.trainable else "all")


def _by_layer(model: Any, age: Age) -> Iterator[_Slot]:
    for layer in _leaves(model, age):
        yield _Slot(layer, "all")


def _leaves(model: Any, age: Age) -> Iterator[Any]:
    """Yield the layers with weights of a model, those of models within it too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model) and layer.name not in age.composed:
            yield from _leaves(layer, age)
        elif _variables(layer):
            yield layer


def _dealt(model: Any, stored: list[Stored], slots: list[_Slot], age: Age) -> list[Stored]:
    """Deal the weights of one list out to layers, and return them in the order of Keras 3."""
    left = list(stored)
    dealt: dict[int, list[Stored]] = {}
    for slot in slots:
        count = _count(slot, left)
        if count > len(left):
            break
        dealt.setdefault(id(slot.layer), []).extend(left[:count])
        left = left[count:]
    if left:
        raise WeightsError(f"`{model.name}` has fewer weights than the {len(stored)} in the file")
    values: dict[int, Stored] = {}
    for layer in _leaves(model, age):
        converted = _converted(layer, dealt.get(id(layer), []), age)
        _check(layer, f"{model.name}/{layer.name}", converted)
        for variable, one in zip(_variables(layer), converted, strict=True):
            values[id(variable)] = one
    return [values[id(variable)] for variable in _variables(model)]


def _count(slot: _Slot, left: list[Stored]) -> int:
    """Return how many weights of a slot come next in the file."""
    kind, own = type(slot.layer).__name__, _variables(slot.layer)
    fixed = [one for one in own if _is_fixed(one)]
    if slot.part == "others":
        return len(fixed)
    if left and kind in _SEPARATE_GATES and _FIRST_OF_SEPARATE.search(left[0].name):
        return 3 * len(_SEPARATE_GATES[kind])
    return len(own) - (len(fixed) if slot.part == "trainable" else 0)


def _is_fixed(variable: Any) -> bool:
    """Return whether a variable is never trained because of its role, not because it is frozen."""
    return str(variable.name) in ("moving_mean", "moving_variance", "mean", "variance")


def _variables(layer: Any) -> list[Any]:
    """Return a layer's weights in the order in which `.h5` files keep them."""
    own = [*layer.trainable_weights, *layer.non_trainable_weights]
    return [variable for variable in own if variable.name != "rnn_state"]


def _check(layer: Any, name: str, values: list[Stored]) -> None:
    """Raise an error unless weights fit a layer in number, shape and name."""
    variables = _variables(layer)
    if len(values) != len(variables):
        raise WeightsError(
            f"layer `{name}` has {len(variables)} weights, the file {len(values)} for it"
        )
    for variable, one in zip(variables, values, strict=True):
        shape, found = tuple(variable.shape), tuple(one.values.shape)
        if shape != found:
            of = f"`{variable.name}` of layer `{name}`"
            raise WeightsError(
                f"{of} has the shape {shape}, but the file's `{one.name}` has {found}"
                + (", the same number of values" if math.prod(shape) == math.prod(found) else "")
            )
        role = Stored(str(variable.name), None).role
        if None not in (role, one.role) and role != one.role:
            raise WeightsError(f"the file has `{one.name}` where `{name}` has `{variable.name}`")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(f"`{name}`" for name in names[:5]) + more
