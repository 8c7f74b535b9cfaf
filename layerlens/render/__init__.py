"""Render a report as text in one of several formats.

A format is a module in `layerlens.render.formats` of the same name with a function
`render(report, options)`. Its name is in `layerlens.render.options.Format`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from layerlens.render.options import COLORS as COLORS
from layerlens.render.options import FORMATS as FORMATS
from layerlens.render.options import Color as Color
from layerlens.render.options import Format as Format
from layerlens.render.options import PictureSuffix as PictureSuffix
from layerlens.render.options import RenderOptions as RenderOptions

if TYPE_CHECKING:
    from layerlens.report.run import RunRecord


def render(
    report: RunRecord,
    format: Format,  # noqa: A002 - the option's own name
    options: RenderOptions | None = None,
) -> str:
    """Return the report as text that ends in a newline.

    Raises:
        ValueError: the format is unknown.
    """
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}: one of {', '.join(FORMATS)}")
    # Imported late: a format may need rich, Jinja or matplotlib.
    module = import_module(f"layerlens.render.formats.{format}")
    text: str = module.render(report, options or RenderOptions())
    return text
