"""The spelling, help text and check of each shared option."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, get_args

import typer

from layerlens import byte_size
from layerlens.errors import UsageError
from layerlens.files import refuse_unwritable
from layerlens.plain.numbers import NumberOutOfRangeError, whole_number
from layerlens.plain.suggestion import nearest_name
from layerlens.render import FORMATS, PictureSuffix
from layerlens.vocabulary import EFFORTS, VERDICTS


def _one_of(allowed: tuple[str, ...]) -> Callable[[str | None], str | None]:
    def check(value: str | None) -> str | None:
        if value is None or value in allowed:
            return value
        nearest = nearest_name(value, allowed)
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(allowed)}{hint}")

    return check


def _at_least(least: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        try:
            allowed = whole_number(value.strip()) >= least
        except NumberOutOfRangeError as error:
            raise typer.BadParameter(str(error)) from None
        except ValueError:
            allowed = False
        if not allowed:
            raise typer.BadParameter(f"{value!r} is not a whole number of at least {least}")
        return value

    return check


def _seconds(value: str) -> str:
    try:
        allowed = 0 < float(value) < float("inf")
    except ValueError:
        allowed = False
    if not allowed:
        raise typer.BadParameter(f"{value!r} is not a number of seconds greater than 0")
    return value


def _bytes(value: str | None) -> str | None:
    """Return a size in bytes: `2G` is 2·10⁹, `2GiB` is 2·2³⁰."""
    if value is None:
        return None
    size = byte_size.parse(value)
    if size is None:
        raise typer.BadParameter(f"{value!r} is not a size such as 2G, 1500M or 2GiB")
    if size < 1:
        raise typer.BadParameter(f"{value!r} is no memory at all")
    return str(size)


def _writable(output: str | None) -> str | None:
    if output is None:
        return None
    try:
        refuse_unwritable(output)
    except UsageError as error:
        raise typer.BadParameter(error.message) from None
    return output


def _picture(output: str | None) -> str | None:
    """Refuse a file that a picture cannot be written to, before any work is done."""
    if output is None:
        return None
    allowed = get_args(PictureSuffix)
    suffix = Path(output).suffix
    if suffix.lower() not in allowed:
        received = f"ends in {suffix!r}" if suffix else "has no ending"
        raise typer.BadParameter(
            f"{output!r} {received}; a picture is written to a file that ends in "
            f"{', '.join(allowed[:-1])} or {allowed[-1]}"
        )
    return _writable(output)


Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH...", help="Scenario files, or folders that are searched for *.yaml and *.yml."
    ),
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        metavar="|".join(FORMATS),
        callback=_one_of(FORMATS),
        autocompletion=lambda: list(FORMATS),
        help="How the report is written; rich is plain where the output is not a terminal.",
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        callback=_writable,
        help="Write the report to FILE, whole or not at all, instead of to standard output.",
    ),
]
PictureOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        callback=_picture,
        help="Draw to FILE (.svg, .png or .html); without it small maps go to the terminal.",
    ),
]
#: Numbers are texts that are checked here: typer's own messages leave out the value received.
SeedOption = Annotated[
    str,
    typer.Option(
        "--seed", metavar="N", callback=_at_least(0), help="Where all that is drawn starts from."
    ),
]
ExpectOption = Annotated[
    str | None,
    typer.Option(
        "--expect",
        metavar="VERDICT",
        callback=_one_of(VERDICTS),
        autocompletion=lambda: list(VERDICTS),
        help=f"The verdict expected in files without `expect:`: {', '.join(VERDICTS)}.",
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Only what did not pass and the tally; no progress."),
]
VerboseOption = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Every probe, weight, pairing and held expectation."),
]
EffortOption = Annotated[
    str,
    typer.Option(
        "--effort",
        metavar="|".join(EFFORTS),
        callback=_one_of(EFFORTS),
        autocompletion=lambda: list(EFFORTS),
        help="How much to spend on each pair: quick runs a few probes; normal runs a few on very "
        "large models and all on others; thorough runs all.",
    ),
]
JobsOption = Annotated[
    str,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        callback=_at_least(1),
        help="Scenarios to run at once, each in a process that can be lost alone.",
    ),
]
TimeoutOption = Annotated[
    str,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        callback=_seconds,
        help="How long one scenario may take before it is given up (default 300).",
        show_default=False,
    ),
]
MaxMemoryOption = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        callback=_bytes,
        help="What the process that runs a scenario may take, such as 4G; runs it in one of its "
        "own.",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Run on the workers of this Dask scheduler, each result a row of --output "
        "FILE.parquet; what is there already is not run again.",
    ),
]
NoCacheOption = Annotated[
    bool,
    typer.Option("--no-cache", help="Run everything, and keep nothing of it."),
]
CacheDirOption = Annotated[
    str | None,
    typer.Option(
        "--cache-dir",
        metavar="FOLDER",
        help="Where results of earlier runs are kept, instead of the user's cache folder.",
    ),
]
AllowCodeOption = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        help="Allow `python:` models, Lambda layers and saved models to run code of theirs.",
    ),
]
DepsOption = Annotated[
    bool,
    typer.Option(
        "--deps", help="Run the models to measure which output step depends on which input step."
    ),
]
FeaturesOption = Annotated[
    bool,
    typer.Option("--features", help="With --deps, also which output feature depends on which."),
]
GraphOption = Annotated[
    bool,
    typer.Option(
        "--graph", help="Trace every model and layer to tell how many operations their graphs have."
    ),
]
ReproOption = Annotated[
    str | None,
    typer.Option(
        "--repro",
        metavar="FILE",
        callback=_writable,
        help="Write a stand-alone Keras script that shows the first difference found.",
    ),
]
