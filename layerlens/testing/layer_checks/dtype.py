"""Check that a layer's error stays within the rounding of its dtype."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from layerlens.models.build.precision import config_with_policy
from layerlens.models.external.clone import custom_objects
from layerlens.models.keras_errors import clean_reason
from layerlens.testing.layer_checks.check import (
    ROUNDOFF,
    Check,
    Inputs,
    applied,
    check,
    drawn,
    dtype_of,
    flat,
    float64,
    is_floating,
    move_weights,
    outputs,
    own_inputs,
    rounded,
    settle,
)

#: How many units of rounding a layer may always take; most take fewer than four.
_UNITS = 16.0
#: In float32 nothing narrower tells how many are usual.
_UNITS_FLOAT32 = 64.0
#: A narrower dtype may take so many times the units that float32 takes.
_MARGIN = 8.0
_NUDGE = 2.0**-40


def check_dtype(subject: Any, dtype: str, inputs: Inputs, seed: int = 0) -> Check:
    """Check that a layer runs in a dtype policy: what it returns, and how close to float64 it is.

    What rounding explains is measured. The sensitivity of an output is how far it moves when
    inputs and weights move by a relative 1; an error in units of `roundoff × (sensitivity +
    |value|)` says how many times worse than a backward-stable computation the layer is (Higham,
    *Accuracy and Stability of Numerical Algorithms*, chapter 1). That number hardly depends on
    the precision: the layer's own in float32 says what to expect in a narrower one.
    """

    def faults(layer: Any) -> Iterator[str]:
        specs = inputs or own_inputs(layer)
        arrays = drawn(specs, 4, 8, np.random.default_rng(seed))
        try:
            narrow = _in_policy(layer, dtype)
        except Exception as error:  # whatever it raises, it has no such form
            yield f"it cannot be made with dtype={dtype!r}: {clean_reason(error)}"
            return
        if narrow.dtype_policy.name != dtype:
            yield (
                f"made anew with dtype={dtype!r} its policy is {narrow.dtype_policy.name!r}: "
                "its constructor has to hand **kwargs to super().__init__, and get_config() has "
                "to hold what super().get_config() returns"
            )
            return
        computes = narrow.compute_dtype
        arrays = [rounded(array, computes) for array in arrays]
        try:
            results = flat(applied(narrow, specs, arrays))
        except Exception as error:  # whatever it raises is its refusal
            yield f"it does not run: {clean_reason(error)}"
            return
        yield from _dtypes_apart(results, computes)
        if computes not in ROUNDOFF:
            return  # whole numbers are not rounded
        if layer.built:
            for mine, given in zip(narrow.weights, layer.weights, strict=False):
                mine.assign(given.numpy())
            settle(narrow)
        else:
            move_weights(narrow, np.random.default_rng(seed))
        yield from _beyond_rounding(layer, narrow, specs, arrays, seed)

    return check(subject, f"does not run as it should in {dtype}", faults)


def _dtypes_apart(results: Sequence[Any], computes: str) -> Iterator[str]:
    for place, result in enumerate(results):
        given = dtype_of(result)
        if given in ROUNDOFF and given != computes:
            which = f"output {place}" if len(results) > 1 else "its output"
            yield f"{which} is {given}, not {computes}"


def _beyond_rounding(
    layer: Any, narrow: Any, specs: Inputs, arrays: Sequence[Any], seed: int
) -> Iterator[str]:
    try:
        exact = _twin(layer, narrow, "float64", specs, arrays)
        wide = _twin(layer, narrow, "float32", specs, arrays)
        wanted = outputs(exact, specs, arrays)
    except Exception as error:  # many kernels of TensorFlow are not there in float64
        yield f"it does not run in float64 to be compared with: {clean_reason(error)}"
        return
    moved = _sensitivity(exact, specs, arrays, wanted, seed)
    computes = narrow.compute_dtype
    for place, value in enumerate(wanted):
        scale = _by_sample(moved[place] + np.abs(value))
        received = outputs(narrow, specs, arrays)[place]
        if received.shape != value.shape:
            yield f"its output has shape {received.shape}, in float64 {value.shape}"
            continue
        wrong = ~np.isfinite(received) & np.isfinite(value)
        if wrong.any():
            index = tuple(int(at) for at in np.argwhere(wrong)[0])
            yield (
                f"{wrong.sum():,} of {wrong.size:,} values are not finite, first at {index}: "
                f"{received[index]} instead of {value[index]:.6g}"
            )
            continue
        usual = _units(outputs(wide, specs, arrays)[place], value, scale, "float32")
        allowed = _UNITS_FLOAT32 if computes == "float32" else max(_UNITS, _MARGIN * usual)
        units = _units(received, value, scale, computes)
        if units > allowed:
            apart = np.abs(received - value)
            index = tuple(int(at) for at in np.unravel_index(np.argmax(apart), apart.shape))
            room = float(allowed * ROUNDOFF[computes] * np.broadcast_to(scale, apart.shape)[index])
            yield (
                f"it is up to {apart[index]:.3g} from float64, where rounding explains "
                f"{room:.3g}: at {index} it is {received[index]:.6g} instead of {value[index]:.6g}"
            )


def _twin(layer: Any, narrow: Any, policy: str, specs: Inputs, arrays: Sequence[Any]) -> Any:
    """Make the layer in another policy, with the very weights that the narrow one has."""
    twin = _in_policy(layer, policy)
    applied(twin, specs, [rounded(array, policy) for array in arrays])
    for mine, theirs in zip(twin.weights, narrow.weights, strict=True):
        mine.assign(float64(theirs) if is_floating(theirs) else theirs.numpy())
    settle(twin)
    return twin


def _sensitivity(
    exact: Any, specs: Inputs, arrays: Sequence[Any], wanted: Sequence[Any], seed: int
) -> list[Any]:
    """How far each float64 output moves when inputs and weights move by a relative 1."""
    draws = np.random.default_rng(seed)
    own = [float64(weight) for weight in exact.weights]
    greatest = [np.zeros_like(value) for value in wanted]
    for _ in range(4):
        moved = [_nudged(np.asarray(array), draws) for array in arrays]
        for weight, value in zip(exact.weights, own, strict=True):
            if is_floating(weight):
                weight.assign(_nudged(value, draws))
        settle(exact)
        now = outputs(exact, specs, moved)
        for place, (one, other) in enumerate(zip(now, wanted, strict=True)):
            greatest[place] = np.maximum(greatest[place], np.abs(one - other) / _NUDGE)
    for weight, value in zip(exact.weights, own, strict=True):
        if is_floating(weight):
            weight.assign(value)
    settle(exact)
    return greatest


def _nudged(value: Any, draws: Any) -> Any:
    if str(value.dtype) not in ROUNDOFF:
        return value
    signs = draws.choice([-1.0, 1.0], size=value.shape)
    return value.astype("float64") * (1 + _NUDGE * signs)


def _by_sample(value: Any) -> Any:
    """The greatest value of each sample: an entry near zero owes its rounding to its neighbours."""
    axes = tuple(range(1, value.ndim))
    return np.max(value, axis=axes, keepdims=True, initial=0) if axes else value


def _units(received: Any, wanted: Any, scale: Any, dtype: str) -> float:
    unit = ROUNDOFF[dtype] * scale + np.finfo("float64").tiny
    return float(np.max(np.abs(received - wanted) / unit, initial=0))


def _in_policy(layer: Any, policy: str) -> Any:
    described = config_with_policy(keras.saving.serialize_keras_object(layer), policy)
    return keras.saving.deserialize_keras_object(described, custom_objects(layer), safe_mode=False)
