"""Copy a Keras layer or model without changing it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.build.custom_objects import custom_objects
from layerlens.models.external.deserialize import Source
from layerlens.models.external.saved_file import SavedModel
from layerlens.models.inspect.nested_layers import with_nested
from layerlens.scenario.spec import InputSpec

#: Methods that Keras itself replaces on each layer.
_WRAPPED = frozenset(vars(keras.layers.Layer()))


def copy_layer(layer: Any) -> Source:
    """Return the source of a copy of a layer or model that has no weights yet."""
    config = keras.saving.serialize_keras_object(layer)
    objects = custom_objects(layer)
    return Source(SavedModel(Path(layer.name), "json", config), objects, trusted=True)


def copy_model(model: Any, folder: Path) -> Source:
    """Save a model with its weights and state in a folder, and return the source of a copy.

    Raises whatever Keras raises if the model, or a layer in it, cannot be saved.
    """
    path = folder / "copy.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    objects = custom_objects(model)
    described = _with_functions(config, _lambdas(model), objects)
    return Source(SavedModel(path, "keras", config), objects, trusted=True, described=described)


def has_state(layer: Any) -> bool:
    """Return whether a layer or model holds weights, or state learnt by `adapt`."""
    return layer.built or any(hasattr(inner, "adapt") for inner in with_nested(layer))


def has_replaced_methods(layer: Any) -> bool:
    """Return whether a method of an object was replaced, such as `call`: a copy would lose that."""
    return any(
        callable(value) and hasattr(type(inner), name) and name not in _WRAPPED
        for inner in with_nested(layer)
        for name, value in vars(inner).items()
    )


def same_outputs(
    original: Any, copy: Any, inputs: tuple[InputSpec, ...], *, in_float64: bool = False
) -> bool:
    """Return whether a copy, which may be in float64, gives the original's outputs on one batch.

    True without a call for a stateful model, which a call would change, and for text inputs. True
    also where the original cannot be called, and False where only the copy cannot.
    """
    if any(getattr(layer, "stateful", False) for layer in with_nested(original)):
        return True
    random = np.random.default_rng(0)
    size = original.inputs[0].shape[0] or 2
    arrays = [_random_input(item, size, random) for item in inputs]
    if any(array is None for array in arrays):
        return True
    given = arrays[0] if len(arrays) == 1 else arrays
    try:
        expected = _outputs(original, given)
    except Exception as error:  # a model may raise anything; it is refused when it is compared
        raise_if_out_of_memory(error, "while a model was called")
        return True
    try:
        found = _outputs(copy, given)
    except Exception as error:  # the copy has another precision, which code may not allow
        raise_if_out_of_memory(error, "while a copy of a model was called")
        return False
    pairs = zip(expected, found, strict=False)
    # In one precision both are the same computation.
    are_precise = is_precise(original) and is_precise(copy)
    bound = (1e-3 if in_float64 else 1e-6) if are_precise else 0.1
    return all(
        one.shape == other.shape
        and np.allclose(one, other, rtol=bound, atol=bound * np.nanmax(np.abs(one)), equal_nan=True)
        for one, other in pairs
        if one.size
    )


def is_precise(layer: Any) -> bool:
    """Return whether a layer or model computes in no less than float32, and is not quantized."""
    policies = (getattr(inner, "dtype_policy", None) for inner in with_nested(layer))
    return all(policy is None or policy.name in ("float32", "float64") for policy in policies)


def _outputs(model: Any, given: Any) -> list[Any]:
    flat = keras.tree.flatten(model(given, training=False))
    return [keras.ops.convert_to_numpy(item).astype("float64") for item in flat]


def _random_input(item: InputSpec, size: int, random: Any) -> Any:
    shape = (size, *(3 if length is None else length for length in item.shape))
    if item.is_integer:
        return random.integers(item.low or 0, item.high or 2, shape).astype(item.dtype)
    if item.dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    return random.normal(size=shape).astype("float32") if item.dtype != "string" else None


def _lambdas(model: Any) -> dict[str, Any]:
    return {
        layer.name: layer.function
        for layer in with_nested(model)
        if isinstance(layer, keras.layers.Lambda)
    }


def _with_functions(config: Any, lambdas: Mapping[str, Any], objects: dict[str, Any]) -> Any:
    """Replace the bytecode of Lambda layers by names of functions, since bytecode lacks globals."""
    if isinstance(config, list):
        return [_with_functions(item, lambdas, objects) for item in config]
    if not isinstance(config, dict):
        return config
    result = {key: _with_functions(item, lambdas, objects) for key, item in config.items()}
    inner = result.get("config")
    if inner is not None and result.get("class_name") == "Lambda" and inner["name"] in lambdas:
        name = f"function of {inner['name']}"
        objects[name] = lambdas[inner["name"]]
        inner["function"] = {
            "module": "builtins",
            "class_name": "function",
            "config": name,
            "registered_name": "function",
        }
    return result
