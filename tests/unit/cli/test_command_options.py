"""The shared options: what a command's signature lists, and what the options become."""

from __future__ import annotations

import inspect
from typing import Annotated

import pytest
import typer

from layerlens.cli.command_options import CommandOptions, takes_options
from layerlens.cli.commands import app
from layerlens.render import RenderOptions
from layerlens.scenario.options import RunOptions


def test_the_defaults_are_a_plain_run_with_a_time_limit():
    options = CommandOptions()
    assert options.run_options() == RunOptions(jobs=None, timeout=300.0)
    assert options.render_options() == RenderOptions()


def test_every_run_option_is_converted():
    options = CommandOptions(
        seed="7",
        expect="different",
        jobs="2",
        timeout="0.5",
        max_memory="2000",
        allow_code=True,
        graph=True,
    )
    assert options.run_options() == RunOptions(
        seed=7,
        expect="different",
        allow_code=True,
        jobs=2,
        memory_limit=2000,
        timeout=0.5,
        max_memory=2000,
        graph=True,
    )


def test_features_include_the_dependence_of_steps():
    run_options = CommandOptions(features=True).run_options()
    assert (run_options.deps, run_options.features) == (True, True)


def test_render_options():
    shown = CommandOptions(verbose=True, quiet=True).render_options()
    assert shown == RenderOptions(verbose=True, quiet=True)


@pytest.mark.parametrize(
    ("output", "given", "expected"),
    [
        (None, None, "rich"),
        ("-", None, "rich"),
        ("report.txt", None, "rich"),
        ("report.JSON", None, "json"),
        ("out.d/report.md", None, "markdown"),
        ("report.csv", None, "csv"),
        ("report.html", None, "html"),
        ("report.xml", None, "junit"),
        ("report.json", "rich", "rich"),
        ("report", "github", "github"),
    ],
)
def test_the_suffix_of_the_output_is_the_format_unless_one_is_given(output, given, expected):
    assert CommandOptions(format=given, output=output).report_format == expected


def test_a_decorated_command_takes_single_options_in_the_order_of_the_list():
    @takes_options("jobs", "seed")
    def command(path: Annotated[str, typer.Argument()], *, options: CommandOptions) -> int:
        """Explain the command."""
        assert path == "x"
        assert options == CommandOptions(seed="3")
        return 5

    assert list(inspect.signature(command).parameters) == ["path", "seed", "jobs"]
    assert (command.__name__, command.__doc__) == ("command", "Explain the command.")
    assert command(path="x", seed="3", jobs="auto") == 5


def test_an_unknown_option_is_refused_when_the_command_is_defined():
    with pytest.raises(KeyError, match="sead"):
        takes_options("sead")


def test_every_option_is_taken_by_a_command():
    commands = typer.main.get_command(app).commands.values()
    taken = {parameter.name for command in commands for parameter in command.params}
    assert set(CommandOptions.__dataclass_fields__) <= taken


def test_commands_list_their_options_in_one_order():
    order = list(CommandOptions.__dataclass_fields__)
    for command in typer.main.get_command(app).commands.values():
        names = [parameter.name for parameter in command.params if parameter.name in order]
        if command.name == "plot":  # its --output is a picture, listed first
            names.remove("output")
        assert names == sorted(names, key=order.index)
