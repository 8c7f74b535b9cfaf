"""A model of Keras on JAX in float64, compiled without optimizations.

They take most of the time that JAX takes to compile a recurrent layer, and no digits are gained.
"""

from __future__ import annotations

import importlib
from typing import Any

from .batches import as_given

_OPTIONS = {"xla_backend_optimization_level": 0}


class Unoptimized:
    """Calls a model in inference; a shape of inputs is compiled once."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._compiled: dict[Any, Any] = {}

    def __call__(self, arrays: list[Any]) -> Any:
        """Return what the model returns for a batch of inputs."""
        given = as_given(arrays)
        state = (
            [variable.value for variable in self._model.trainable_variables],
            [variable.value for variable in self._model.non_trainable_variables],
        )
        key = tuple((array.shape, array.dtype.name) for array in arrays)
        if key not in self._compiled:
            jax: Any = importlib.import_module("jax")
            lowered = jax.jit(self._call).lower(*state, given)
            self._compiled[key] = lowered.compile(compiler_options=_OPTIONS)
        return self._compiled[key](*state, given)

    def _call(self, trainable: Any, others: Any, given: Any) -> Any:
        outputs, _ = self._model.stateless_call(trainable, others, given, training=False)
        return outputs
