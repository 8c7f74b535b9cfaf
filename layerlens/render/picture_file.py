"""Render the pictures of a report as SVG, PNG or HTML, and its step maps as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from rich.text import Text

from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.render import wording
from layerlens.render.formats.html import render_pictures
from layerlens.render.formats.rich import printed
from layerlens.render.options import PictureSuffix, RenderOptions
from layerlens.render.pictures import pictures_of
from layerlens.render.step_grid import layer_grids, step_grids
from layerlens.report.run import RunRecord

#: The most scenarios on one sheet; an HTML page takes any number.
MOST_ON_A_SHEET = 8


def picture_file(report: RunRecord, suffix: str, path: str) -> bytes:
    """Return the pictures of a report as the content of a file.

    `path` is the scenario that the report is about, for messages.

    Raises:
        UsageError: there is nothing to draw, or too much for one sheet.
    """
    if suffix not in get_args(PictureSuffix):
        raise ValueError(f"a picture cannot be written as {suffix!r}")
    planned = [
        (scenario, pictures) for scenario in report.scenarios if (pictures := pictures_of(scenario))
    ]
    if not planned:
        raise UsageError(
            f"{path}: there is nothing to draw: {_why_nothing(report)}", code=Code.CANNOT_DRAW
        )
    if suffix == ".html":
        return render_pictures(report).encode()
    if len(planned) > MOST_ON_A_SHEET:
        raise UsageError(
            f"{path}: {len(planned)} scenarios have pictures, but a {suffix} file holds at "
            f"most {MOST_ON_A_SHEET}",
            hint="write an .html file, which holds all of them, or give fewer scenarios",
            code=Code.CANNOT_DRAW,
        )
    from layerlens.render.pictures.drawing.figures import sheet

    return sheet(
        [(wording.full_title(scenario), pictures) for scenario, pictures in planned], suffix
    )


def picture_text(report: RunRecord, options: RenderOptions) -> str:
    """Return the step maps of whole models and of their layers as text."""
    return printed(_text_lines(report, options.width), options)


def _text_lines(report: RunRecord, width: int) -> Iterator[Text]:
    for scenario in report.scenarios:
        if scenario.errors:
            continue
        yield Text(wording.full_title(scenario), "bold")
        yield Text()
        models = wording.reference_first(scenario)
        if not any(model.steps for model in models):
            yield Text("  No map of steps was measured: no model has a time axis that can be run.")
            yield Text()
            continue
        yield from step_grids(models, width)
        yield from layer_grids(models, width)


def _why_nothing(report: RunRecord) -> str:
    models = [model for scenario in report.scenarios for model in scenario.models]
    refused = [wording.one_line(model.name) for model in models if model.error is not None]
    if models and len(refused) == len(models):
        return f"Keras refuses {', '.join(refused)}; `layerlens compare` shows why"
    return (
        "no model has steps whose dependence was measured, no outputs were found to differ, "
        "and nothing was trained"
    )
