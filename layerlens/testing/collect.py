"""Collect scenario files as pytest tests, one for each expectation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from layerlens.errors import Fault, LayerlensError
from layerlens.plain.printable import clean
from layerlens.render.case_names import case_name, unique_name
from layerlens.render.wording import subject_of
from layerlens.report.pairs import PairReport
from layerlens.report.run import ExpectationRow, ScenarioReport
from layerlens.run.cache.folder import cache_folder
from layerlens.run.cache.results import ResultCache
from layerlens.run.expectations import Expected, list_expected, pairs_without_expectation
from layerlens.run.pipeline import compare_scenario
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.expectations import is_graded
from layerlens.scenario.reading.scenarios import read_scenarios
from layerlens.scenario.spec import Scenario, Tolerance
from layerlens.testing.settings import SETTINGS
from layerlens.testing.update_expect import (
    UNDECIDED,
    ExpectationFile,
    NotUpdated,
    as_written,
    common_value,
    has_empty_expect,
    joint_verdict,
    measured_expectations,
    weakest,
)

#: The reports of this process by file and index of the scenario. They outlive a `ScenarioFile`,
#: of which pytest makes one for each argument.
_REPORTS = pytest.StashKey[dict[tuple[Path, int], ScenarioReport]]()
#: How many expectations were written to each file.
UPDATED = pytest.StashKey[dict[str, int]]()


class ScenarioFile(pytest.File):
    """A scenario file; each scenario is run once, when a test first needs it."""

    scenarios: tuple[Scenario, ...] = ()
    _target: ExpectationFile | None = None

    def collect(self) -> Iterator[pytest.Item]:
        try:
            self.scenarios = read_scenarios(self.path)
        except LayerlensError as error:
            shown = self._shown_path()
            faults = [str(_relocate(fault, str(self.path), shown)) for fault in error.faults]
            raise self.CollectError(clean("\n".join(faults))) from None
        if any(scenario.expect is not None for scenario in self.scenarios):
            yield from self._expectations()
        elif self.config.stash[SETTINGS].update and has_empty_expect(self.path):
            yield EmptyExpect.from_parent(self, name="expect")
        elif self.config.stash[SETTINGS].strict:
            yield NothingExpected.from_parent(self, name="expect")

    def _expectations(self) -> Iterator[pytest.Item]:
        taken: set[str] = set()
        for index, scenario in enumerate(self.scenarios):
            judged = list_expected(scenario)
            if self.config.stash[SETTINGS].strict:
                judged += pairs_without_expectation(scenario)
            for expected in judged:
                yield Expectation.from_parent(
                    self,
                    name=unique_name(taken, case_name(expected.subject, scenario.cell)),
                    index=index,
                    expected=expected,
                    line=expected.line or 1,
                )

    def report(self, index: int) -> ScenarioReport:
        """Return the report of a scenario of the file, run it at the first call."""
        reports = self.config.stash.setdefault(_REPORTS, {})
        key = self.path, index
        if key not in reports:
            reports[key] = self._run(self.scenarios[index])
        return reports[key]

    def reports(self) -> list[ScenarioReport]:
        return [self.report(index) for index in range(len(self.scenarios))]

    @property
    def target(self) -> ExpectationFile:
        """The file to update, read at the first use."""
        if self._target is None:
            self._target = ExpectationFile(self.path)
        return self._target

    def count_updates(self, number: int) -> None:
        """Add a number of written expectations to the summary of the session."""
        if not number:
            return
        counts = self.config.stash.setdefault(UPDATED, {})
        shown = self._shown_path()
        counts[shown] = counts.get(shown, 0) + number

    def _run(self, scenario: Scenario) -> ScenarioReport:
        settings = self.config.stash[SETTINGS]
        if scenario.tolerance is None and settings.tolerance is not None:
            scenario = replace(scenario, tolerance=Tolerance(*settings.tolerance))
        options = RunOptions(
            seed=settings.seed, allow_code=settings.allow_code, strict=settings.strict
        )
        with self._cache(options) as cache:
            report = compare_scenario(scenario, options, cache)
        shown, full = self._shown_path(), str(self.path)
        errors = [
            replace(row, file=shown if row.file == full else row.file) for row in report.errors
        ]
        return replace(report, path=shown, errors=tuple(errors))

    def _cache(self, options: RunOptions) -> AbstractContextManager[ResultCache | None]:
        folder = cache_folder() if self.config.stash[SETTINGS].cache else None
        if folder is None:
            return nullcontext()
        return closing(ResultCache(folder, options, "compare", self._warn))

    def _warn(self, text: str) -> None:
        self.warn(_CacheWarning(clean(text)))

    def _shown_path(self) -> str:
        """Return the path relative to the folder in which pytest was started, if inside it."""
        try:
            shown = os.path.relpath(self.path, self.config.invocation_params.dir)
        except ValueError:  # on another drive
            return str(self.path)
        return str(self.path) if shown.startswith("..") else shown


class _CacheWarning(pytest.PytestWarning):
    """The cache cannot be used; scenarios are run."""


class ScenarioItem(pytest.Item):
    """A test of a scenario file."""

    def __init__(self, *, name: str, parent: ScenarioFile, line: int = 1, **given: Any) -> None:
        # Given, since pytest 9.2 drops the brackets of a name from the id that it makes, and then
        # does not find the id that `--lf` saved.
        super().__init__(name=name, parent=parent, nodeid=f"{parent.nodeid}::{name}", **given)
        self.line = line
        self.add_marker("layerlens")
        if self.config.pluginmanager.hasplugin("xdist"):
            # With `--dist loadgroup` the tests of a file share a process, and so its reports.
            self.add_marker(pytest.mark.xdist_group(self.file.nodeid))

    @property
    def file(self) -> ScenarioFile:
        return cast(ScenarioFile, self.parent)

    def reportinfo(self) -> tuple[Path, int, str]:
        # The heading of a failure. In the name alone pytest would replace dots by `::`.
        return self.path, self.line - 1, f"{self.path.name}: {self.name}"

    def _stop_at_errors(self, report: ScenarioReport) -> None:
        from layerlens.testing.failures import scenario_error

        if report.errors:
            raise scenario_error(self.config, report)


class Expectation(ScenarioItem):
    """A test of one expectation of a scenario."""

    def __init__(self, *, index: int, expected: Expected, **given: Any) -> None:
        super().__init__(**given)
        self.index = index
        self.expected = expected

    def setup(self) -> None:
        # In `setup`, since a scenario that cannot run is an error and not a failure.
        self._stop_at_errors(self.file.report(self.index))

    def runtest(self) -> None:
        from layerlens.testing.failures import expectation_failure

        report = self.file.report(self.index)
        row = _row(report, self.expected.subject)
        if row is None or row.held:  # a pair of which only a decision is expected has no row
            return
        reason = None
        if self.config.stash[SETTINGS].update:
            try:
                self.file.count_updates(self._update())
                return
            except NotUpdated as error:
                reason = f"not updated: {error}"
        raise expectation_failure(self.config, report, row, self.line, reason, node_id=self.nodeid)

    def _update(self) -> int:
        """Write the measured value; return how many expectations changed."""
        kind, *_, figure = self.expected.keys
        if self.expected.value is None:
            raise NotUpdated("`expect:` says nothing about it; write it by hand")
        if figure == "error":
            raise NotUpdated("`error` is text to search for, not a measurement; write it by hand")
        if any(report.errors for report in self.file.reports()):
            raise NotUpdated("another cell of the matrix could not be run")
        if kind == "verdicts":
            return self._update_verdict()
        value = self._actual(self.expected.subject)
        if not isinstance(value, (int, list)):
            raise NotUpdated(f"nothing was measured: {value or 'the model did not build'}")
        return int(self.file.target.put(self.expected.keys, value))

    def _update_verdict(self) -> int:
        """Write a verdict, or one for each mode where a single verdict for all is not right."""
        _, candidate, _ = self.expected.keys
        subjects = {
            expected.keys[2]: expected.subject
            for expected in list_expected(self.file.scenarios[self.index])
            if expected.keys[:2] == self.expected.keys[:2]
        }
        target = self.file.target
        before = target.value(("verdicts", candidate))
        if isinstance(before, Mapping) and not is_graded(before):
            old = before.get(self.expected.keys[2])
            return int(target.update(self.expected.keys, self._decided(self.expected.subject, old)))
        verdicts = {mode: self._decided(subject, before) for mode, subject in subjects.items()}
        return int(target.update(("verdicts", candidate), joint_verdict(verdicts)))

    def _decided(self, subject: str, before: Any) -> Any:
        """Return the measured verdict, with its strength if `before` has one."""
        pairs = [_pair(report, subject) for report in self.file.reports()]
        verdict = common_value([pair.verdict for pair in pairs])
        if verdict == UNDECIDED:
            raise NotUpdated("the evidence does not decide; write it by hand if that is expected")
        strength = weakest([pair.strength for pair in pairs if pair.strength is not None])
        if strength == "weak" and self.config.stash[SETTINGS].strict:
            raise NotUpdated("a weak pass counts as a failure here (layerlens_strict)")
        return as_written(before, verdict, strength)

    def _actual(self, subject: str) -> Any:
        """Return the actual value in every cell of the matrix."""
        rows = [_row(report, subject) for report in self.file.reports()]
        return common_value([row.actual for row in rows if row is not None])


class EmptyExpect(ScenarioItem):
    """A test that fills an empty `expect:` with measured values."""

    def setup(self) -> None:
        for report in self.file.reports():
            self._stop_at_errors(report)

    def runtest(self) -> None:
        measured = measured_expectations(self.file.reports())
        try:
            self.file.count_updates(int(self.file.target.fill(measured)))
        except NotUpdated as error:
            pytest.fail(clean(f"`expect:` was not filled in: {error}"), pytrace=False)


class NothingExpected(ScenarioItem):
    """A failing test of a file that expects nothing, where that is not allowed."""

    def runtest(self) -> None:
        hint = "write `expect:` or fill it in with --layerlens-update"
        pytest.fail(f"the scenario expects nothing (layerlens_strict); {hint}", pytrace=False)


def _row(report: ScenarioReport, subject: str) -> ExpectationRow | None:
    return next((row for row in report.expectations if row.subject == subject), None)


def _pair(report: ScenarioReport, subject: str) -> PairReport:
    return next(pair for pair in report.pairs if subject_of(pair) == subject)


def _relocate(fault: Fault, before: str, after: str) -> Fault:
    if fault.where is None or fault.where.file != before:
        return fault
    return replace(fault, where=replace(fault.where, file=after))
