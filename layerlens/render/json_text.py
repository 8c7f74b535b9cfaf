"""A report enters, strict JSON (schema 1) leaves."""

from __future__ import annotations

import json

from layerlens.report import Report


def render_json(report: Report) -> str:
    """Return the report as indented JSON that any parser reads: no NaN, keys in schema order."""
    return json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
