"""A report enters, strict JSON (schema 1) leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from layerlens.report import Report


def render_json(report: Report) -> str:
    """Return the report as indented JSON that any parser reads: no NaN, keys in schema order."""
    if not report.scenarios:
        return _dumped(report.to_dict()) + "\n"
    # One scenario at a time: the plain data of many takes more room than report and text together.
    scenarios = (_dumped(scenario.to_dict()) for scenario in report.scenarios)
    items = ",\n".join(scenarios).replace("\n", "\n    ")
    frame = _dumped(replace(report, scenarios=()).to_dict()).removesuffix("[]\n}")
    return f"{frame}[\n    {items}\n  ]\n}}\n"


def _dumped(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
