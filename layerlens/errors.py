"""The exceptions that layerlens raises, each with a message, a place and a hint.

    LayerlensError
    ├── UsageError          the call or command line is at fault        (exit status 2)
    ├── ScenarioError       one or more faults in one scenario file     (exit status 2)
    ├── ModelFileError      a saved model cannot be read or is refused  (exit status 2)
    ├── UnsafeCodeError     code would run without permission           (exit status 2)
    ├── RevisionError       a git revision cannot be read               (exit status 2)
    ├── MemoryLimitError    a model's weights would not fit in memory   (exit status 2)
    ├── LostError           a scenario was stopped, or its process died (exit status 2)
    └── InternalError       a fault of layerlens itself                 (exit status 3)

A model that Keras refuses raises none of these: it is a result (`report.layers.ModelError`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from layerlens.fault_codes import Code


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

    code: Code
    message: str
    where: Where | None = None
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.code} {self.message}"
        text = f"{self.where}: {text}" if self.where else text
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class LayerlensError(Exception):
    """The base class of all exceptions of layerlens."""

    #: The code of an error for which no closer one is given.
    default_code: ClassVar[Code] = Code.USAGE

    def __init__(
        self,
        message: str,
        where: Where | None = None,
        hint: str | None = None,
        *,
        code: Code | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.message = message
        self.where = where
        self.hint = hint

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The single faults that this error reports."""
        return (Fault(self.code, self.message, self.where, self.hint),)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class UsageError(LayerlensError):
    """The arguments of a call or of the command line do not make sense."""


class ModelFileError(LayerlensError):
    """A saved model is missing, damaged, or of a kind that cannot be loaded."""

    default_code = Code.DAMAGED_MODEL


class UnsafeCodeError(LayerlensError):
    """Code from a file would run without permission."""

    default_code = Code.CODE_NOT_ALLOWED


class RevisionError(LayerlensError):
    """There is no such revision of a file, or git cannot read it."""

    default_code = Code.NO_REVISION


class MemoryLimitError(LayerlensError):
    """A model would need more memory than there is; raised before it is built or run."""

    default_code = Code.MEMORY


class LostError(LayerlensError):
    """A scenario exceeded its limit of time or memory, or the process that ran it died."""

    default_code = Code.STOPPED


class InternalError(LayerlensError):
    """layerlens itself is at fault."""

    default_code = Code.INTERNAL


class ScenarioError(LayerlensError):
    """A scenario file has faults; one error reports all of them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        first = faults[0]
        super().__init__(first.message, first.where, first.hint, code=first.code)
        self._faults = faults

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self._faults


def with_further_faults(error: LayerlensError, further: Iterable[Fault]) -> LayerlensError:
    """Return an error that reports further faults too, each once."""
    faults = tuple(dict.fromkeys((*error.faults, *further)))
    return error if faults == error.faults else ScenarioError(faults)
