"""The errors layerlens raises, each with what is wrong, where, and what to do.

    LayerlensError
    ├── UsageError          the call or command line is at fault        (exit status 2)
    ├── ScenarioError       one or more faults in one scenario file     (exit status 2)
    ├── ModelFileError      a saved model cannot be read or is refused  (exit status 2)
    ├── UnsafeCodeError     code would run without permission           (exit status 2)
    ├── MemoryLimitError    a model's weights would not fit in memory   (exit status 2)
    ├── LostError           a scenario's work was stopped, or died      (exit status 2)
    └── InternalError       a fault of layerlens itself                 (exit status 3)

A model that Keras refuses is not an error here: it is a result (`report.ModelError`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file; lines and columns count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: what was received, what is allowed, what to do."""

    message: str
    where: Where | None = None
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class LayerlensError(Exception):
    """The root of everything layerlens raises on purpose."""

    def __init__(self, message: str, where: Where | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The single faults behind this error, for one message each."""
        return (Fault(self.message, self.where, self.hint),)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class UsageError(LayerlensError):
    """The arguments of a call or of the command line do not make sense."""


class ModelFileError(LayerlensError):
    """A saved model is missing, damaged, or of a kind that cannot be loaded."""


class UnsafeCodeError(LayerlensError):
    """Something would run code from a file, and nobody has allowed that."""


class MemoryLimitError(LayerlensError):
    """A model that was to be run needs more memory than there is; said before it is tried."""


class LostError(LayerlensError):
    """A scenario took longer or more memory than it may, or the process that ran it died."""


class InternalError(LayerlensError):
    """layerlens itself is at fault."""


class ScenarioError(LayerlensError):
    """A scenario file is at fault; all its faults are told at once."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        first = faults[0]
        super().__init__(first.message, first.where, first.hint)
        self._faults = faults

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self._faults
