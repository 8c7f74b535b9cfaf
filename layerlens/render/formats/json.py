"""The format `json`: strict JSON, schema version 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from layerlens.plain.printable import escaped_json
from layerlens.render.options import RenderOptions

if TYPE_CHECKING:
    from layerlens.report.run import RunRecord


def render(report: RunRecord, options: RenderOptions) -> str:
    """Return the report as indented strict JSON: no NaN, keys in the order of the schema."""
    return "".join(json_parts(report))


def json_parts(report: RunRecord) -> Iterator[str]:
    """Yield the text of `render` scenario by scenario, to save memory for large reports."""
    frame = _dumped(replace(report, scenarios=()).to_dict())
    if report.scenarios:
        frame = frame.removesuffix("[]\n}")
        for position, scenario in enumerate(report.scenarios):
            text = _dumped(scenario.to_dict()).replace("\n", "\n    ")
            yield f"{',' if position else frame + '['}\n    {text}"
        frame = "\n  ]\n}"
    yield frame + "\n"


def _dumped(data: dict[str, Any]) -> str:
    return escaped_json(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))
