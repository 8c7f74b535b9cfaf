"""The exceptions that layerlens raises, each with a message, a place and a hint.

    LayerlensError
    ├── UsageError          the call or command line is at fault        (exit status 2)
    ├── ScenarioError       one or more faults in one scenario file     (exit status 2)
    ├── ModelFileError      a saved model cannot be read or is refused  (exit status 2)
    ├── UnsafeCodeError     code would run without permission           (exit status 2)
    ├── MemoryLimitError    a model's weights would not fit in memory   (exit status 2)
    ├── LostError           a scenario was stopped, or its process died (exit status 2)
    └── InternalError       a fault of layerlens itself                 (exit status 3)

A model that Keras refuses raises none of these: it is a result (`report.layers.ModelError`).
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
    """One fault of an input: a message with the received and the allowed value, and a hint."""

    message: str
    where: Where | None = None
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class LayerlensError(Exception):
    """The base class of all exceptions of layerlens."""

    def __init__(self, message: str, where: Where | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The single faults that this error reports."""
        return (Fault(self.message, self.where, self.hint),)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class UsageError(LayerlensError):
    """The arguments of a call or of the command line do not make sense."""


class ModelFileError(LayerlensError):
    """A saved model is missing, damaged, or of a kind that cannot be loaded."""


class UnsafeCodeError(LayerlensError):
    """Code from a file would run without permission."""


class MemoryLimitError(LayerlensError):
    """A model would need more memory than there is; raised before it is built or run."""


class LostError(LayerlensError):
    """A scenario exceeded its limit of time or memory, or the process that ran it died."""


class InternalError(LayerlensError):
    """layerlens itself is at fault."""


class ScenarioError(LayerlensError):
    """A scenario file has faults; one error reports all of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        first = faults[0]
        super().__init__(first.message, first.where, first.hint)
        self._faults = faults

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self._faults
