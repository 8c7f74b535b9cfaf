"""What a process ends with, and what it says on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from layerlens.plain.printable import clean

if TYPE_CHECKING:
    from layerlens.report.run import RunRecord

PASSED, FAILED, MISUSED, BROKEN, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 130, 141


def tell(message: str, speaker: str = "layerlens: ") -> None:
    """Say something on standard error, as escapes where its encoding lacks a character.

    Where standard error is closed or full there is nobody to tell; the exit status stands.
    """
    text = clean(f"{speaker}{message}\n")
    encoding = sys.stderr.encoding or "utf-8"
    try:
        sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stderr.flush()
    except OSError:
        from layerlens.cli import streams

        streams.give_up(sys.stderr)


def say(message: str) -> None:
    """Say something on standard output that is no report."""
    from layerlens.files import print_text

    print_text(clean(f"{message}\n"))


def tell_errors(report: RunRecord) -> None:
    """Tell every fault in the form that editors jump to: file:line:column: message."""
    from layerlens.render.wording import place

    for scenario in report.scenarios:
        for error in scenario.errors:
            hint = f"\n  hint: {error.hint}" if error.hint else ""
            tell(f"{error.message}{hint}", speaker=f"{place(error) or 'layerlens'}: ")
