"""The report that the API returns: the record of a run, with methods that render it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layerlens.render import render
from layerlens.report.run import RunRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

    from layerlens.report.rows import TableName


class Report(RunRecord):
    """The report of a run; `to_dict` is schema version 1 of the JSON report.

    `print` shows the text that the command prints; rich shows it in color, a notebook as HTML.
    """

    __slots__ = ()

    @classmethod
    def of(cls, record: RunRecord) -> Report:
        """Return a record, such as one read from JSON, as a report."""
        return cls(record.layerlens, record.environment, record.status, record.scenarios)

    def to_json(self) -> str:
        """Return the report as strict JSON, as `--format json` writes it."""
        return render(self, "json")

    def to_markdown(self) -> str:
        """Return the report as GitHub-flavored Markdown."""
        return render(self, "markdown")

    def to_html(self) -> str:
        """Return the report as one self-contained HTML page."""
        return render(self, "html")

    def to_dataframe(self, kind: TableName = "pairs") -> pd.DataFrame:
        """Return a tidy pandas frame of "pairs", "layers" or "probes"."""
        from layerlens.report.frames import frame

        return frame(self, kind)

    def __repr__(self) -> str:
        verdicts = [pair.verdict for scenario in self.scenarios for pair in scenario.pairs]
        return f"<Report: {self.status}, scenarios: {len(self.scenarios)}, verdicts: {verdicts}>"

    def __str__(self) -> str:
        return render(self, "rich").rstrip()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from layerlens.render.formats.rich import rich_lines

        return rich_lines(self, options.max_width, ascii=options.ascii_only)

    def _repr_html_(self) -> str:
        from layerlens.render.formats.html import render_fragment

        return render_fragment(self)
