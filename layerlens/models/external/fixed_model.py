"""Refuse changes to a model that is as it was saved."""

from __future__ import annotations

from layerlens.errors import Fault, ScenarioError
from layerlens.fault_codes import Code
from layerlens.scenario.spec import ModelSpec


def refuse_changes(spec: ModelSpec, what: str, instead: str) -> None:
    """Refuse keys that would change a recording or an exported file.

    Args:
        spec: the model.
        what: the model and why it is fixed, to follow "cannot be given to".
        instead: what else to do, to follow "leave the key out, or".

    Raises:
        ScenarioError: `weights`, `dtype` or `input` is given.
    """
    given = {"weights": spec.weights, "dtype": spec.dtype, "input": spec.inputs}
    faults = tuple(
        Fault(
            Code.FIXED_MODEL,
            f"`{key}` cannot be given to {what}",
            spec.where,
            f"leave `{key}:` out, or {instead} again with it",
        )
        for key, value in given.items()
        if value
    )
    if faults:
        raise ScenarioError(faults)
