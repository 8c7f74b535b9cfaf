"""Check that the parts of a report fit together.

A report read from a file may have the right form and still refer to rows that do not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import LayerRow, ModelReport
    from layerlens.report.maps import HeatMap, StepMapRow
    from layerlens.report.run import ScenarioReport


def inconsistencies(scenario: ScenarioReport) -> Iterator[str]:
    """Yield a message for each inconsistency in a scenario's report, with its place."""
    models = {model.name: model for model in scenario.models}
    for model in scenario.models:
        place = f"models.{model.name}"
        for row in [*model.steps, *_step_maps(model.layers)]:
            yield from _step_map_faults(row, model, f"{place}.steps")
    for diff in scenario.diffs:
        yield from _diff_faults(diff, models)
    for number, pair in enumerate(scenario.pairs):
        if pair.differences is not None and not _is_complete(pair.differences):
            yield f".pairs[{number}].differences does not have one cell for each of its blocks"
    for number, trained in enumerate(scenario.fit):
        if trained.error is None and not trained.losses:
            yield f".fit[{number}].losses is empty, and no error says why"


def _step_maps(layers: Sequence[LayerRow]) -> Iterator[StepMapRow]:
    for layer in layers:
        yield from layer.steps
        yield from _step_maps(layer.holds)


def _step_map_faults(row: StepMapRow, model: ModelReport, place: str) -> Iterator[str]:
    if not len(row.seen) == len(row.output_steps) == len(row.beyond):
        yield f".{place} does not have one row for each output step"
    if any(len(marks) != len(row.input_steps) or set(marks) - {"0", "1"} for marks in row.seen):
        yield f".{place} does not have one 0 or 1 for each input step"
    if row.source_layer is not None and not 0 <= row.source_layer < len(model.layers):
        yield f".{place} comes from layer {row.source_layer} of {len(model.layers)}"
    for steps, count in ((row.input_steps, row.inputs), (row.output_steps, row.outputs)):
        if any(not 0 <= step < (1 if count is None else count) for step in steps):
            yield f".{place} has steps that are none of {count}"


def _diff_faults(diff: ModelsDiff, models: dict[str, ModelReport]) -> Iterator[str]:
    sides = (diff.reference, diff.candidate)
    for number, change in enumerate(diff.layers):
        rows = (change.reference_row, change.candidate_row)
        if rows == (None, None):
            yield f".diffs.layers[{number}] is a row of neither model"
        for name, row in zip(sides, rows, strict=True):
            count = len(models[name].layers) if name in models else 0
            if row is not None and name in models and not 0 <= row < count:
                yield f".diffs.layers[{number}] is row {row} of {count}"


def _is_complete(heat: HeatMap) -> bool:
    """Return whether a map has exactly one cell for each block."""
    if min(*heat.shape, *heat.block) < 1:
        return False
    rows, columns = (-(-size // step) for size, step in zip(heat.shape, heat.block, strict=True))
    return len(heat.cells) == rows and all(len(cells) == columns for cells in heat.cells)
