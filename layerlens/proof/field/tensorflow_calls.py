"""Run one operation of a TensorFlow graph on other arrays."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from layerlens.proof.field.numpy_operations import computed
from layerlens.proof.field.value import CannotProveError

#: Attributes that the Python function of an operation calls otherwise.
_ALIASES = {
    "reduction_indices": "axis",
    "dim": "axis",
    "split_dim": "axis",
    "squeeze_dims": "axis",
}


@cache
def _parameters(kind: str) -> frozenset[str]:
    return frozenset(inspect.signature(getattr(tf.raw_ops, kind)).parameters)


def run_operation(operation: Any, arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the outputs of an operation, with its own attributes, on arrays.

    Raises:
        CannotProveError: TensorFlow has no such operation for these dtypes or shapes.
    """
    try:
        array = computed(operation, arrays)
        if array is not None:
            return [array]
        found = _call(operation, [tf.constant(array) for array in arrays])
        return [np.asarray(one) for one in found]
    except (tf.errors.OpError, IndexError, TypeError, ValueError, AttributeError) as error:
        message = f"`{operation.type}` does not run on its own ({type(error).__name__})"
        raise CannotProveError(message) from error


def _call(operation: Any, tensors: Sequence[Any]) -> Sequence[Any]:
    known = _parameters(operation.type)
    given: dict[str, Any] = {}
    at = 0
    for argument in operation.op_def.input_arg:
        count = None
        if argument.number_attr:
            count = operation.get_attr(argument.number_attr)
        elif argument.type_list_attr:
            count = len(operation.get_attr(argument.type_list_attr))
        value = tensors[at] if count is None else list(tensors[at : at + count])
        given[_name(argument.name, known)] = value
        at += 1 if count is None else count
    for attribute in operation.op_def.attr:
        name = _name(attribute.name, known)
        if name in known and name not in given:
            given[name] = operation.get_attr(attribute.name)
    found = getattr(tf.raw_ops, operation.type)(**given)
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _name(name: str, known: frozenset[str]) -> str:
    return name if name in known else _ALIASES.get(name, name)
