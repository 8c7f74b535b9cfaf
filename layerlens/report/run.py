"""The record of a run as frozen rows, and as plain data (schema version 1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from layerlens.vocabulary import Status

if TYPE_CHECKING:
    from layerlens.report.diffs import ModelsDiff
    from layerlens.report.layers import ModelReport
    from layerlens.report.pairs import PairReport
    from layerlens.report.training import FitRow

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class ExpectationRow:
    """One checked expectation.

    `subject` is like "td==dense[inference]", "td.params" or "td.layers.gru.output_shape".
    """

    subject: str
    expected: Any
    actual: Any
    held: bool
    #: Its place in the scenario file; None for a verdict expected on the command line.
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """A fault because of which a scenario could not be run."""

    message: str
    file: str | None
    line: int | None
    column: int | None
    hint: str | None
    #: True where layerlens itself is at fault, not the scenario.
    internal: bool = False
    #: The kind of fault, which `layerlens explain` describes; None in older reports.
    code: str | None = None


def coded(error: ErrorRow) -> str:
    """Return the message of a fault after its code, if it has one."""
    return f"{error.code} {error.message}" if error.code else error.message


@dataclass(frozen=True, slots=True)
class ScenarioReport:
    """The results of one scenario, or of one cell of its matrix."""

    path: str
    title: str | None
    cell: dict[str, Any] | None
    status: Status
    seconds: float
    question: str | None = None
    answer: str | None = None
    errors: tuple[ErrorRow, ...] = ()
    models: tuple[ModelReport, ...] = ()
    pairs: tuple[PairReport, ...] = ()
    fit: tuple[FitRow, ...] = ()
    expectations: tuple[ExpectationRow, ...] = ()
    #: Every other model aligned with the first one (the reference, if pairs are compared).
    diffs: tuple[ModelsDiff, ...] = ()
    #: True if an earlier run measured this; `seconds` is the time of that run.
    cached: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the scenario as plain data, as in the `scenarios` of a report."""
        data: dict[str, Any] = to_plain(self)
        data["models"] = {model.pop("name"): model for model in data["models"]}
        return data


@dataclass(frozen=True, slots=True)
class Environment:
    """The versions and the platform that a run used."""

    python: str
    keras: str | None
    backend: str | None
    backend_version: str | None
    platform: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The record of a run; `to_dict` is schema version 1 of the JSON report."""

    layerlens: str
    environment: Environment
    status: Status
    scenarios: tuple[ScenarioReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data: `json.dumps` of it is strict JSON."""
        data = {"schema": SCHEMA_VERSION, **to_plain(replace(self, scenarios=()))}
        data["scenarios"] = [scenario.to_dict() for scenario in self.scenarios]
        return data


def status_of(expectations: Sequence[ExpectationRow]) -> Status:
    """Return the status of a scenario without faults."""
    if not expectations:
        return "unchecked"
    return "pass" if all(row.held for row in expectations) else "fail"


def joint_status(statuses: Iterable[Status]) -> Status:
    """Return the status of a run: the worst of its scenarios; `unchecked` if all of them are."""
    found = set(statuses)
    worst: tuple[Status, ...] = ("error", "fail", "pass")
    return next((status for status in worst if status in found), "unchecked")


def to_plain(value: Any) -> Any:
    """Return dataclasses as mappings and tuples as lists; NaN and infinities as strings."""
    if is_dataclass(value):
        return {item.name: to_plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "nan" if value != value else ("inf" if value > 0 else "-inf")
    return value
