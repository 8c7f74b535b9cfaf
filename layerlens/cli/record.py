"""The command `record`: keep what a model computes, to check it later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from layerlens.cli.command_options import CommandOptions, takes_options
from layerlens.cli.completion import model_names
from layerlens.cli.messages import PASSED, write_stderr, write_stdout
from layerlens.cli.options import MaxSizeOption, RecordingOption

if TYPE_CHECKING:
    from layerlens.run.recorded_file import RecordedFile


@takes_options("seed", "quiet", "max_memory", "allow_code")
def record(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=model_names,
            help="A model: .keras, .h5, .json, FILE.py:CALLABLE or MODULE:CALLABLE.",
        ),
    ],
    output: RecordingOption,
    max_size: MaxSizeOption = "20M",
    *,
    options: CommandOptions,
) -> int:
    """Record what a model computes, to compare other models with it.

    The file holds inputs, weights, outputs in both precisions and the measured rounding. It holds
    no code.
    """
    from layerlens.run.record import record_model
    from layerlens.scenario.from_arguments import one_model

    found = record_model(one_model(model), (), output, options.run_options(), int(max_size))
    if not options.quiet:
        write_stdout(_told(found))
    if found.unseen:
        shown = ", ".join(f"`{name}`" for name in found.unseen[:5])
        more = f" and {len(found.unseen) - 5} more" if len(found.unseen) > 5 else ""
        write_stderr(
            f"no recorded output depends on {shown}{more}: a fault there would not be noticed"
        )
    return PASSED


def _told(found: RecordedFile) -> str:
    from layerlens.byte_size import readable

    others = len(found.weights) - 1
    weights = "its own weights" + (f" and {others} drawn" if others else "")
    did = "is unchanged" if found.is_unchanged else "written"
    reduced = "; fewer than usual, to keep within --max-size" if found.is_reduced else ""
    return (
        f"{found.path} {did}: {found.samples:,} samples on {weights}{reduced} "
        f"({readable(found.bytes)})"
    )
