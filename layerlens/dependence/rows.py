"""Put the measured step dependence into the rows of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from layerlens.dependence.measure import Dependence, ModelDependence, StepMap
from layerlens.dependence.step_replacement import FEATURES
from layerlens.report.layers import AxisMixing, LayerRow, ModelReport


def with_whole(report: ModelReport, found: Dependence) -> ModelReport:
    """Return a model's report with the dependence of the whole model."""
    return replace(report, **_fields(found))


def with_mixes(report: ModelReport, found: ModelDependence) -> ModelReport:
    """Return a model's report with the dependence of the model and of each layer."""
    return with_whole(replace(report, layers=_layers(report.layers, found.layers)), found.whole)


def _layers(rows: tuple[LayerRow, ...], found: Sequence[Dependence]) -> tuple[LayerRow, ...]:
    """Return the rows with their dependence; unchanged where they are not those measured."""
    if len(rows) != len(found):
        return rows
    return tuple(
        replace(row, holds=_layers(row.holds, one.inside), **_fields(one))
        for row, one in zip(rows, found, strict=True)
    )


def _fields(one: Dependence) -> dict[str, Any]:
    mixing = one.mixing
    return {
        "mixes": mixing.kind if mixing is not None else None,
        "window": mixing.window if mixing is not None else None,
        "steps": one.rows,
        "axes": tuple(_axis_row(axis, found) for axis, found in one.along.items()),
        "depends_on": one.beside,
        "unmeasured": one.reason,
    }


def _axis_row(axis: int, found: StepMap) -> AxisMixing:
    name = "features" if axis == FEATURES else f"axis {axis}"
    return AxisMixing(axis, name, found.mixing.kind, found.mixing.window)
