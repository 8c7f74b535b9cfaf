"""The outcome of one call of a model: its outputs, or the reason why it refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from layerlens.models.execute.variables import as_array
from layerlens.numerics.arrays import Array
from layerlens.report.layers import ModelError


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outputs of one call as arrays (batch axis first), or the error with which it failed."""

    outputs: tuple[Array, ...] = ()
    dtypes: tuple[str, ...] = ()
    error: ModelError | None = None

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(output.shape for output in self.outputs)


def outcome_of(outputs: Any) -> Outcome:
    """Return the outcome of a call that returned `outputs`, nested in any way."""
    tensors = flat_tensors(outputs)
    return Outcome(
        tuple(as_array(tensor) for tensor in tensors),
        tuple(_dtype_name(tensor) for tensor in tensors),
    )


def _dtype_name(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def flat_tensors(outputs: Any) -> list[Any]:
    """Return the tensors of nested outputs in Keras' order."""
    return list(keras.tree.flatten(outputs))
