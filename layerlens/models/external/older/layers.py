"""Layers that have another class in Keras 3, are composed of several there, or are gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerlens.models.external.older.record import Place, Record, list_at, numbers
from layerlens.scenario.older_names import (
    GONE_CLASSES,
    MERGE_MODES,
    OWN_LAYER,
    RENAMED_CLASSES,
)

#: What the classes that took no such arguments did.
_FIXED: Mapping[str, Mapping[str, Any]] = {
    "CuDNNLSTM": {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True},
    "CuDNNGRU": {
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "use_bias": True,
        "reset_after": True,
    },
    "SyncBatchNormalization": {"synchronized": True},
}

_MERGE_ONLY = (
    "mode",
    "mode_type",
    "concat_axis",
    "dot_axes",
    "output_shape",
    "output_shape_type",
    "output_mask",
    "output_mask_type",
    "arguments",
    "node_indices",
    "tensor_indices",
    "layers",
)
#: The first version of Keras that ran on a Python whose bytecode the lowest allowed one reads.
_BYTECODE_SINCE = (2, 12)


def is_gone(kind: str, layer: str, place: Place, record: Record) -> bool:
    """Return whether Keras 3 has no form of a class, and note what it is."""
    if kind not in GONE_CLASSES:
        return False
    what, instead = GONE_CLASSES[kind]
    record.refuse(layer, f"is a `{kind}`, {what}, which Keras 3 does not have", place, instead)
    return True


def renamed_class(
    kind: str, inner: Mapping[str, Any], record: Record
) -> tuple[str, Mapping[str, Any]]:
    """Return the class that a layer has in Keras 3, with what the older class did unasked."""
    new = RENAMED_CLASSES.get(kind)
    if new is None:
        return kind, inner
    if kind == "ThresholdedReLU":
        record.translated("`ThresholdedReLU: theta`", "`ReLU: threshold`")
        kept = {name: value for name, value in inner.items() if name != "theta"}
        return new, {**kept, "threshold": inner.get("theta", 1.0)}
    record.translated(f"`{kind}`", f"`{new}`")
    return new, {**_FIXED.get(kind, {}), **inner}


def check_layer(
    kind: str, arguments: dict[str, Any], layer: str, place: Place, record: Record
) -> None:
    """Note what a layer of this name did and Keras 3 does not, and take it out."""
    if kind == "BatchNormalization" and "mode" in arguments:
        mode = arguments.pop("mode")
        if mode == 0:
            record.left_out("`mode: 0`", "it is what Keras 3 does")
        else:
            how = "each sample on its own" if mode == 1 else "by the batch, in inference too"
            what = f"is a `BatchNormalization` with `mode: {mode}`, which normalizes {how}"
            record.refuse(layer, what, (*place, "config", "mode"), OWN_LAYER)
    if kind == "Embedding" and "dropout" in arguments:
        rate = arguments.pop("dropout")
        if rate not in (0, None):
            record.lose(f"`{layer}` dropped whole words at the rate {rate} in training")
    if kind in ("Conv2DTranspose", "Conv3DTranspose") and "output_shape" in arguments:
        shape = arguments.pop("output_shape")
        sizes = list_at(shape, (*place, "config", "output_shape"))[1:]
        record.shapes[layer] = tuple(item if type(item) is int else None for item in sizes)
        record.left_out("`output_shape`", "it follows from the input and is checked")
    if kind == "Lambda" and record.version and numbers(record.version) < _BYTECODE_SINCE:
        what = "is a `Lambda`, whose function is stored as bytecode of another Python version"
        record.refuse(layer, what, place, "write the function again")
    threshold = arguments.get("threshold") if kind == "ReLU" else None
    if isinstance(threshold, (int, float)) and threshold < 0:
        what = f"is a `ThresholdedReLU` with the threshold {threshold}, below zero"
        record.refuse(layer, what, place, OWN_LAYER)


def merge_layer(
    inner: Mapping[str, Any], layer: str, place: Place, record: Record
) -> dict[str, Any]:
    """Return the layer of Keras 3 that merges as a Merge of Keras 1 did."""
    mode = inner.get("mode", "sum")
    kind = MERGE_MODES.get(mode) if isinstance(mode, str) else None
    if inner.get("mode_type", "raw") != "raw":
        what = "is a `Merge` with a function, stored as bytecode of another Python version"
        record.refuse(layer, what, place, "write the function again, as layers of Keras 3")
        kind = "Add"
    elif kind is None:
        what = f"is a `Merge` in the mode {str(mode)[:40]!r}, which Keras 3 does not have"
        record.refuse(layer, what, place, "write it as layers of Keras 3, such as `Dot`")
        kind = "Add"
    else:
        record.translated(f"`Merge: {mode}`", f"`{kind}`")
    arguments = {name: value for name, value in inner.items() if name not in _MERGE_ONLY}
    if kind == "Concatenate":
        arguments["axis"] = inner.get("concat_axis", -1)
    if kind == "Dot":
        axes = inner.get("dot_axes", -1)
        arguments["axes"] = [axes, axes] if isinstance(axes, int) else axes
    return {"class_name": kind, "config": arguments}


def composed_layer(
    kind: str, inner: Mapping[str, Any], width: int | None, layer: str, place: Place, record: Record
) -> dict[str, Any]:
    """Return the layers of Keras 3 that compute a MaxoutDense or Highway, as a model of its name.

    `width` is the number of features that come in, where it is known.
    """
    shared = ("init", "W_regularizer", "b_regularizer", "W_constraint", "b_constraint", "bias")
    dense = {name: inner[name] for name in shared if name in inner}
    record.composed[layer] = kind
    if kind == "MaxoutDense":
        record.translated("`MaxoutDense`", "`Dense`, `Reshape`, `GlobalMaxPooling1D`")
        units, features = inner.get("output_dim", 1), inner.get("nb_feature", 4)
        if type(units) is not int or type(features) is not int:
            units = features = 1
            record.refuse(layer, "has no `output_dim` and `nb_feature`", place, "give them")
        chain = [
            _part("Dense", f"{layer}_dense", {**dense, "output_dim": units * features}),
            _part("Reshape", f"{layer}_features", {"target_shape": [features, units]}),
            _part("GlobalMaxPooling1D", f"{layer}_max", {}),
        ]
        return {"class_name": "Sequential", "config": {"name": layer, "layers": chain}}
    record.translated("`Highway`", "`Dense` twice, `Subtract`, `Multiply`, `Add`")
    units = inner.get("input_dim") or width
    if type(units) is not int:
        what = "is a `Highway` of unknown width: neither it nor the layer before it has one"
        record.refuse(layer, what, place, "write it as two `Dense` layers and their mixture")
        units = 1
    x, h, t, change, part, sum_ = (
        f"{layer}_{name}" for name in ("input", "transform", "gate", "change", "part", "sum")
    )
    activation = inner.get("activation", "linear")
    entries = [
        _part("InputLayer", x, {"batch_input_shape": [None, units]}, []),
        _part("Dense", h, {**dense, "output_dim": units, "activation": activation}, [x]),
        _part("Dense", t, {**dense, "output_dim": units, "activation": "sigmoid"}, [x]),
        _part("Subtract", change, {}, [h, x]),
        _part("Multiply", part, {}, [t, change]),
        _part("Add", sum_, {}, [x, part]),
    ]
    graph = {"input_layers": [[x, 0, 0]], "output_layers": [[sum_, 0, 0]]}
    return {"class_name": "Model", "config": {"name": layer, "layers": entries, **graph}}


def _part(
    kind: str, name: str, arguments: Mapping[str, Any], sources: list[str] | None = None
) -> dict[str, Any]:
    entry: dict[str, Any] = {"class_name": kind, "config": {"name": name, **arguments}}
    if sources is not None:
        nodes = [[[source, 0, 0] for source in sources]] if sources else []
        entry.update(name=name, inbound_nodes=nodes)
    return entry
