"""The command `plot`: draw a scenario, a saved model or a JSON report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from layerlens.cli.cache import open_cache
from layerlens.cli.command_options import RUN, CommandOptions, takes_options
from layerlens.cli.messages import BROKEN, MISUSED, PASSED, write_errors, write_stderr
from layerlens.cli.options import PictureOption
from layerlens.cli.overwrite import refuse_overwriting
from layerlens.cli.terminal import columns, show_progress, wants_colour
from layerlens.files import can_encode, print_text, write_bytes
from layerlens.render import Color
from layerlens.report.run import RunRecord
from layerlens.scenario.from_arguments import is_model


@takes_options(*RUN, "color")
def plot(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A scenario, a folder of scenarios, a JSON report, or a model: .keras, .h5, "
            ".json, FILE.py:CALLABLE.",
        ),
    ],
    output: PictureOption = None,
    *,
    options: CommandOptions,
) -> int:
    """Draw models over time, differences, and training losses.

    Measures the step dependence, like --deps. A JSON report is drawn without running anything.
    Without --output, small step maps go to the terminal.
    """
    from layerlens.report.from_json import is_report, read_report
    from layerlens.run.pipeline import compare_paths, summarize_paths

    refuse_overwriting([output], [path])
    if path == "-" or is_report(path):
        report = read_report(path)
    else:
        run_options = replace(options.run_options(), deps=True)
        model = is_model(path)
        run = summarize_paths if model else compare_paths
        with (
            show_progress(quiet=options.quiet, color=options.color_when) as listener,
            open_cache("summary" if model else "compare", run_options, options) as cache,
        ):
            report = run([path], run_options, progress=listener, cache=cache)
    write_errors(report)
    _draw(report, path, output, options.color_when)
    errors = [error for scenario in report.scenarios for error in scenario.errors]
    if any(error.internal for error in errors):
        return BROKEN
    return MISUSED if errors else PASSED


def _draw(report: RunRecord, path: str, output: str | None, color: Color) -> None:
    from layerlens.render import RenderOptions
    from layerlens.render.picture_file import picture_file, picture_text

    if output is None:
        plain = not can_encode("●·…")
        options = RenderOptions(width=columns(), colour=wants_colour(color), ascii=plain)
        print_text(picture_text(report, options))
        return
    if all(scenario.errors for scenario in report.scenarios):
        return  # the errors were written before
    write_bytes(picture_file(report, Path(output).suffix.lower(), path), output)
    write_stderr(f"wrote {output}")
