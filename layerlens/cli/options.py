"""The spelling, help text and check of each shared option."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from layerlens import byte_size
from layerlens.cli.completion import model_names
from layerlens.errors import UsageError
from layerlens.files import refuse_unwritable
from layerlens.plain.numbers import NumberOutOfRangeError, whole_number
from layerlens.plain.suggestion import nearest_name
from layerlens.render import COLORS, FORMATS, PictureSuffix
from layerlens.render.options import COLUMNS, Column
from layerlens.vocabulary import EFFORTS, VERDICTS, WEIGHTS


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
            raise typer.BadParameter(f"{value!r} is not an integer of at least {least}")
        return value

    return check


def _jobs(value: str) -> str:
    return value if value == "auto" else _at_least(1)(value)


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
        raise typer.BadParameter(f"{value!r} is not a size of at least 1 byte")
    return str(size)


def _writable(output: str | None) -> str | None:
    if output is None:
        return None
    try:
        refuse_unwritable(output)
    except UsageError as error:
        raise typer.BadParameter(error.message) from None
    return output


def _recording(output: str) -> str:
    """Refuse a file that a recording cannot be written to, before any work is done."""
    if Path(output).suffix.lower() != ".npz":
        raise typer.BadParameter(f"{output!r} is not the name of a recording, which ends in .npz")
    return _writable(output) or output


def _picture(output: str | None) -> str | None:
    """Refuse a file that a picture cannot be written to, before any work is done."""
    if output is None:
        return None
    allowed = get_args(PictureSuffix)
    suffix = Path(output).suffix
    if suffix.lower() not in allowed:
        received = f"ends in {suffix!r}" if suffix else "has no suffix"
        raise typer.BadParameter(
            f"{output!r} {received}; the name of a picture has to end in "
            f"{', '.join(allowed[:-1])} or {allowed[-1]}"
        )
    return _writable(output)


Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        autocompletion=model_names,
        help="Scenario files, and folders to search for *.yaml and *.yml files. Or two or more "
        "models, the reference first: .keras, .h5, .json, .onnx, .tflite, a SavedModel folder, a "
        "recording (.npz), FILE.py:CALLABLE, MODULE:CALLABLE.",
    ),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="|".join(WEIGHTS),
        callback=_one_of(WEIGHTS),
        autocompletion=lambda: list(WEIGHTS),
        help="What to compare if you name models. saved: the functions and the saved weights; the "
        "default if every model has saved weights. carried: only the functions.",
    ),
]
AgainstOption = Annotated[
    str | None,
    typer.Option(
        "--against",
        metavar="REV",
        help="Compare one FILE.py:CALLABLE or MODULE:CALLABLE with itself at a git revision, which "
        "is the reference. The working tree may have uncommitted changes.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="|".join(FORMATS),
        callback=_one_of(FORMATS),
        autocompletion=lambda: list(FORMATS),
        help="The format of the report. By default, the suffix of --output decides (.json, .md, "
        ".csv, .html, .xml). Otherwise it is rich, which is plain text outside a terminal.",
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        callback=_writable,
        help="Write the report to FILE instead of standard output. FILE is never left incomplete.",
    ),
]
RecordingOption = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE.npz",
        callback=_recording,
        help="The recording to write; an existing one is replaced. FILE is never left incomplete.",
    ),
]
MaxSizeOption = Annotated[
    str,
    typer.Option(
        "--max-size",
        metavar="SIZE",
        callback=_bytes,
        help="The maximum size of the file, such as 100M. If necessary, fewer weights and probes "
        "are recorded.",
    ),
]
PictureOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        callback=_picture,
        help="Draw to FILE (.svg, .png or .html). Without it, small maps go to the terminal.",
    ),
]
#: Numbers are texts that are checked here: typer's own messages leave out the value received.
SeedOption = Annotated[
    str,
    typer.Option(
        "--seed",
        metavar="N",
        callback=_at_least(0),
        help="The seed for all random weights and inputs.",
    ),
]
ExpectOption = Annotated[
    str | None,
    typer.Option(
        "--expect",
        metavar="VERDICT",
        callback=_one_of(VERDICTS),
        autocompletion=lambda: list(VERDICTS),
        help="The expected verdict for scenarios without `expect:`, and for models (by default "
        f"equivalent). One of {', '.join(VERDICTS)}.",
    ),
]
ColorOption = Annotated[
    str,
    typer.Option(
        "--color",
        metavar="|".join(COLORS),
        callback=_one_of(COLORS),
        autocompletion=lambda: list(COLORS),
        help="When to use colors: auto uses them on a terminal, unless NO_COLOR or FORCE_COLOR "
        "says otherwise.",
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict/--no-strict",
        show_default=False,
        help="Fail also where nothing is expected, the verdict is inconclusive, or the strength of "
        "a pass is weak.",
    ),
]
ExplainCountsOption = Annotated[
    bool,
    typer.Option(
        "--explain-counts/--no-explain-counts",
        show_default=False,
        help="Explain each count of params: 4 inputs × 2 units + 2 biases = 10.",
    ),
]
DepthOption = Annotated[
    int | None,
    typer.Option(
        "--depth", min=0, metavar="N", help="List the layers of nested models to this depth."
    ),
]


def columns_of(text: str) -> tuple[Column, ...]:
    """Return the columns that a comma-separated list names.

    Raises:
        typer.BadParameter: one of them is unknown, or none is named.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in COLUMNS:
            near = nearest_name(name, COLUMNS)
            hint = f"did you mean {near}? " if near else ""
            raise typer.BadParameter(
                f"unknown column {name!r}; {hint}allowed: {', '.join(COLUMNS)}"
            )
    if not names:
        raise typer.BadParameter(f"name at least one of {', '.join(COLUMNS)}")
    return tuple(cast(Column, name) for name in dict.fromkeys(names))


def _checked_columns(text: str) -> str:
    columns_of(text)
    return text


ColumnsOption = Annotated[
    str,
    typer.Option(
        "--columns",
        metavar="LIST",
        callback=_checked_columns,
        help=f"The columns of the table, from {', '.join(COLUMNS)}.",
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet/--no-quiet",
        "-q",
        show_default=False,
        help="Show only failures and totals, without progress.",
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose/--no-verbose",
        "-v",
        show_default=False,
        help="Show every probe, weight, pairing and expectation.",
    ),
]
EffortOption = Annotated[
    str,
    typer.Option(
        "--effort",
        metavar="|".join(EFFORTS),
        callback=_one_of(EFFORTS),
        autocompletion=lambda: list(EFFORTS),
        help="How many probes to run on each pair. quick: a few. normal: a few on very large "
        "models, all on others. thorough: all.",
    ),
]
JobsOption = Annotated[
    str,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N|auto",
        callback=_jobs,
        autocompletion=lambda: ["auto"],
        help="The number of scenarios to run in parallel, each in its own process. auto: one for "
        "a few scenarios, more for many.",
    ),
]
TimeoutOption = Annotated[
    str,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        callback=_seconds,
        help="The time limit for each scenario (default 300).",
        show_default=False,
    ),
]
MaxMemoryOption = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        callback=_bytes,
        help="The memory limit for each scenario, such as 4G. Each runs in its own process.",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Run on the workers of this Dask scheduler and write each result as a row of "
        "--output FILE.parquet. Results that are already there do not run again.",
    ),
]
NoCacheOption = Annotated[
    bool,
    typer.Option(
        "--no-cache/--cache",
        show_default=False,
        help="Run everything and store nothing in the cache.",
    ),
]
CacheDirOption = Annotated[
    str | None,
    typer.Option(
        "--cache-dir",
        metavar="FOLDER",
        help="The folder for stored results, instead of the user's cache folder.",
    ),
]
AllowCodeOption = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        help="Allow `python:` models, Lambda layers and saved models to run their code.",
    ),
]
DepsOption = Annotated[
    bool,
    typer.Option(
        "--deps/--no-deps",
        show_default=False,
        help="Run the models to measure which output steps depend on which input steps.",
    ),
]
FeaturesOption = Annotated[
    bool,
    typer.Option(
        "--features/--no-features",
        show_default=False,
        help="With --deps, also measure dependence between features.",
    ),
]
GraphOption = Annotated[
    bool,
    typer.Option(
        "--graph/--no-graph",
        show_default=False,
        help="Trace every model and layer to count the operations in their graphs.",
    ),
]
ReproOption = Annotated[
    str | None,
    typer.Option(
        "--repro",
        metavar="FILE",
        callback=_writable,
        help="Write a standalone Keras script that shows the first difference.",
    ),
]
