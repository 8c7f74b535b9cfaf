"""The command line: parse arguments, run a command, return its exit status."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
from typing import Any, NoReturn

from layerlens.cli.messages import BROKEN, INTERRUPTED, MISUSED, PASSED, PIPE_CLOSED, write_stderr
from layerlens.plain.garbage import collect_rarely

# Slow imports stand inside functions, so that an interrupt is handled from the first moment on.

#: Set by the shell that asks for completions.
_COMPLETING = "_LAYERLENS_COMPLETE"


def main() -> None:
    """Run the command line of this process, and end the process with the exit status."""
    collect_rarely()
    try:
        from layerlens.cli import crash_guard, signals, streams

        streams.open_missing()
        if (
            crash_guard.is_guarded(sys.argv[1:])
            and (cause := crash_guard.crashed_child()) is not None
        ):
            _isolate(cause)
        signals.install_handlers()
    except KeyboardInterrupt:  # before the handlers were installed
        os._exit(INTERRUPTED)
    if not sys.warnoptions:  # Python's -W and PYTHONWARNINGS turn Keras' warnings on
        warnings.simplefilter("ignore")
    status = run(sys.argv[1:])
    _end(status)


def _isolate(cause: str) -> None:
    """Run every scenario in a process of its own, after a crash of the one for all."""
    from layerlens.run.workers.dispatch import Dispatcher

    write_stderr(
        f"the process crashed ({cause}), in TensorFlow or because memory ran out; running "
        "everything once more, each scenario in its own process"
    )
    Dispatcher.isolated = True


def _end(status: int) -> NoReturn:
    """End the process without the interpreter's own clean-up.

    Freeing all imported modules takes a fifth of a light command's time, and most of a second with
    TensorFlow. Functions registered with `atexit` are called, unless threads still run that may use
    what these functions free.
    """
    from layerlens.cli import signals

    if "logging" in sys.modules:
        sys.modules["logging"].shutdown()
    if "tensorflow" not in sys.modules and not signals.exit_status() and not _has_running_threads():
        signals.restore_defaults()
        atexit._run_exitfuncs()
    os._exit(status)


def _has_running_threads() -> bool:
    """Return whether a thread of layerlens, abandoned at its time limit, still runs."""
    return any(thread.name.startswith("layerlens-") for thread in threading.enumerate())


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit status; errors are written to standard error."""
    from layerlens.cli import signals, streams

    how_far = "nothing was written"
    try:
        try:
            status = _run_command(arguments)
        finally:
            sys.stdout.flush()  # `_end` does not
    except KeyboardInterrupt:
        status = INTERRUPTED
    except signals.Interrupted as interrupt:
        status, how_far = INTERRUPTED, str(interrupt)
    except BrokenPipeError:
        status = PIPE_CLOSED
    except SystemExit as end:
        # For a closed pipe typer exits with status 1.
        closed = isinstance(end.__context__, BrokenPipeError)
        status = PIPE_CLOSED if closed else _as_status(end.code)
    except Exception as error:
        status = _report_exception(error) if signals.exit_status() is None else INTERRUPTED
    if status == PIPE_CLOSED:
        streams.discard(sys.stdout)  # silently, as other tools do
    if status != INTERRUPTED:
        return status
    # A signal may arrive while TensorFlow is imported and standard error is redirected.
    write = write_stderr if signals.exit_status() is None else signals.write_stderr
    write(f"{signals.reason()}; {how_far}")
    return signals.exit_status() or INTERRUPTED


def _as_status(code: object) -> int:
    if code is None:
        return PASSED
    return code if isinstance(code, int) else BROKEN


def _run_command(arguments: list[str]) -> int:
    import typer

    from layerlens.cli import signals
    from layerlens.cli.commands import app, default_map
    from layerlens.errors import InternalError, LayerlensError
    from layerlens.fault_codes import Code

    # Versions of typer bundle different clicks, with usage errors of different classes.
    usage_error: type[Any] = typer.BadParameter.__bases__[0]
    try:
        status = app(
            args=arguments,
            prog_name="layerlens",
            standalone_mode=False,
            default_map={} if _COMPLETING in os.environ else default_map(arguments),
        )
    except usage_error as error:
        command = error.ctx.command_path if error.ctx else "layerlens"
        write_stderr(
            f"{Code.BAD_OPTION} {error.format_message()}\n"
            f"  hint: `{command} --help` shows its arguments and options"
        )
        return MISUSED
    except typer.Abort:
        return INTERRUPTED
    except LayerlensError as error:
        if signals.exit_status() is not None:  # such as an import that was interrupted
            raise KeyboardInterrupt from error
        write_stderr(str(error))
        return BROKEN if isinstance(error, InternalError) else MISUSED
    return int(status or PASSED)


def _report_exception(error: Exception) -> int:
    """Report an error in writing to a standard stream, or a fault of layerlens itself."""
    from layerlens.cli import streams

    if not streams.is_write_error(error):
        return _report_internal_error(error)
    streams.discard(sys.stdout)
    write_stderr(f"cannot write to standard output: {error.strerror or error}")
    return MISUSED


def _report_internal_error(error: Exception) -> int:
    from layerlens.fault_codes import Code

    if os.environ.get("LAYERLENS_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    write_stderr(
        f"{Code.INTERNAL} a bug in layerlens itself: {type(error).__name__}: {error}\n"
        "  hint: please report it in the project's issue tracker, with the scenario and the\n"
        "  output of `layerlens --version`; set LAYERLENS_DEBUG=1 to show the traceback"
    )
    return BROKEN
