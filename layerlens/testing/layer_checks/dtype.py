"""Check that a layer's error under a dtype policy is explained by rounding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from layerlens.models.build.custom_objects import custom_objects, in_use
from layerlens.models.build.precision import config_with_policy
from layerlens.models.keras_errors import clean_reason
from layerlens.testing.layer_checks.check import (
    ROUNDOFF,
    Check,
    Inputs,
    call_layer,
    dtype_of,
    finalize_states,
    flat,
    float64,
    is_floating,
    move_weights,
    outputs,
    own_inputs,
    random_inputs,
    rounded,
    run_check,
)

#: The error that is always allowed, in units of rounding; most layers have fewer than four.
_UNITS = 16.0
#: The error allowed in float32, which has no usual error to be compared with.
_UNITS_FLOAT32 = 64.0
#: The error allowed in a narrower dtype, as a multiple of the layer's units in float32.
_MARGIN = 8.0
#: The relative change of inputs and weights that measures sensitivity.
_NUDGE = 2.0**-40


def check_dtype(subject: Any, dtype: str, inputs: Inputs, seed: int = 0) -> Check:
    """Check the dtype of a layer's outputs under a policy, and their distance from float64.

    The rounding error to expect is measured. The sensitivity of an output is its change per
    relative change of inputs and weights; an error in units of `roundoff × (sensitivity + |value|)`
    is how many times worse than a backward-stable computation the layer is (Higham, *Accuracy and
    Stability of Numerical Algorithms*, chapter 1). This number hardly depends on the precision, so
    that the one in float32 predicts the one in a narrower dtype.
    """

    def faults(layer: Any) -> Iterator[str]:
        specs = inputs or own_inputs(layer)
        arrays = random_inputs(specs, 4, 8, np.random.default_rng(seed))
        try:
            narrow = _in_policy(layer, dtype)
        except Exception as error:  # whatever the constructor raises is the fault
            yield f"it cannot be created with dtype={dtype!r}: {clean_reason(error)}"
            return
        if narrow.dtype_policy.name != dtype:
            yield (
                f"recreated with dtype={dtype!r} its policy is {narrow.dtype_policy.name!r}: "
                "its constructor has to pass **kwargs to super().__init__, and "
                "get_config() has to include what super().get_config() returns"
            )
            return
        computes = narrow.compute_dtype
        arrays = [rounded(array, computes) for array in arrays]
        try:
            results = flat(call_layer(narrow, specs, arrays))
        except Exception as error:  # whatever the layer raises is the fault
            yield f"it does not run: {clean_reason(error)}"
            return
        yield from _dtypes_apart(results, computes)
        if computes not in ROUNDOFF:
            return  # integers are not rounded
        if layer.built:
            for mine, given in zip(narrow.weights, layer.weights, strict=False):
                mine.assign(given.numpy())
            finalize_states(narrow)
        else:
            move_weights(narrow, np.random.default_rng(seed))
        yield from _beyond_rounding(layer, narrow, specs, arrays, seed)

    return run_check(subject, f"does not run correctly in {dtype}", faults)


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
    except Exception as error:  # many kernels of TensorFlow lack float64
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
                f"it is up to {apart[index]:.3g} from float64, but rounding explains "
                f"{room:.3g}: at {index} it is {received[index]:.6g} instead of "
                f"{value[index]:.6g}"
            )


def _twin(layer: Any, narrow: Any, policy: str, specs: Inputs, arrays: Sequence[Any]) -> Any:
    """Return the layer under another policy, with the weights of `narrow`."""
    twin = _in_policy(layer, policy)
    call_layer(twin, specs, [rounded(array, policy) for array in arrays])
    for mine, theirs in zip(twin.weights, narrow.weights, strict=True):
        mine.assign(float64(theirs) if is_floating(theirs) else theirs.numpy())
    finalize_states(twin)
    return twin


def _sensitivity(
    exact: Any, specs: Inputs, arrays: Sequence[Any], wanted: Sequence[Any], seed: int
) -> list[Any]:
    """Return the change of each output per relative change of inputs and weights, in float64."""
    rng = np.random.default_rng(seed)
    own = [float64(weight) for weight in exact.weights]
    greatest = [np.zeros_like(value) for value in wanted]
    for _ in range(4):
        moved = [_nudged(np.asarray(array), rng) for array in arrays]
        for weight, value in zip(exact.weights, own, strict=True):
            if is_floating(weight):
                weight.assign(_nudged(value, rng))
        finalize_states(exact)
        now = outputs(exact, specs, moved)
        for place, (one, other) in enumerate(zip(now, wanted, strict=True)):
            greatest[place] = np.maximum(greatest[place], np.abs(one - other) / _NUDGE)
    for weight, value in zip(exact.weights, own, strict=True):
        if is_floating(weight):
            weight.assign(value)
    finalize_states(exact)
    return greatest


def _nudged(value: Any, rng: Any) -> Any:
    if str(value.dtype) not in ROUNDOFF:
        return value
    signs = rng.choice([-1.0, 1.0], size=value.shape)
    return value.astype("float64") * (1 + _NUDGE * signs)


def _by_sample(value: Any) -> Any:
    """Return the greatest value of each sample, whose rounding reaches its small values too."""
    axes = tuple(range(1, value.ndim))
    return np.max(value, axis=axes, keepdims=True, initial=0) if axes else value


def _units(received: Any, wanted: Any, scale: Any, dtype: str) -> float:
    unit = ROUNDOFF[dtype] * scale + np.finfo("float64").tiny
    return float(np.max(np.abs(received - wanted) / unit, initial=0))


def _in_policy(layer: Any, policy: str) -> Any:
    described = config_with_policy(keras.saving.serialize_keras_object(layer), policy)
    with in_use(custom_objects(layer)):
        return keras.saving.deserialize_keras_object(described, safe_mode=False)
