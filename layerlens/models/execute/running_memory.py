"""Estimate whether the memory suffices to run models on the probes."""

from __future__ import annotations

from typing import Any

from layerlens.errors import MemoryLimitError
from layerlens.models.build.memory import comparing_beyond_memory
from layerlens.models.build.request import Built
from layerlens.models.inspect.working_memory import working_memory


def running_beyond_memory(doing: str, first: Built, *others: Built) -> MemoryLimitError | None:
    """Return the error if running models with the same inputs needs more than the free memory.

    `doing` says what they run for in the message, such as "comparing".
    """
    models = (first, *others)
    outputs = [shape for one in models for shape in _each(one.report.output_shape)]
    return comparing_beyond_memory(
        [one.report.name for one in models],
        sum(one.report.params or 0 for one in models),
        [*_each(first.report.input_shape), *outputs],
        models[-1].spec.where,
        working=[working_memory(one.model) for one in models],
        integers=not any("float" in given.dtype for one in models for given in one.inputs),
        doing=doing,
    )


def _each(shapes: Any) -> list[Any]:
    """Return the shapes of one or of several inputs or outputs as a list."""
    if not shapes:
        return []
    return list(shapes) if isinstance(shapes[0], (tuple, list)) else [shapes]
