"""Which inputs of a model are cut into chunks, and into how many pieces they can be cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from layerlens.errors import Fault, ScenarioError, Where
from layerlens.fault_codes import Code
from layerlens.plain.shapes import shape_text
from layerlens.scenario.files import KERAS_SUFFIXES, is_exported
from layerlens.scenario.spec import InputSpec, ModelSpec


def has_time_axis(spec: InputSpec) -> bool:
    """Return whether the first axis of a sample is time: (steps, ...), or (steps,) of tokens."""
    is_vector = len(spec.shape) == 1 and spec.is_floating
    return bool(spec.shape) and not is_vector


def check_pieces(spec: ModelSpec, inputs: Sequence[InputSpec], where: Where | None = None) -> None:
    """Check that the inputs of a model can be cut into its number of chunks.

    Raises:
        ScenarioError: none has a time axis, or its steps cannot be cut into as many pieces.
    """
    faults = tuple(_faults(spec, inputs, where or spec.where))
    if faults:
        raise ScenarioError(faults)


def _faults(spec: ModelSpec, inputs: Sequence[InputSpec], where: Where | None) -> list[Fault]:
    if spec.file is not None and Path(spec.file).suffix.lower() not in KERAS_SUFFIXES:
        if is_exported(spec.file):
            hint = "remove `chunks`; compare the exported file with the whole model"
            return [
                Fault(Code.BAD_CHUNKS, "`chunks` cannot be used for an exported file", where, hint)
            ]
        hint = "record the model that is called in chunks instead"
        return [
            Fault(
                Code.BAD_CHUNKS,
                "`chunks` calls a model, and a recording cannot be called",
                where,
                hint,
            )
        ]
    count = spec.chunks or 1
    timed = [one for one in inputs if has_time_axis(one)]
    if inputs and not timed:
        told = ", ".join(f"`{one.name}` {shape_text(one.shape)}" for one in inputs)
        return [
            Fault(
                Code.BAD_CHUNKS,
                f"`chunks` cuts the time axis, and `{spec.name}` has no input with one: {told}",
                where,
                "the time axis is the first of `shape: [steps, features]`",
            )
        ]
    return [
        Fault(
            Code.BAD_CHUNKS,
            f"the {steps} step{'' if steps == 1 else 's'} of `{one.name}` cannot be cut into "
            f"{count} chunks of equal length",
            where,
            _divisors(steps),
        )
        for one in timed
        if (steps := one.shape[0]) is not None and steps % count
    ]


def _divisors(steps: int) -> str | None:
    found = [str(n) for n in range(2, min(steps, 1000) + 1) if steps % n == 0]
    if not found:
        return None
    return f"{steps} steps can be cut into {', '.join(found[:8])}{', …' if len(found) > 8 else ''}"
