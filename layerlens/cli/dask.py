"""The option `--scheduler` of `layerlens compare`: run a sweep on a Dask cluster."""

from __future__ import annotations

from pathlib import Path

from layerlens.cli.messages import BROKEN, FAILED, MISUSED, PASSED, write_stderr, write_stdout
from layerlens.cli.signals import Interrupted
from layerlens.cli.terminal import show_progress
from layerlens.errors import UsageError
from layerlens.fault_codes import Code
from layerlens.files import unreadable_path
from layerlens.scenario.from_arguments import refuse_models
from layerlens.scenario.options import RunOptions


def is_parquet(output: str | None) -> bool:
    """Return whether an output is a Parquet file of result rows, not a report."""
    return output is not None and Path(output).suffix == ".parquet"


def spread(
    paths: list[str], scheduler: str | None, output: str | None, options: RunOptions, *, quiet: bool
) -> int:
    """Run scenarios on the workers of a scheduler, print a summary and return the exit status.

    Raises:
        UsageError: options that do not go together, or Dask is not installed.
    """
    if scheduler is None:
        raise UsageError(
            f"{output} is written by the workers of a scheduler, and no scheduler was given",
            hint="add `--scheduler ADDRESS`, or write a report: .json, .csv, .html",
            code=Code.DASK,
        )
    if output is None or not is_parquet(output):
        raise UsageError(
            "--scheduler needs a Parquet file as --output; "
            + ("there is no --output" if output is None else f"received {output!r}"),
            hint="add `--output results.parquet`",
            code=Code.DASK,
        )
    reason = unreadable_path(Path(output).with_name(f"{Path(output).name}.parts"))
    if reason is not None:
        raise UsageError(
            f"the parts of {output} cannot be written next to it: {reason}",
            hint="give the Parquet file a shorter name",
            code=Code.DASK,
        )
    refuse_models(paths, "--scheduler")
    if options.jobs not in (None, 1) or options.max_memory is not None:
        raise UsageError(
            "--jobs and --max-memory apply to this machine, not to the workers of a scheduler",
            hint="set them in `dask worker ADDRESS --nworkers N --nthreads 1 --memory-limit SIZE`",
            code=Code.DASK,
        )
    try:
        from layerlens.run.dask.client import run_sweeps
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--scheduler needs {error.name}, which is not installed",
            hint="python -m pip install 'layerlens[dask]'",
            code=Code.NOT_INSTALLED,
        ) from error
    try:
        with show_progress(quiet=quiet) as listener:
            found = run_sweeps(paths, scheduler, Path(output), options, listener)
    except KeyboardInterrupt:
        raise Interrupted(
            f"the results so far are in {output}.parts; run the same command to continue"
        ) from None
    for text in found.messages:
        write_stderr(text)
    summary = ", ".join(f"{count:,} {status}" for status, count in sorted(found.counts.items()))
    write_stdout(f"{sum(found.counts.values()):,} cells ({found.ran:,} now): {summary}")
    write_stdout(f"wrote {output}")
    if found.internal:
        return BROKEN
    if found.counts.get("error"):
        return MISUSED
    return FAILED if found.counts.get("fail") else PASSED
