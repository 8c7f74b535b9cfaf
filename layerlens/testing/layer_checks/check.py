"""Run a check on a layer with random inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import ml_dtypes
import numpy as np

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.models.backend import global_settings
from layerlens.models.backend.start import start_backend
from layerlens.models.build.inputs import has_graph
from layerlens.models.build.session import in_fresh_session
from layerlens.models.inspect.nested_layers import with_nested
from layerlens.models.keras_errors import clean_reason
from layerlens.scenario.spec import InputSpec

Inputs = tuple[InputSpec, ...]

_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD

#: Dtype → its unit roundoff: half the distance from 1 to the next number.
ROUNDOFF = {"float16": 2.0**-11, "bfloat16": 2.0**-8, "float32": 2.0**-24, "float64": 2.0**-53}


@dataclass(frozen=True, slots=True)
class Check:
    """The faults that a check found."""

    #: The first line of the message: the layer, and what is wrong with it.
    heading: str
    faults: tuple[str, ...]

    @property
    def held(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        return "\n".join([self.heading, *(f"  - {fault}" for fault in self.faults)])


def run_check(subject: Any, wrong: str, find: Callable[[Any], Iterator[str]]) -> Check:
    """Run a check on a layer in a fresh Keras session.

    Args:
        subject: a layer, or a function that returns one.
        wrong: the end of the heading, as in "does not return the shape it announces".
        find: yields the faults of a layer.

    Raises:
        UsageError: there is no layer, or no input for it.
    """
    start_backend()

    @global_settings.preserving_settings
    def work() -> Check:
        with _preserved(_layer(subject)) as layer:
            heading = f"`{layer.name}` ({type(layer).__name__}) {wrong}"
            try:
                return Check(heading, tuple(find(layer)))
            except UsageError:
                raise
            except Exception as error:  # raised by the author's code, which makes it a fault
                return Check(heading, (f"{type(error).__name__}: {clean_reason(error)}",))

    return in_fresh_session(work, seed=0)


def _layer(subject: Any) -> Any:
    if not isinstance(subject, keras.layers.Layer) and callable(subject):
        subject = subject()
    if not isinstance(subject, keras.layers.Layer):
        raise UsageError(
            f"a Keras layer or model is needed; received a {type(subject).__name__}",
            hint="give a layer, a model, or a function that returns one",
            code=Code.NOT_A_MODEL,
        )
    return subject


@contextmanager
def _preserved(layer: Any) -> Iterator[Any]:
    """Context manager that restores a layer's weights, states and inbound nodes afterwards.

    Instead of a layer that is not built it gives a new one with the same arguments, so that the
    layer stays unbuilt. (A copy from the config would hide faults of the config.) A layer with
    arguments that are not plain values cannot be made again: it is used, and so built, itself.
    """
    if not layer.built and (arguments := _plain_arguments(layer)) is not None:
        yield type(layer)(**arguments)
        return
    own = [(variable, float64(variable)) for variable in layer.variables if is_floating(variable)]
    nodes = len(layer._inbound_nodes)
    try:
        yield layer
    finally:
        for variable, value in own:
            variable.assign(value)
        finalize_states(layer)
        del layer._inbound_nodes[nodes:]


def _plain_arguments(layer: Any) -> dict[str, Any] | None:
    """Return the constructor's arguments, which Keras records if all are plain values."""
    kept = getattr(layer, "_auto_config", None)
    if kept is None:
        return None
    parameters = inspect.signature(type(layer).__init__).parameters.values()
    takes_name = any(one.name == "name" or one.kind is one.VAR_KEYWORD for one in parameters)
    return {**kept.config, "name": layer.name} if takes_name else dict(kept.config)


def own_inputs(layer: Any) -> Inputs:
    """Return the inputs of a functional model; raise UsageError for other layers."""
    if not has_graph(layer):
        raise UsageError(
            f"`{layer.name}` is a {type(layer).__name__}, which has no input",
            hint="give inputs=, the shape of one sample, as in inputs=[64, 15]",
            code=Code.NOT_A_MODEL,
        )
    return tuple(
        InputSpec(tensor.name, tuple(tensor.shape[1:]), str(tensor.dtype))
        for tensor in layer.inputs
    )


def takes_inputs_by_name(layer: Any, specs: Inputs) -> bool:
    """Return whether a layer's `call` takes several inputs as arguments of their names."""
    taken = inspect.signature(layer.call).parameters
    return len(specs) > 1 and all(spec.name in taken for spec in specs)


def takes_inputs_separately(layer: Any, specs: Inputs) -> bool:
    """Return whether a layer's `call` takes several inputs as positional arguments, not a list."""
    taken = inspect.signature(layer.call).parameters.values()
    needed = [one for one in taken if one.default is one.empty and one.kind is _POSITIONAL]
    return len(specs) > 1 and len(needed) > 1


def call_layer(layer: Any, specs: Inputs, tensors: Sequence[Any]) -> Any:
    """Call a layer in inference mode, and pass several inputs in the form its `call` takes."""
    taken = inspect.signature(layer.call).parameters
    mode = {"training": False} if "training" in taken else {}
    if takes_inputs_by_name(layer, specs):
        named = {spec.name: tensor for spec, tensor in zip(specs, tensors, strict=True)}
        return layer(**named, **mode)
    if takes_inputs_separately(layer, specs):
        return layer(*tensors, **mode)
    if len(specs) > 1 and "initial_state" in taken:
        return layer(tensors[0], initial_state=list(tensors[1:]), **mode)
    return layer(tensors[0] if len(specs) == 1 else list(tensors), **mode)


def flat(results: Any) -> list[Any]:
    return list(keras.tree.flatten(results))


def outputs(layer: Any, specs: Inputs, arrays: Sequence[Any]) -> list[Any]:
    """Return the outputs of a layer as float64 arrays."""
    return [float64(result) for result in flat(call_layer(layer, specs, arrays))]


def float64(value: Any) -> Any:
    return np.asarray(keras.ops.convert_to_numpy(value)).astype("float64")


def dtype_of(value: Any) -> str:
    return str(keras.backend.standardize_dtype(value.dtype))


def is_floating(weight: Any) -> bool:
    return dtype_of(weight) in ROUNDOFF


def move_weights(layer: Any, rng: Any) -> None:
    """Add random positive values to floating weights, which keeps variances valid."""
    for weight in layer.weights:
        if is_floating(weight):
            weight.assign(float64(weight) + rng.uniform(0.05, 0.5, size=weight.shape))
    finalize_states(layer)


def finalize_states(layer: Any) -> None:
    """Recompute values that layers derive from their weights, as Keras' Normalization does."""
    for inner in with_nested(layer):
        if hasattr(inner, "finalize_state"):
            inner.finalize_state()


def random_inputs(specs: Inputs, batch: int, length: int, rng: Any) -> list[Any]:
    """Return a batch for each input, random or its `values`; None axes have `length` steps."""
    arrays = []
    for spec in specs:
        shape = (batch, *(length if size is None else size for size in spec.shape))
        if spec.values is not None:
            arrays.append(np.asarray(spec.values).astype(spec.dtype))
        elif spec.is_integer:
            low, high = spec.low or 0, 2 if spec.high is None else spec.high
            arrays.append(rng.integers(low, high, shape).astype(spec.dtype))
        elif spec.dtype == "bool":
            arrays.append(rng.integers(0, 2, shape).astype(bool))
        elif spec.dtype in ROUNDOFF:
            arrays.append(rounded(rng.normal(size=shape), spec.dtype))
        else:
            raise UsageError(
                f"there are no random values for input `{spec.name}` of dtype {spec.dtype}",
                hint="give your own batch in `values:`",
            )
    return arrays


def rounded(array: Any, dtype: str) -> Any:
    """Return a floating array rounded to a dtype, and other arrays unchanged."""
    if str(array.dtype) not in ROUNDOFF:
        return array
    return array.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
