"""Initializers, regularizers, constraints, activations and dtypes in the form of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerlens.models.external.older.record import Record
from layerlens.scenario.keras_catalog import public_names

#: The name under which models built here use `hard_sigmoid` of Keras 1 and 2.
HARD_SIGMOID = "keras2_hard_sigmoid"

_INITIALIZERS_OF_KERAS_1 = {
    "zero": "zeros",
    "one": "ones",
    "normal": "random_normal",
    "uniform": "random_uniform",
}
_REGULARIZERS_OF_KERAS_1 = (
    "L1L2Regularizer",
    "WeightRegularizer",
    "ActivityRegularizer",
)
#: Class in Keras 1 → the name of its argument there, and in Keras 3.
_CONSTRAINTS_OF_KERAS_1 = {
    "MaxNorm": ("m", "max_value"),
    "NonNeg": (None, None),
    "UnitNorm": (None, None),
}
_ENDINGS = {
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
}


def translate_object(name: str, value: Any, layer: str, record: Record) -> Any:
    """Return the value of an argument that holds an object or a dtype, in the form of Keras 3."""
    if name.endswith("activation"):
        return _activation(value, layer, record)
    if name == "dtype":
        return _dtype(value, record)
    package = next((there for end, there in _ENDINGS.items() if name.endswith(end)), None)
    if package == "initializers" and value in ("zero", "one", "normal", "uniform"):
        record.translated(f"`{value}`", f"`{_INITIALIZERS_OF_KERAS_1[value]}`")
        return _INITIALIZERS_OF_KERAS_1[value]
    if package is None or not isinstance(value, Mapping):
        return value
    if "class_name" not in value and isinstance(value.get("name"), str):
        value = _of_keras_1(value, record)
    return _object(package, value, record)


def is_object(name: str) -> bool:
    """Return whether an argument of this name holds an object or a dtype."""
    return name == "dtype" or name.endswith(("activation", *_ENDINGS))


def _object(package: Any, value: Mapping[str, Any], record: Record) -> Any:
    kind, inner = value.get("class_name"), value.get("config")
    if kind not in public_names(package) or value.get("registered_name") not in (None, kind):
        return value  # whether it may be loaded is decided later
    if isinstance(inner, Mapping):
        inner = dict(inner)
        if package == "initializers" and isinstance(inner.get("dtype"), (str, type(None))):
            if inner.pop("dtype", None) is not None:
                record.left_out(
                    "`dtype` of initializers", "in Keras 3 they take that of their layer"
                )
            inner.pop("partition_info", None)
        if kind == "VarianceScaling" and inner.get("distribution") == "normal":
            inner["distribution"] = "truncated_normal"
            record.translated("`distribution: normal`", "`distribution: truncated_normal`")
    return {
        "module": f"keras.{package}",
        "class_name": kind,
        "config": inner,
        "registered_name": None,
    }


def _of_keras_1(value: Mapping[str, Any], record: Record) -> Mapping[str, Any]:
    """Return a regularizer or constraint with the class beside its arguments, not among them."""
    name, inner = value["name"], {key: item for key, item in value.items() if key != "name"}
    if name in _REGULARIZERS_OF_KERAS_1:
        record.translated(f"`{name}`", "`L1L2`")
        return {"class_name": "L1L2", "config": inner}
    if name in _CONSTRAINTS_OF_KERAS_1:
        old, new = _CONSTRAINTS_OF_KERAS_1[name]
        if old is not None and old in inner:
            inner[str(new)] = inner.pop(old)
            record.translated(f"`{old}` of {name}", f"`{new}`")
    return {"class_name": name, "config": inner}


def _activation(value: Any, layer: str, record: Record) -> Any:
    name = value
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        name = value.get("config")
    if name == "hard_sigmoid":
        record.hard[layer] = None
        return {
            "module": "builtins",
            "class_name": "function",
            "config": HARD_SIGMOID,
            "registered_name": HARD_SIGMOID,
        }
    return value


def _dtype(value: Any, record: Record) -> Any:
    if not isinstance(value, Mapping) or value.get("class_name") not in ("Policy", "PolicyV1"):
        return None if value in ("infer", "_infer") else value
    inner = value.get("config")
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(name, str):
        return value
    record.translated(f"`{value['class_name']}`", "a dtype")
    return None if name in ("infer", "_infer") else name
