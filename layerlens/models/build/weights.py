"""Set weights to the values that a scenario gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerlens.errors import Fault, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.plain.suggestion import nearest_name


def assign_weights(model: Any, values: Mapping[str, Any], name: str, where: Where | None) -> None:
    """Set weights by path, such as `gru/gru_cell/kernel`, or by any unambiguous end of it.

    Raises:
        ScenarioError: a path matches no weight or several, or values are not numbers of the
            weight's shape; all such faults are in one error.
    """
    variables = {str(variable.path): variable for variable in model.weights}
    faults: list[Fault] = []
    arrays: dict[str, Any] = {}
    for key, value in values.items():
        path = _path_of(key, tuple(variables), faults, name, where)
        if path is None:
            continue
        if path in arrays:
            faults.append(
                Fault(Code.WEIGHTS_MISFIT, f"model `{name}`: weight `{path}` is given twice", where)
            )
        arrays[path] = _array_for(path, variables[path], value, faults, name, where)
    if faults:
        raise ScenarioError(tuple(faults))
    for path, array in arrays.items():
        variables[path].assign(array)


def _path_of(
    key: str, paths: Sequence[str], faults: list[Fault], name: str, where: Where | None
) -> str | None:
    if key in paths:
        return key
    found = [path for path in paths if path.endswith(f"/{key}")]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"`{path}`" for path in found or paths) or "none"
    if found:
        message = f"model `{name}`: `{key}` could be any of {listed}"
        faults.append(
            Fault(Code.WEIGHTS_MISFIT, message, where, hint="write a longer part of the path")
        )
        return None
    message = f"model `{name}` has no weight `{key}`; its weights are {listed}"
    faults.append(Fault(Code.WEIGHTS_MISFIT, message, where, hint=_nearest(key, paths)))
    return None


def _nearest(key: str, paths: Sequence[str]) -> str | None:
    ends = {
        "/".join(path.split("/")[start:]) for path in paths for start in range(path.count("/") + 1)
    }
    near = nearest_name(key, sorted(ends), cutoff=0.5, match_case=True)
    return f"did you mean `{near}`?" if near else None


def _array_for(
    path: str, variable: Any, value: Any, faults: list[Fault], name: str, where: Where | None
) -> Any:
    try:
        array = np.asarray(value, dtype="float64")
    except (TypeError, ValueError):
        message = f"model `{name}`: the values of `{path}` are not numbers in rows of equal length"
        faults.append(Fault(Code.WEIGHTS_MISFIT, message, where))
        return None
    shape = tuple(variable.shape)
    if array.shape != shape:
        message = (
            f"model `{name}`: the values of `{path}` have shape {array.shape}, "
            f"the weight has {shape}"
        )
        faults.append(Fault(Code.WEIGHTS_MISFIT, message, where))
        return None
    return array.astype(str(variable.dtype)) if variable.dtype != "bfloat16" else array
