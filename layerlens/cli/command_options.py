"""The list of options that commands share, and a decorator that gives them to a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from layerlens.cli.options import (
    AgainstOption,
    AllowCodeOption,
    CacheDirOption,
    ColorOption,
    ColumnsOption,
    DepsOption,
    DepthOption,
    EffortOption,
    ExpectOption,
    ExplainCountsOption,
    FeaturesOption,
    FormatOption,
    GraphOption,
    JobsOption,
    MaxMemoryOption,
    NoCacheOption,
    OutputOption,
    QuietOption,
    ReproOption,
    SchedulerOption,
    SeedOption,
    StrictOption,
    TimeoutOption,
    VerboseOption,
    WeightsOption,
    columns_of,
)
from layerlens.cli.project_defaults import OptionRule, project_defaults
from layerlens.render import Color, Format, RenderOptions
from layerlens.render.options import FORMAT_OF_SUFFIX
from layerlens.scenario.options import RunOptions
from layerlens.vocabulary import Effort, Verdict, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """The shared options of a command, in the order of `--help`.

    Options that the command does not take have their defaults.
    """

    format: FormatOption = None
    output: OutputOption = None
    color: ColorOption = "auto"
    seed: SeedOption = "0"
    expect: ExpectOption = None
    weights: WeightsOption = None
    against: AgainstOption = None
    strict: StrictOption = False
    quiet: QuietOption = False
    verbose: VerboseOption = False
    explain_counts: ExplainCountsOption = False
    depth: DepthOption = None
    columns: ColumnsOption = "output,params"
    effort: EffortOption = "normal"
    jobs: JobsOption = "auto"
    timeout: TimeoutOption = "300"
    max_memory: MaxMemoryOption = None
    no_cache: NoCacheOption = False
    cache_dir: CacheDirOption = None
    allow_code: AllowCodeOption = False
    repro: ReproOption = None
    deps: DepsOption = False
    features: FeaturesOption = False
    graph: GraphOption = False
    scheduler: SchedulerOption = None

    @property
    def report_format(self) -> Format:
        """The format that is given, or that of the suffix of the output, or rich."""
        if self.format is not None:
            return cast(Format, self.format)
        suffix = "" if self.output is None else Path(self.output).suffix.lower()
        return FORMAT_OF_SUFFIX.get(suffix, "rich")

    @property
    def color_when(self) -> Color:
        """When to use colors, of the type that the terminal takes."""
        return cast(Color, self.color)

    def run_options(self) -> RunOptions:
        """Return the options of the run; models with weights beyond --max-memory are refused."""
        max_memory = None if self.max_memory is None else int(self.max_memory)
        return RunOptions(
            seed=int(self.seed),
            expect=cast(Verdict | None, self.expect),
            allow_code=self.allow_code,
            effort=cast(Effort, self.effort),
            jobs=None if self.jobs == "auto" else int(self.jobs),
            memory_limit=max_memory,
            deps=self.deps or self.features,
            features=self.features,
            timeout=float(self.timeout),
            max_memory=max_memory,
            graph=self.graph,
            weights=cast(Weights | None, self.weights),
            against=self.against,
            strict=self.strict,
        )

    def render_options(self) -> RenderOptions:
        return RenderOptions(
            verbose=self.verbose,
            quiet=self.quiet,
            counts=self.explain_counts,
            depth=self.depth,
            columns=columns_of(self.columns),
        )


#: How a report is written.
REPORT = ("format", "output", "color")
#: What a short table shows.
TABLE = ("explain_counts", "depth", "columns")
#: How scenarios are run.
RUN = ("seed", "quiet", "timeout", "max_memory", "no_cache", "cache_dir", "allow_code")
#: What is expected of each pair, and how much to spend on it.
JUDGING = ("expect", "strict", "effort")
#: What is measured on request.
MEASUREMENTS = ("deps", "features", "graph")

_PARAMETERS = inspect.signature(CommandOptions, eval_str=True).parameters


#: The name of a command's function → the fields of `CommandOptions` that it takes.
_TAKEN: dict[str, tuple[str, ...]] = {}


def option_rules() -> dict[str, OptionRule]:
    """Return the name of each shared option, without dashes in front, and what it takes."""
    rules = {}
    for name, parameter in _PARAMETERS.items():
        kind, *notes = get_args(parameter.annotation)
        checks = [note.callback for note in notes if hasattr(note, "callback")]
        least = next((note.min for note in notes if getattr(note, "min", None) is not None), None)
        check = checks[0] if checks else None
        rules[name.replace("_", "-")] = OptionRule(kind is bool, check, least)
    return rules


def project_default_map(arguments: Sequence[str], function: str) -> dict[str, Any]:
    """Return the project's defaults for the options of a command.

    Args:
        arguments: the command line; its --output decides over the project's format.
        function: the name of the command's function.
    """
    taken = _TAKEN.get(function, ())
    if not taken:
        return {}
    found = {
        name.replace("-", "_"): value for name, value in project_defaults(option_rules()).items()
    }
    if Path(_given_output(arguments)).suffix.lower() in FORMAT_OF_SUFFIX:
        found.pop("format", None)
    return {name: value for name, value in found.items() if name in taken}


def _given_output(arguments: Sequence[str]) -> str:
    """Return the value of --output on a command line; empty if it is not there."""
    for position, argument in enumerate(arguments):
        if argument in ("-o", "--output"):
            return arguments[position + 1] if position + 1 < len(arguments) else ""
        if argument.startswith(("-o", "--output=")) and not argument.startswith("--output-"):
            return argument.removeprefix("--output=").removeprefix("-o")
    return ""


def takes_options(*names: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return a decorator that replaces a function's parameter `options` by single options.

    Args:
        names: the fields of `CommandOptions` that the command takes, in any order. typer reads
            them from the signature of the decorated function.
    """
    options = sorted((_PARAMETERS[name] for name in names), key=[*_PARAMETERS.values()].index)

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        _TAKEN[command.__name__] = names

        def run_command(**arguments: Any) -> int:
            taken = {name: arguments.pop(name) for name in names}
            return command(**arguments, options=CommandOptions(**taken))

        signature = inspect.signature(command, eval_str=True)
        own = [one for one in signature.parameters.values() if one.name != "options"]
        signature = signature.replace(parameters=[*own, *options])
        run_command.__name__ = command.__name__
        run_command.__doc__ = command.__doc__
        run_command.__annotations__ = {
            **{name: one.annotation for name, one in signature.parameters.items()},
            "return": signature.return_annotation,
        }
        run_command.__signature__ = signature  # type: ignore[attr-defined]
        return run_command

    return decorate
