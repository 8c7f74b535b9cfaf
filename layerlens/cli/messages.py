"""Exit statuses, and messages on standard output and standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from layerlens.plain.printable import clean

if TYPE_CHECKING:
    from layerlens.report.run import RunRecord

PASSED, FAILED, MISUSED, BROKEN, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 130, 141


def write_stderr(message: str, prefix: str = "layerlens: ") -> None:
    """Write a message to standard error; characters that its encoding lacks are escaped.

    If standard error is closed or full, the message is dropped.
    """
    text = clean(f"{prefix}{message}\n")
    encoding = sys.stderr.encoding or "utf-8"
    try:
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stderr.flush()
    except OSError:
        from layerlens.cli import streams

        streams.discard(sys.stderr)


def write_stdout(message: str) -> None:
    """Write a message, not a report, to standard output."""
    from layerlens.files import print_text

    print_text(clean(f"{message}\n"))


def write_errors(report: RunRecord) -> None:
    """Write every error as `file:line:column: message`, from which editors open the place."""
    from layerlens.render.wording import location
    from layerlens.report.run import coded

    for scenario in report.scenarios:
        for error in scenario.errors:
            hint = f"\n  hint: {error.hint}" if error.hint else ""
            write_stderr(f"{coded(error)}{hint}", prefix=f"{location(error) or 'layerlens'}: ")
