"""The format `csv`: one tidy table.

A comparison has one row per scenario, candidate and mode; a summary, which has no pairs, one row
per layer. The columns are those of `layerlens.report.rows`. A value that was not measured is an
empty field; the items of a list are separated by "; ".
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from layerlens.plain.printable import escaped_line
from layerlens.render.options import RenderOptions
from layerlens.report.rows import COLUMNS, TableName, tidy_rows
from layerlens.report.run import RunRecord

#: Text that a spreadsheet would read as a formula, also in full-width characters.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|\s")


def render(report: RunRecord, options: RenderOptions) -> str:
    """Return the table with its header; the fields of a row are in the order of the header."""
    table = _table_name(report)
    page = io.StringIO()
    writer = csv.DictWriter(page, COLUMNS[table], lineterminator="\n")
    writer.writeheader()
    for row in tidy_rows(report, table):
        writer.writerow({column: _field(column, item) for column, item in row.items()})
    return page.getvalue()


def _table_name(report: RunRecord) -> TableName:
    compared = any(scenario.pairs for scenario in report.scenarios)
    summarised = any(scenario.models for scenario in report.scenarios)
    return "layers" if summarised and not compared else "pairs"


def _field(column: str, item: Any) -> Any:
    match item:
        case None:
            return ""
        case bool():
            return str(item).lower()
        case int() | float():
            return item
        case dict():
            return _text(json.dumps(item, ensure_ascii=False, default=str))
        case tuple() | list() if column.endswith("shape"):
            return _text(str(item))
        case tuple() | list():
            return _text("; ".join(map(str, item)))
    return _text(str(item))


def _text(text: str) -> str:
    """Return the text on one line, quoted if a spreadsheet would read it as a formula."""
    text = escaped_line(text)
    return f"'{text}" if _FORMULA.match(text) else text
