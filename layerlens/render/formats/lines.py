"""The format `lines`: one line for each pair, for logs.

`path::reference==candidate[mode] equivalent (certified)`; what failed has `FAILED` and what was
expected behind it, a pair of which nothing is expected `unchecked`. A summary, which has no pairs,
has one line for each model.
"""

from __future__ import annotations

from collections.abc import Iterator

from layerlens.render import wording
from layerlens.render.case_names import case_name
from layerlens.render.options import RenderOptions
from layerlens.report.pairs import PairReport
from layerlens.report.run import RunRecord, ScenarioReport, coded


def render(report: RunRecord, options: RenderOptions) -> str:
    """Return the lines; with `options.quiet` only those of failures and faults."""
    if not report.scenarios:
        return f"{wording.tally(report)}\n"
    return "".join(
        f"{wording.one_line(line)}\n"
        for scenario in report.scenarios
        if not (options.quiet and wording.is_quiet(scenario))
        for line in _scenario(scenario, quiet=options.quiet)
    )


def _scenario(scenario: ScenarioReport, *, quiet: bool) -> Iterator[str]:
    for error in scenario.errors:
        place = wording.location(error) or scenario.path
        yield f"{place}: ERROR {coded(error)}"
    subjects = set()
    for pair in scenario.pairs:
        row = wording.expectation_of(scenario, pair)
        subjects.add(wording.subject_of(pair))
        failed = row is not None and not row.held
        if quiet and not failed:
            continue
        expected = " unchecked" if row is None else ""
        if row is not None and failed:
            expected = f" FAILED, expected {row.expected}"
        yield f"{_place(scenario, wording.subject_of(pair))} {_verdict(pair)}{expected}"
    for row in scenario.expectations:
        if row.subject not in subjects and not row.held:
            expected, actual = wording.value_text(row.expected), wording.value_text(row.actual)
            yield f"{_place(scenario, row.subject)} {actual} FAILED, expected {expected}"
    if not scenario.pairs and not quiet:
        for model in scenario.models:
            yield f"{_place(scenario, model.name)} {_size(model.params)}"


def _place(scenario: ScenarioReport, subject: str) -> str:
    return f"{scenario.path}::{case_name(subject, scenario.cell)}"


def _verdict(pair: PairReport) -> str:
    words = f"{pair.verdict} ({pair.strength})" if pair.strength else pair.verdict
    return words + wording.weights_note(pair)


def _size(params: int | None) -> str:
    return "build_error" if params is None else wording.plural(params, "param")
