"""The command `watch`: show a report, and show it again whenever a scenario changes."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from layerlens.cli import signals
from layerlens.cli.cache import open_cache
from layerlens.cli.command_options import JUDGING, RUN, CommandOptions, takes_options
from layerlens.cli.messages import INTERRUPTED, PASSED
from layerlens.cli.terminal import fit_terminal, show_progress
from layerlens.files import print_text
from layerlens.plain.printable import clean, one_line
from layerlens.render import Color, RenderOptions
from layerlens.scenario.files import find_scenario_files
from layerlens.scenario.from_arguments import refuse_models

if TYPE_CHECKING:
    from layerlens.run.watch import Look, Watch

#: Cursor home, clear the screen, clear the scrollback.
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"


@takes_options(*RUN, *JUDGING, "verbose", "jobs", "color")
def watch(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Scenario files, or folders of scenario files."),
    ],
    *,
    options: CommandOptions,
) -> int:
    """Compare again when a scenario or a file that it names changes.

    Keras stays loaded. Ctrl-C ends the command with exit status 0.
    """
    from layerlens.run.watch import Watch, changes, warm_up

    run_options, shown = options.run_options(), options.render_options()
    if run_options.jobs is None:  # Keras stays loaded in this process
        run_options = replace(run_options, jobs=1)
    refuse_models(paths, "watch")
    find_scenario_files(paths)  # a path that does not exist is refused
    try:
        warm_up()
        with (
            open_cache("compare", run_options, options) as cache,
            closing(Watch(paths, run_options, cache)) as watched,
        ):
            _look(watched, shown, options.color_when)
            for _ in changes(paths):
                _look(watched, shown, options.color_when)
    except KeyboardInterrupt:
        if signals.exit_status() not in (None, INTERRUPTED):  # by another signal than Ctrl-C
            raise
        _end_line()
    return PASSED


def _look(watched: Watch, shown: RenderOptions, color: Color) -> None:
    with show_progress(quiet=False, color=color) as listener:
        look = watched.look(listener)
    if look is not None:
        _draw(look, shown, color)


def _draw(look: Look, options: RenderOptions, color: Color = "auto") -> None:
    """Show the scenarios that were run or do not pass, and the tally of all."""
    from layerlens.render import render
    from layerlens.render.wording import is_quiet, tally

    shown = tuple(
        one for one in look.report.scenarios if one.path in look.changed or not is_quiet(one)
    )
    text = _CLEAR if sys.stdout.isatty() else ""
    if shown:
        report = replace(look.report, scenarios=shown)
        text += render(report, "rich", fit_terminal(options, color))
    more = " and more" if len(look.changed) > 3 else ""
    changed = ", ".join(map(one_line, look.changed[:3])) + more
    ran = f"{changed} in {look.seconds:.2f} s; " if changed else ""
    hidden = len(shown) < len(look.report.scenarios)
    total = f"total: {tally(look.report)}\n" if hidden else ""
    nothing = f"{clean(look.nothing)}\n" if look.nothing else ""
    text += f"\n{total}{nothing}{ran}watching; press Ctrl-C to stop\n"
    print_text(text)


def _end_line() -> None:
    """End the line on which the terminal wrote `^C`."""
    if sys.stdout.isatty():
        sys.stdout.write("\n")
        sys.stdout.flush()
