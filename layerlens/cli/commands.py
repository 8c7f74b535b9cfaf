"""The commands, one function each; their docstrings are the help texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerlens.cli.cache import cache_app, open_cache
from layerlens.cli.command_options import (
    JUDGING,
    MEASUREMENTS,
    REPORT,
    RUN,
    TABLE,
    CommandOptions,
    project_default_map,
    takes_options,
)
from layerlens.cli.completion import model_names, model_names_or_codes
from layerlens.cli.dask import is_parquet, spread
from layerlens.cli.messages import (
    BROKEN,
    FAILED,
    MISUSED,
    PASSED,
    write_errors,
    write_stderr,
    write_stdout,
)
from layerlens.cli.options import Paths
from layerlens.cli.overwrite import refuse_overwriting
from layerlens.cli.plot import plot
from layerlens.cli.record import record
from layerlens.cli.runtimes import runtimes
from layerlens.cli.signals import Interrupted
from layerlens.cli.terminal import columns, fit_terminal, show_progress
from layerlens.cli.watch import watch
from layerlens.files import STDOUT, print_text, write_parts, write_text
from layerlens.render import RenderOptions

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


def default_map(arguments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return command → option → default for a command line, from the project's pyproject.toml.

    Raises:
        ScenarioError: the project's table has faults.
    """
    if not arguments or {"-h", "--help"} & set(arguments):
        return {}
    command = arguments[0]
    functions = {one.name or one.callback.__name__: one.callback.__name__ for one in _commands()}
    if command not in functions:
        return {}
    return {command: project_default_map(arguments, functions[command])}


def _commands() -> Iterator[Any]:
    return (one for one in app.registered_commands if one.callback is not None)


def _show_version(requested: bool) -> None:
    if requested:
        from layerlens.models.backend.start import describe_environment
        from layerlens.versions import own_version

        found = describe_environment()
        write_stdout(
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
    """Compare Keras layers and models: shapes, parameters, and whether they compute the same.

    Exit status: 0 every expectation holds; 1 at least one does not; 2 the command line or a
    scenario has a fault; 3 a bug in layerlens itself.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(MISUSED)
    return PASSED


@app.command()
@takes_options(
    *REPORT,
    *RUN,
    *JUDGING,
    "weights",
    "against",
    "verbose",
    "jobs",
    "repro",
    *MEASUREMENTS,
    "scheduler",
)
def compare(paths: Paths, *, options: CommandOptions) -> int:
    """Compare the models of scenarios, or models that you name.

    If you name models, the first is the reference, and the others are expected to be equivalent to
    it. The exit status is then that of `cmp`: 0 if they are, 1 if not, 2 in case of trouble.
    """
    from layerlens.run.pipeline import compare_paths

    refuse_overwriting([options.output, options.repro], paths)
    run_options = options.run_options()
    if options.scheduler is not None or is_parquet(options.output):
        return spread(paths, options.scheduler, options.output, run_options, quiet=options.quiet)
    scripts: list[str] = []
    keep = None if options.repro is None else lambda pair, script: scripts.append(script)
    with (
        show_progress(quiet=options.quiet, color=options.color_when) as listener,
        open_cache("compare", run_options, options) as cache,
    ):
        report = compare_paths(paths, run_options, progress=listener, on_script=keep, cache=cache)
    if options.repro is not None:
        _write_repro(scripts, options.repro)
    return _finish(report, options, options.render_options())


@app.command()
@takes_options(*REPORT, *RUN, *JUDGING, "weights", "against", "jobs")
def explain(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            autocompletion=model_names_or_codes,
            help="As for `layerlens compare`, or codes of errors.",
        ),
    ],
    *,
    options: CommandOptions,
) -> int:
    """Explain where models differ, why, and what makes them agree.

    Compares the models, measures which output step depends on which input step, and searches for
    the fewest changes that make the models agree. Given codes of errors in place of paths, such as
    LL301, describes what they mean.
    """
    from layerlens.render.fault_guide import is_code, render_code
    from layerlens.run.pipeline import compare_paths

    if all(is_code(path) and not Path(path).exists() for path in paths):
        print_text("\n".join(render_code(path, columns()) for path in paths))
        return PASSED
    refuse_overwriting([options.output], paths)
    run_options = replace(options.run_options(), deps=True, explain=True)
    with (
        show_progress(quiet=options.quiet, color=options.color_when) as listener,
        open_cache("compare", run_options, options) as cache,
    ):
        report = compare_paths(paths, run_options, progress=listener, cache=cache)
    return _finish(report, options, replace(options.render_options(), explain=True))


@app.command()
@takes_options(*REPORT, *RUN, *TABLE, "verbose", "jobs", *MEASUREMENTS)
def summary(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            autocompletion=model_names,
            help="Scenarios, folders, or models: .keras, .h5, .json, .onnx, .tflite, a SavedModel "
            "folder, a recording (.npz), FILE.py:CALLABLE, MODULE:CALLABLE.",
        ),
    ],
    *,
    options: CommandOptions,
) -> int:
    """Show the layers, shapes and parameters of models.

    Without --deps and --graph nothing runs, so models of any size work.
    """
    from layerlens.run.pipeline import summarize_paths

    refuse_overwriting([options.output], paths)
    run_options = options.run_options()
    with (
        show_progress(quiet=options.quiet, color=options.color_when) as listener,
        open_cache("summary", run_options, options) as cache,
    ):
        report = summarize_paths(paths, run_options, progress=listener, cache=cache)
    return _finish(report, options, options.render_options())


app.command()(record)
app.command()(watch)
app.command()(plot)
app.command()(runtimes)


@app.command("render")
@takes_options(*REPORT, "quiet", "verbose")
def render_again(
    path: Annotated[
        str, typer.Argument(metavar="REPORT", help="A report in JSON, or - for stdin.")
    ],
    *,
    options: CommandOptions,
) -> int:
    """Write a JSON report in another format, without running anything."""
    from layerlens.report.from_json import read_report

    refuse_overwriting([options.output], [path])
    _write(read_report(path), options, options.render_options())
    return PASSED


def _example_names() -> list[str]:
    from layerlens.scenario.gallery import example_names

    return example_names()


@app.command()
def examples() -> int:
    """List the shipped examples, with the question of each."""
    from layerlens.render.example_list import render_examples
    from layerlens.scenario import gallery

    print_text(render_examples(gallery.examples(), columns()))
    if sys.stdout.isatty():
        typer.echo("\nRun `layerlens init --example NAME PATH` to write one to a file.")
    return PASSED


@app.command()
def init(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The file or folder to write to.")],
    example: Annotated[
        str | None,
        typer.Option(
            "--example",
            metavar="NAME",
            autocompletion=_example_names,
            help="Write this example instead; `layerlens examples` lists them.",
        ),
    ] = None,
) -> int:
    """Write a commented starter scenario. Existing files are not overwritten."""
    from layerlens.scenario.gallery import write_example
    from layerlens.scenario.starter import write_starter

    written = [write_starter(path)] if example is None else write_example(example, path)
    files = " and ".join(map(str, written))
    write_stdout(f"wrote {files}; run it with: layerlens compare {written[-1]}")
    return PASSED


@app.command()
def schema() -> int:
    """Print the scenario format as JSON Schema, for editors."""
    from layerlens.scenario.reading.json_schema import json_schema

    write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", None)
    return PASSED


def _layer_names() -> list[str]:
    from layerlens.scenario.keras_catalog import layer_names
    from layerlens.scenario.model_layers import MODEL_LAYERS

    return [*layer_names(), *MODEL_LAYERS]


@app.command()
def layers(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", autocompletion=_layer_names, help="A layer's class name."),
    ] = None,
) -> int:
    """List the available layers, or the arguments of one layer."""
    from layerlens.render.layer_catalog import render_layer, render_layer_names

    if name is not None:
        print_text(render_layer(name, columns()))
        return PASSED
    print_text(render_layer_names(columns()))
    if sys.stdout.isatty():
        typer.echo("\nRun `layerlens layers NAME` to show the arguments of one layer.")
    return PASSED


def _write_repro(scripts: list[str], path: str) -> None:
    """Write the first script, or a message that no pair differs."""
    if not scripts:
        write_stderr(f"{path} was not written: no two models differ as functions")
        return
    write_text(scripts[0], path)
    more = f"; {len(scripts) - 1} more pairs differ" if len(scripts) > 1 else ""
    write_stderr(f"wrote {path}, which shows the first difference without layerlens{more}")


def _finish(report: RunRecord, options: CommandOptions, shown: RenderOptions) -> int:
    """Write a report and its errors, and return the exit status."""
    on_stdout = options.report_format == "rich" and options.output in (None, STDOUT)
    on_screen = on_stdout and sys.stdout.isatty()
    if not (on_screen and sys.stderr.isatty()):  # the report shows the errors on the same screen
        write_errors(report)
    if on_stdout and not on_screen:  # a log may hold both streams: each error once
        shown = replace(shown, list_faults=False)
    _write(report, options, shown)
    if any(error.internal for scenario in report.scenarios for error in scenario.errors):
        return BROKEN
    return {"pass": PASSED, "unchecked": PASSED, "fail": FAILED, "error": MISUSED}[report.status]


def _write(report: RunRecord, options: CommandOptions, shown: RenderOptions) -> None:
    from layerlens.render import render
    from layerlens.render.formats.json import json_parts

    output = options.output
    to_stdout = output in (None, STDOUT)
    try:
        if options.report_format == "rich" and to_stdout:
            print_text(render(report, "rich", fit_terminal(shown, options.color_when)))
        elif options.report_format == "json":
            write_parts(json_parts(report), output)
        else:
            shown = replace(shown, width=columns(), colour=options.color == "always")
            write_text(render(report, options.report_format, shown), output)
    except KeyboardInterrupt:
        how = "the report may be incomplete" if to_stdout else f"{output} is unchanged or complete"
        raise Interrupted(how) from None
