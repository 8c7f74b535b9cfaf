"""The failure texts of expectations and of scenarios that cannot run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from layerlens.report.run import ErrorRow, ScenarioReport
from layerlens.testing.failures import FailureText, expectation_failure, scenario_error
from layerlens.testing.settings import Settings
from layerlens.testing.summary_line import summaries
from tests.unit.tables.stored_reports import report_of
from tests.unit.testing.configs import Config


def failed() -> ScenarioReport:
    (scenario,) = report_of("different").scenarios
    return scenario


def text_of(scenario: ScenarioReport, config: Any = None, reason: str | None = None) -> FailureText:
    row = next(row for row in scenario.expectations if not row.held)
    return expectation_failure(config or Config(), scenario, row, 12, reason).failure_text


def test_an_expectation_that_does_not_hold() -> None:
    scenario = failed()
    text = text_of(scenario)
    assert (text.reprcrash.path, text.reprcrash.lineno) == (scenario.path, 12)
    row = next(row for row in scenario.expectations if not row.held)
    assert text.reprcrash.message in summaries(scenario, row)
    assert f"reproduce it: layerlens compare {scenario.path}" in text.plain
    assert "\x1b" not in text.plain
    assert "\x1b" in text.coloured


def test_the_command_has_the_settings_that_change_results() -> None:
    settings = Settings((), (), 7, allow_code=True, tolerance=(1e-5, 1e-8), update=False)
    lines = " ".join(text_of(failed(), Config(settings=settings)).plain.split())
    assert "--seed 7 --allow-code" in lines
    assert "(here the tolerance is rtol 1e-05, atol 1e-08, from layerlens_tolerance)" in lines


def test_the_reason_why_an_expectation_was_not_updated_is_shown() -> None:
    assert (
        "not updated: the file changed"
        in text_of(failed(), reason="not updated: the file changed").plain
    )


def test_the_whole_report_is_shown_on_request() -> None:
    config = Config(verbosity=2)
    usual, whole, again = (text_of(failed(), one).plain for one in (Config(), config, config))
    assert len(whole.splitlines()) > len(usual.splitlines())
    assert whole.count("DIFFERENT") == 1
    # The next test of the scenario does not repeat the whole report.
    assert "layerlens 0" in whole
    assert "layerlens 0" not in again
    assert again.count("DIFFERENT") == 1


def test_a_scenario_that_cannot_run() -> None:
    hint = "add --allow-code"
    error = ErrorRow("its code may not run\nbecause", "gru.yaml", 3, 5, hint)
    text = scenario_error(Config(), replace(failed(), errors=(error,))).failure_text
    assert str(text.reprcrash) == "gru.yaml:3: its code may not run"
    assert "`layerlens_allow_code = true` in its configuration to allow it" in text.plain
    other = replace(error, hint=None)
    assert "layerlens_allow_code" not in (
        scenario_error(Config(), replace(failed(), errors=(other,))).failure_text.plain
    )


def test_a_text_is_the_same_after_it_was_sent() -> None:
    text = text_of(failed())
    assert FailureText.from_layerlens_data(text.as_layerlens_data()) == text
