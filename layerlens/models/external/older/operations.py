"""Operations of TensorFlow in the graphs of tf.keras (`TFOpLambda`) as operations of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from layerlens.models.external.older.record import (
    MalformedError,
    Place,
    Record,
    list_at,
    mapping_at,
    valid_name,
)

#: The one key of a call that lists what an operation takes, tensors and numbers.
OPERANDS = "operands of an operation"

_KIND = "TFOpLambda"
#: Arguments that only name a part of the graph, or repeat what the types say.
_NAMES = ("name", "dtype", "output_type")


@dataclass(frozen=True)
class _Operation:
    """An operation of Keras 3: its class, the operands it is called with, and its arguments.

    `operands` are the names that TensorFlow gives the operands after the first; `arguments` are its
    names of arguments → those of Keras 3; `defaults` are TensorFlow's defaults that differ.
    """

    module: str
    class_name: str
    operands: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    #: Arguments that have to be as here, or left out.
    only: Mapping[str, Any] = field(default_factory=dict)


_REDUCED = {"axis": "axis", "keepdims": "keepdims", "keep_dims": "keepdims"}


def _unary(module: str, class_name: str) -> _Operation:
    return _Operation(module, class_name)


def _binary(class_name: str) -> _Operation:
    return _Operation("numpy", class_name, ("y",))


_OPERATIONS: Mapping[str, _Operation] = {
    **{
        f"{where}{name}": _binary(kind)
        for name, kind in (
            ("add", "Add"),
            ("subtract", "Subtract"),
            ("sub", "Subtract"),
            ("multiply", "Multiply"),
            ("mul", "Multiply"),
            ("truediv", "TrueDivide"),
            ("divide", "TrueDivide"),
            ("pow", "Power"),
            ("maximum", "Maximum"),
            ("minimum", "Minimum"),
        )
        for where in ("math.", "__operators__.", "")
    },
    **{
        f"{where}{name}": _unary(*there)
        for name, there in (
            ("exp", ("numpy", "Exp")),
            ("log", ("numpy", "Log")),
            ("sqrt", ("numpy", "Sqrt")),
            ("abs", ("numpy", "Absolute")),
            ("square", ("numpy", "Square")),
            ("tanh", ("numpy", "Tanh")),
            ("negative", ("numpy", "Negative")),
            ("neg", ("numpy", "Negative")),
            ("sin", ("numpy", "Sin")),
            ("cos", ("numpy", "Cos")),
            ("sigmoid", ("nn", "Sigmoid")),
            ("relu", ("nn", "Relu")),
            ("relu6", ("nn", "Relu6")),
            ("softplus", ("nn", "Softplus")),
            ("selu", ("nn", "Selu")),
            ("elu", ("nn", "Elu")),
        )
        for where in ("math.", "nn.", "__operators__.", "")
    },
    **{
        f"{where}reduce_{name}": _Operation("numpy", kind, arguments=_REDUCED)
        for name, kind in (("mean", "Mean"), ("sum", "Sum"), ("max", "Max"), ("min", "Min"))
        for where in ("math.", "")
    },
    "nn.softmax": _Operation("nn", "Softmax", arguments={"axis": "axis"}, defaults={"axis": -1}),
    "nn.leaky_relu": _Operation(
        "nn", "LeakyRelu", arguments={"alpha": "negative_slope"}, defaults={"negative_slope": 0.2}
    ),
    "nn.silu": _Operation("nn", "Silu", only={"beta": 1.0}),
    "nn.swish": _Operation("nn", "Silu", only={"beta": 1.0}),
    "nn.gelu": _Operation(
        "nn", "Gelu", arguments={"approximate": "approximate"}, defaults={"approximate": False}
    ),
    "reshape": _Operation("numpy", "Reshape", arguments={"shape": "newshape"}),
    **dict.fromkeys(
        ("transpose", "compat.v1.transpose"),
        _Operation("numpy", "Transpose", arguments={"perm": "axes"}, only={"conjugate": False}),
    ),
    "expand_dims": _Operation("numpy", "ExpandDims", arguments={"axis": "axis"}),
    **dict.fromkeys(
        ("squeeze", "compat.v1.squeeze"),
        _Operation("numpy", "Squeeze", arguments={"axis": "axis", "squeeze_dims": "axis"}),
    ),
    "concat": _Operation("numpy", "Concatenate", arguments={"axis": "axis"}),
    "stack": _Operation("numpy", "Stack", arguments={"axis": "axis"}, defaults={"axis": 0}),
    "clip_by_value": _Operation(
        "numpy", "Clip", arguments={"clip_value_min": "x_min", "clip_value_max": "x_max"}
    ),
    "linalg.matmul": _Operation(
        "numpy",
        "Matmul",
        ("b",),
        only=dict.fromkeys(
            ("transpose_a", "transpose_b", "adjoint_a", "adjoint_b", "a_is_sparse", "b_is_sparse"),
            False,
        ),
    ),
}


def without_operations(inner: Any, place: Place, record: Record) -> Any:
    """Return the configuration of a graph with the operations of Keras 3 for TensorFlow's."""
    if not isinstance(inner, Mapping) or not isinstance(inner.get("layers"), list):
        return inner
    layers = [
        _entry(entry, (*place, "layers", index), record)
        if isinstance(entry, Mapping) and entry.get("class_name") == _KIND
        else entry
        for index, entry in enumerate(inner["layers"])
    ]
    return {**inner, "layers": layers}


def is_operation(described: Mapping[str, Any]) -> bool:
    """Return whether a part of a graph is an operation of Keras 3 that was put in here."""
    module = described.get("module")
    return isinstance(module, str) and module.startswith("keras.src.ops.")


def _entry(entry: Mapping[str, Any], place: Place, record: Record) -> Mapping[str, Any]:
    inner = mapping_at(entry.get("config"), (*place, "config"))
    function, name = inner.get("function"), inner.get("name", entry.get("name"))
    layer = name if isinstance(name, str) else _KIND
    known = _OPERATIONS.get(function) if isinstance(function, str) else None
    calls = list_at(entry.get("inbound_nodes", []), (*place, "inbound_nodes"))
    if known is None or len(calls) != 1:
        what = f"calls TensorFlow's `{str(function)[:40]}`, which has no known translation"
        record.refuse(layer, what, place, "write it with `keras.ops`")
        return {"class_name": "Identity", "config": {"name": layer}, **_of(entry)}
    taken, keywords = _operands(calls[0], (*place, "inbound_nodes", 0))
    operands = [taken, *(keywords.pop(part) for part in known.operands if part in keywords)]
    arguments = dict(known.defaults)
    for old, new in known.arguments.items():
        if old in keywords and keywords[old] is not None:
            arguments[new] = keywords[old]
        keywords.pop(old, None)
    for part, value in known.only.items():
        if keywords.get(part, value) == value:
            keywords.pop(part, None)
    left = [part for part in keywords if part not in _NAMES]
    if left or len(operands) != 1 + len(known.operands):
        what = f"calls TensorFlow's `{function}` in a way that has no known translation"
        record.refuse(layer, what, place, "write it with `keras.ops`")
    if known.class_name == "Squeeze" and isinstance(arguments.get("axis"), list):
        axes = arguments["axis"]
        arguments["axis"] = axes[0] if len(axes) == 1 else axes
    record.translated(f"`{function}` of TensorFlow", f"`keras.ops`: {known.class_name}")
    return {
        "module": f"keras.src.ops.{known.module}",
        "class_name": known.class_name,
        "config": {"name": valid_name(layer), **arguments},
        "registered_name": known.class_name,
        "name": entry.get("name", layer),
        "inbound_nodes": [{OPERANDS: operands}],
    }


def _of(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("name", "inbound_nodes") if key in entry}


def _operands(call: Any, place: Place) -> tuple[Any, dict[str, Any]]:
    """Return the first operand, a tensor or a list of them, and the arguments by name."""
    parts = list_at(call, place)
    if not parts:
        raise MalformedError(place, "an operation is called with no argument")
    one = isinstance(parts[0], str)
    tensors = [parts] if one else [list_at(part, place) for part in parts]
    keywords: dict[str, Any] = {}
    for tensor in tensors:
        if len(tensor) > 3:
            keywords.update(mapping_at(tensor[3], place))
    bare = [tensor[:3] for tensor in tensors]
    return (bare[0] if one else bare), keywords
