"""The commands of the command line, one function each."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, cast

import typer

from layerlens import files as writing
from layerlens.cli.cache import cache_app, open_cache
from layerlens.cli.dask import is_parquet, spread
from layerlens.cli.messages import BROKEN, FAILED, MISUSED, PASSED, say, tell, tell_errors
from layerlens.cli.options import (
    AllowCodeOption,
    CacheDirOption,
    DepsOption,
    ExpectOption,
    FeaturesOption,
    FormatOption,
    GraphOption,
    JobsOption,
    MaxMemoryOption,
    NoCacheOption,
    OutputOption,
    Paths,
    QuietOption,
    ReproOption,
    SchedulerOption,
    SeedOption,
    TimeoutOption,
    VerboseOption,
    limits,
)
from layerlens.cli.overwrite import refuse_overwriting
from layerlens.cli.plot import plot
from layerlens.cli.signals import Left
from layerlens.cli.terminal import columns, show_progress, wants_colour
from layerlens.cli.watch import watch
from layerlens.files import print_text, write_text
from layerlens.render import Format, RenderOptions
from layerlens.scenario.options import RunOptions
from layerlens.vocabulary import Verdict

if TYPE_CHECKING:
    from layerlens.report.run import RunRecord

app = typer.Typer(
    name="layerlens",
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would double the time to start
)
app.add_typer(cache_app, name="cache")


def _show_version(wanted: bool) -> None:
    if wanted:
        from layerlens.models.backend.start import describe_environment
        from layerlens.versions import own_version

        found = describe_environment()
        say(
            f"layerlens {own_version()} (Python {found.python}, Keras {found.keras}, "
            f"TensorFlow {found.backend_version}, {found.platform})"
        )
        raise typer.Exit


@app.callback()
def layerlens(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> int:
    """Shapes, parameters and honest verdicts for Keras layers.

    Exit status: 0 every expectation holds; 1 one does not; 2 the command line or a scenario is at
    fault; 3 a fault of layerlens itself.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(MISUSED)
    return PASSED


@app.command()
def compare(
    paths: Paths,
    format: FormatOption = "rich",  # noqa: A002 - the option's own name
    output: OutputOption = None,
    seed: SeedOption = "0",
    expect: ExpectOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    jobs: JobsOption = "1",
    timeout: TimeoutOption = "300",
    max_memory: MaxMemoryOption = None,
    no_cache: NoCacheOption = False,
    cache_dir: CacheDirOption = None,
    allow_code: AllowCodeOption = False,
    repro: ReproOption = None,
    deps: DepsOption = False,
    features: FeaturesOption = False,
    graph: GraphOption = False,
    scheduler: SchedulerOption = None,
) -> int:
    """Build the models of each scenario, check whether they compute the same, and report."""
    from layerlens.run.pipeline import compare_paths

    refuse_overwriting([output, repro], paths)

    options = RunOptions(
        seed=int(seed),
        expect=cast(Verdict | None, expect),
        allow_code=allow_code,
        jobs=int(jobs),
        deps=deps or features,
        features=features,
        graph=graph,
        **limits(timeout, max_memory),
    )
    if scheduler is not None or is_parquet(output):
        return spread(paths, scheduler, output, options, quiet=quiet)
    scripts: list[str] = []
    keep = None if repro is None else lambda pair, script: scripts.append(script)
    with (
        show_progress(quiet=quiet) as listener,
        open_cache("compare", options, cache_dir, off=no_cache) as cache,
    ):
        report = compare_paths(paths, options, progress=listener, on_script=keep, cache=cache)
    if repro is not None:
        _write_repro(scripts, repro)
    return _finish(report, format, output, RenderOptions(verbose=verbose, quiet=quiet))


@app.command()
def explain(
    paths: Paths,
    format: FormatOption = "rich",  # noqa: A002 - the option's own name
    output: OutputOption = None,
    seed: SeedOption = "0",
    expect: ExpectOption = None,
    quiet: QuietOption = False,
    jobs: JobsOption = "1",
    timeout: TimeoutOption = "300",
    max_memory: MaxMemoryOption = None,
    no_cache: NoCacheOption = False,
    cache_dir: CacheDirOption = None,
    allow_code: AllowCodeOption = False,
) -> int:
    """Say in sentences what two models have in common, where they differ, why, and what mends it.

    Compares them, measures which step depends on which, and tries the fewest changes that make
    them agree.
    """
    from layerlens.run.pipeline import compare_paths

    refuse_overwriting([output], paths)

    options = RunOptions(
        seed=int(seed),
        expect=cast(Verdict | None, expect),
        allow_code=allow_code,
        jobs=int(jobs),
        deps=True,
        explain=True,
        **limits(timeout, max_memory),
    )
    with (
        show_progress(quiet=quiet) as listener,
        open_cache("compare", options, cache_dir, off=no_cache) as cache,
    ):
        report = compare_paths(paths, options, progress=listener, cache=cache)
    return _finish(report, format, output, RenderOptions(quiet=quiet, explain=True))


@app.command()
def summary(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Scenarios, folders, or saved .keras/.h5/.json."),
    ],
    format: FormatOption = "rich",  # noqa: A002 - the option's own name
    output: OutputOption = None,
    seed: SeedOption = "0",
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    jobs: JobsOption = "1",
    timeout: TimeoutOption = "300",
    max_memory: MaxMemoryOption = None,
    no_cache: NoCacheOption = False,
    cache_dir: CacheDirOption = None,
    allow_code: AllowCodeOption = False,
    deps: DepsOption = False,
    features: FeaturesOption = False,
    graph: GraphOption = False,
) -> int:
    """Show the layers, shapes and params.

    Without --deps and --graph nothing is run, and models of any size will do.
    """
    from layerlens.run.pipeline import summarize_paths

    refuse_overwriting([output], paths)
    options = RunOptions(
        seed=int(seed),
        allow_code=allow_code,
        jobs=int(jobs),
        deps=deps or features,
        features=features,
        graph=graph,
        **limits(timeout, max_memory),
    )
    with (
        show_progress(quiet=quiet) as listener,
        open_cache("summary", options, cache_dir, off=no_cache) as cache,
    ):
        report = summarize_paths(paths, options, progress=listener, cache=cache)
    return _finish(report, format, output, RenderOptions(verbose=verbose, quiet=quiet))


app.command()(watch)
app.command()(plot)


@app.command("render")
def render_again(
    path: Annotated[
        str, typer.Argument(metavar="REPORT", help="A report in JSON, or - for stdin.")
    ],
    format: FormatOption = "rich",  # noqa: A002 - the option's own name
    output: OutputOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Write a JSON report in another format, without running anything."""
    from layerlens.report.from_json import read_report

    refuse_overwriting([output], [path])
    options = RenderOptions(verbose=verbose, quiet=quiet)
    _write(read_report(path), format, output, options)
    return PASSED


@app.command()
def init(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file to write.")],
) -> int:
    """Write a commented starter scenario; what is there already is not overwritten."""
    from layerlens.scenario.starter import write_starter

    write_starter(path)
    say(f"wrote {path}; run it with: layerlens compare {path}")
    return PASSED


@app.command()
def schema() -> int:
    """Print the scenario format as JSON Schema, for editors."""
    from layerlens.scenario.reading.schema import json_schema

    write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", None)
    return PASSED


def _layer_names() -> list[str]:
    from layerlens.scenario.keras_catalog import layer_names

    return list(layer_names())


@app.command()
def layers(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", autocompletion=_layer_names, help="A layer's class name."),
    ] = None,
) -> int:
    """List the layers that can be used, or the arguments of one."""
    from layerlens.render.layer_catalog import render_layer, render_layer_names

    if name is not None:
        print_text(render_layer(name, columns()))
        return PASSED
    print_text(render_layer_names(columns()))
    if sys.stdout.isatty():
        typer.echo("\n`layerlens layers NAME` tells the arguments of one.")
    return PASSED


def _write_repro(scripts: list[str], path: str) -> None:
    """Write the first script; where no pair differs there is none, which is told."""
    if not scripts:
        tell(f"{path} was not written: no pair was found to differ")
        return
    write_text(scripts[0], path)
    more = f"; {len(scripts) - 1} further pairs differ as well" if len(scripts) > 1 else ""
    tell(f"wrote {path}, which shows the first difference without layerlens{more}")


def _finish(report: RunRecord, format: str, output: str | None, options: RenderOptions) -> int:  # noqa: A002
    shown_anyway = format == "rich" and output is None and sys.stdout.isatty()
    if not (shown_anyway and sys.stderr.isatty()):
        tell_errors(report)
    _write(report, format, output, options)
    if any(error.internal for scenario in report.scenarios for error in scenario.errors):
        return BROKEN
    return {"pass": PASSED, "fail": FAILED, "error": MISUSED}[report.status]


def _write(report: RunRecord, format: str, output: str | None, options: RenderOptions) -> None:  # noqa: A002
    from layerlens.render import render
    from layerlens.render.formats.json import json_parts

    to_stdout = output in (None, writing.STDOUT)
    try:
        if format == "rich" and to_stdout:
            options = replace(
                options,
                width=columns(),
                colour=wants_colour(),
                ascii=not writing.can_encode("─│└≠✔✘×→"),
            )
            writing.print_text(render(report, "rich", options))
        elif format == "json":
            writing.write_parts(json_parts(report), output)
        else:
            options = replace(options, width=columns())
            text = render(report, cast(Format, format), options)
            writing.write_text(text, output)
    except KeyboardInterrupt:
        how = "the report may not be whole" if to_stdout else f"{output} is as before, or whole"
        raise Left(how) from None
