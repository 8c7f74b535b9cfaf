"""The command line: parse arguments, run a command, return its exit status."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
import warnings
from typing import Any, NoReturn

from layerlens.cli.messages import BROKEN, INTERRUPTED, MISUSED, PASSED, PIPE_CLOSED, tell

# Whatever takes time is imported inside, so that an interrupt is answered from the first moment on.

#: New objects between two collections: next to nothing of what starting makes is garbage.
_COLLECT_AFTER = 50_000


def main() -> None:
    """Run the command line of this process and end it with the exit status."""
    gc.set_threshold(_COLLECT_AFTER)
    try:
        from layerlens.cli import crash_guard as guarding
        from layerlens.cli import signals, streams

        streams.open_missing()
        if guarding.guards(sys.argv[1:]) and (cause := guarding.lost_child()) is not None:
            _isolate(cause)
        signals.listen()
    except KeyboardInterrupt:  # before there was anybody to listen
        os._exit(INTERRUPTED)
    if not sys.warnoptions:  # Python's -W and PYTHONWARNINGS bring Keras' asides back
        warnings.simplefilter("ignore")
    status = run(sys.argv[1:])
    _end(status)


def _isolate(cause: str) -> None:
    """Have every scenario run in a process that can be lost alone, after one was lost with all."""
    from layerlens.run.workers.dispatch import Dispatcher

    tell(
        f"the process was lost ({cause}), with TensorFlow or for want of memory; everything is run "
        "once more, each scenario in a process of its own"
    )
    Dispatcher.isolated = True


def _end(status: int) -> NoReturn:
    """End the process: all is written.

    Taking apart piece by piece what was imported takes a fifth of a light command's time, and most
    of a second where TensorFlow is. What is still at work is not waited for, nor what it works on
    taken from under it; else whoever asked to be called at the end is.
    """
    from layerlens.cli import signals

    if "logging" in sys.modules:
        sys.modules["logging"].shutdown()
    if "tensorflow" not in sys.modules and not signals.received() and not _is_anything_left():
        signals.let_go()
        atexit._run_exitfuncs()
    os._exit(status)


def _is_anything_left() -> bool:
    """Tell whether a thread of layerlens is at work that nobody waits for any more."""
    return any(thread.name.startswith("layerlens-") for thread in threading.enumerate())


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit status; whatever goes wrong is told on stderr."""
    from layerlens.cli import signals, streams

    how_far = "nothing was written"
    try:
        try:
            status = _run_command(arguments)
        finally:
            sys.stdout.flush()  # the process ends without it
    except KeyboardInterrupt:
        status = INTERRUPTED
    except signals.Left as left:
        status, how_far = INTERRUPTED, str(left)
    except BrokenPipeError:
        status = PIPE_CLOSED
    except SystemExit as end:
        # Typer's own answer to a closed pipe is status 1.
        closed = isinstance(end.__context__, BrokenPipeError)
        status = PIPE_CLOSED if closed else _as_status(end.code)
    except Exception as error:
        status = _refused(error) if signals.received() is None else INTERRUPTED
    if status == PIPE_CLOSED:
        streams.give_up(sys.stdout)  # as tools do that nobody reads any more: in silence
    if status != INTERRUPTED:
        return status
    say = tell if signals.received() is None else signals.say
    say(f"{signals.reason()}; {how_far}")
    return signals.received() or INTERRUPTED


def _as_status(code: object) -> int:
    if code is None:
        return PASSED
    return code if isinstance(code, int) else BROKEN


def _run_command(arguments: list[str]) -> int:
    import typer

    from layerlens.cli import signals
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
        if signals.received() is not None:  # an import that was left midway, say
            raise KeyboardInterrupt from error
        tell(str(error))
        return BROKEN if isinstance(error, InternalError) else MISUSED
    return int(status or PASSED)


def _refused(error: Exception) -> int:
    """Tell whether a standard stream took nothing any more, or layerlens itself is at fault."""
    from layerlens.cli import streams

    if not streams.is_refusal(error):
        return _broken(error)
    streams.give_up(sys.stdout)
    tell(f"cannot write to standard output: {error.strerror or error}")
    return MISUSED


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
