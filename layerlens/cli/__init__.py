"""A command line enters, a report and an exit status leave."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

# Everything else is imported inside, so that an interrupt is answered from the first moment on.
from layerlens.cli.telling import BROKEN, INTERRUPTED, MISUSED, PASSED, PIPE_CLOSED, tell


def main() -> None:
    """Run the command line of this process and end it with the exit status."""
    if not sys.warnoptions:  # Python's -W and PYTHONWARNINGS bring Keras' asides back
        warnings.simplefilter("ignore")
    status = run(sys.argv[1:])
    if status == INTERRUPTED or _is_anything_left():
        os._exit(status)  # Keras may be at work in a thread that nobody waits for any more
    sys.exit(status)


def _is_anything_left() -> bool:
    alone = sys.modules.get("layerlens.crew.alone")
    return alone is not None and alone.is_anything_left()


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit status; whatever goes wrong is told on stderr."""
    try:
        status = _run_command(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        return _pipe_closed()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer's own answer to it is status 1
            return _pipe_closed()
        raise
    except Exception as error:
        return _broken(error)
    if status == INTERRUPTED:
        tell("interrupted; nothing was written")
    return status


def _run_command(arguments: list[str]) -> int:
    import typer

    from layerlens.cli.commands import app
    from layerlens.errors import InternalError, LayerlensError

    # The click that typer brings along differs by version; the base of its usage errors does not.
    misuse: type[Any] = typer.BadParameter.__bases__[0]
    try:
        status = app(args=arguments, prog_name="layerlens", standalone_mode=False)
    except misuse as error:
        command = error.ctx.command_path if error.ctx else "layerlens"
        tell(f"{error.format_message()}\n  hint: `{command} --help` tells what it takes")
        return MISUSED
    except typer.Abort:
        return INTERRUPTED
    except LayerlensError as error:
        tell(str(error))
        return BROKEN if isinstance(error, InternalError) else MISUSED
    return int(status or PASSED)


def _broken(error: Exception) -> int:
    if os.environ.get("LAYERLENS_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    tell(
        f"a fault of layerlens itself: {type(error).__name__}: {error}\n"
        "  hint: please report it in the project's issue tracker, with the scenario and what\n"
        "  `layerlens --version` says; with LAYERLENS_DEBUG=1 the traceback is shown"
    )
    return BROKEN


def _pipe_closed() -> int:
    """End as a tool does that nobody reads any more: in silence, with the status of SIGPIPE."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED
