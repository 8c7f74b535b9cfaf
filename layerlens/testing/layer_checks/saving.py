"""Check that a layer's config and saved file are complete."""

from __future__ import annotations

import inspect
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from layerlens.models.build.custom_objects import custom_objects, in_use
from layerlens.models.build.inputs import has_graph
from layerlens.models.build.symbolic import functional, input_tensors
from layerlens.models.keras_errors import clean_reason
from layerlens.testing.layer_checks.check import (
    Check,
    Inputs,
    call_layer,
    float64,
    move_weights,
    outputs,
    own_inputs,
    random_inputs,
    run_check,
)


def check_config(subject: Any) -> Check:
    """Check that a layer recreated from its config, written as JSON, is the same layer."""
    return run_check(subject, "is not restored from its config", _config_faults)


def _config_faults(layer: Any) -> Iterator[str]:
    parameters = _parameters(layer)
    config = layer.get_config()
    overridden = type(layer).from_config.__func__ is not keras.layers.Layer.from_config.__func__
    if not overridden:
        for name in parameters:
            if name not in config:
                yield (
                    f"get_config() leaves out `{name}`, an argument of its constructor: a "
                    f"restored layer gets the default, or fails"
                )
    try:
        written = json.dumps(keras.saving.serialize_keras_object(layer))
    except Exception as error:  # whatever the layer raises is the fault
        yield f"its config cannot be written as JSON: {clean_reason(error)}"
        return
    try:
        with in_use(custom_objects(layer)):
            again = keras.saving.deserialize_keras_object(json.loads(written), safe_mode=False)
    except Exception as error:  # whatever the layer raises is the fault
        yield f"it cannot be restored from its config: {clean_reason(error)}"
        return
    ours = json.loads(written)["config"]
    theirs = json.loads(json.dumps(keras.saving.serialize_keras_object(again)))["config"]
    for key in sorted({*ours, *theirs}):
        if ours.get(key) != theirs.get(key):
            yield f"`{key}` is {ours.get(key)!r} in its config; restored, it is {theirs.get(key)!r}"
    for name in parameters:
        one, other = getattr(layer, name, None), getattr(again, name, None)
        if _is_plain(one) and _is_plain(other) and _with_lists(one) != _with_lists(other):
            yield f"its `{name}` is {one!r}; restored, it is {other!r}"


def _parameters(layer: Any) -> list[str]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(type(layer).__init__).parameters.values()
    names = [one.name for one in found if one.kind not in kinds]
    return [name for name in names if name not in ("self", "name", "dtype", "trainable")]


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _with_lists(value: Any) -> Any:
    return [_with_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


# --- saving ---------------------------------------------------------------------------------------


def check_saving(subject: Any, inputs: Inputs, seed: int = 0) -> Check:
    """Check that a layer or model saved as `.keras` and loaded computes the same.

    Its weights are changed from their initial values first, since a bias of zeros that is not
    saved would be loaded as zeros.
    """

    def faults(layer: Any) -> Iterator[str]:
        specs = inputs or own_inputs(layer)
        arrays = random_inputs(specs, 3, 8, np.random.default_rng(seed))
        if isinstance(layer, keras.Model):
            model = layer
            if not has_graph(model):
                call_layer(model, specs, arrays)  # to build it
        else:
            tensors = input_tensors(specs, "working", taken=frozenset({layer.name}))
            outputs = keras.tree.flatten(call_layer(layer, specs, tensors))
            model = functional(tensors, tuple(outputs), "model")
        move_weights(model, np.random.default_rng(seed))
        try:
            again = _reloaded(model, custom_objects(layer))
        except Exception as error:  # whatever the layer raises is the fault
            yield f"it cannot be saved and loaded: {clean_reason(error)}"
            return
        yield from _wrong_weights(model, again)
        difference = _output_difference(model, again, specs, arrays)
        if difference is not None:
            yield difference

    return run_check(subject, "is not restored from its saved file", faults)


def _reloaded(model: Any, objects: Mapping[str, Any]) -> Any:
    with tempfile.TemporaryDirectory(prefix="layerlens-") as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        with in_use(objects):
            return keras.saving.load_model(path, compile=False, safe_mode=False)


def _wrong_weights(model: Any, again: Any) -> Iterator[str]:
    ours, theirs = model.weights, again.weights
    if len(ours) != len(theirs):
        yield f"it had {len(ours)} weights before it was saved, and {len(theirs)} after loading"
        return
    for one, other in zip(ours, theirs, strict=True):
        before, after = float64(one), float64(other)
        if before.shape != after.shape:
            yield f"weight `{one.path}` has shape {after.shape} after loading, not {before.shape}"
        elif not np.array_equal(before, after, equal_nan=True):
            apart = np.max(np.abs(before - after))
            yield f"weight `{one.path}` has different values after loading, up to {apart:.3g} apart"


def _output_difference(model: Any, again: Any, specs: Inputs, arrays: Sequence[Any]) -> str | None:
    ours, theirs = (outputs(one, specs, arrays) for one in (model, again))
    worst = _first_difference(ours, theirs)
    if worst is None:
        return None
    if _first_difference(ours, outputs(model, specs, arrays)) is not None:
        return "it returns a different result at each call, so nothing can be compared"
    return f"the loaded layer gives a different result: {worst}"


def _first_difference(ours: Sequence[Any], theirs: Sequence[Any]) -> str | None:
    """Describe the first difference of outputs; None where they agree within rounding."""
    if [one.shape for one in ours] != [other.shape for other in theirs]:
        shapes = " instead of ".join(str([one.shape for one in side]) for side in (theirs, ours))
        return f"output shapes {shapes}"
    for one, other in zip(ours, theirs, strict=True):
        room = 1e-6 * np.max(np.abs(one), initial=0)
        wrong = ~np.isclose(one, other, rtol=1e-5, atol=room, equal_nan=True)
        if wrong.any():
            index = tuple(int(place) for place in np.argwhere(wrong)[0])
            return (
                f"{wrong.sum():,} of {wrong.size:,} values, first at {index}: "
                f"{other[index]:.9g} instead of {one[index]:.9g}"
            )
    return None
