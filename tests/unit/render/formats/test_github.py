from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from layerlens.render import render
from layerlens.report.run import ErrorRow, ExpectationRow, ScenarioReport
from layerlens.run.expectations import list_expected
from layerlens.run.report import Report
from layerlens.scenario.reading.scenarios import read_scenarios
from tests.unit.tables.stored_reports import report_of

SCENARIO = """\
title: "Half, or 50%: which?"
input: {shape: [4]}
modes: [inference, training]
models:
  one: [Dense: 3]
  other: [Dense: 3]
  third: [Dense: 3]
expect:
  verdicts:
    other: equivalent
    third: {inference: equivalent,
            training: different}
  models:
    one: {params: 15, layers: {dense: {output_shape: [null, 3]}}}
"""


def failing(report: Report, path: str = "scenarios/a.yaml") -> Report:
    """The report with every verdict expected otherwise."""
    (one,) = report.scenarios
    rows = tuple(
        ExpectationRow(
            f"{pair.reference}=={pair.candidate}[{pair.mode}]", "equivalent", pair.verdict, False
        )
        for pair in one.pairs
    )
    one = replace(one, path=path, expectations=rows, status="fail")
    return replace(report, scenarios=(one,), status="fail")


def scenario(**given: object) -> Report:
    one = ScenarioReport(**{"path": "a.yaml", "title": "A", "cell": None, "status": "error",
                            "seconds": 0.0, **given})  # type: ignore[arg-type]  # fmt: skip
    return replace(report_of("equal"), scenarios=(one,), status="error")


@pytest.fixture
def written(tmp_path: Path) -> str:
    path = tmp_path / "a.yaml"
    path.write_text(SCENARIO)
    return str(path)


def test_what_holds_is_only_counted() -> None:
    assert render(report_of("equal"), "github") == "1 scenario: 1 pass\n"


def test_a_failed_expectation_is_an_error_with_what_shows_it() -> None:
    text = render(failing(report_of("different")), "github")
    error, *_, tally = text.splitlines()
    assert error.startswith("::error file=scenarios/a.yaml,line=1,col=1,title=")
    message = error.split("::", 2)[2].replace("%0A", "\n")
    first, differs, explanation, shown, _, *facts = message.split("\n")
    assert first.endswith(": expected equivalent, received different")
    assert explanation == report_of("different").scenarios[0].pairs[0].explanation
    assert differs == "Differs: `elu` (ELU) in place of `re_lu` (ReLU)."
    assert shown.startswith("On probe `uniform, shrunk`: for input [[-1, 0, 0, 0]], output (0, 0)")
    assert [fact.split(":")[0] for fact in facts] == ["difference", "rounding"]
    assert tally == "1 scenario: 1 fail"


def test_a_refusal_is_told_with_its_remedy() -> None:
    text = render(failing(report_of("build_error")), "github")
    assert "Keras refuses " in text
    assert "%0Ahint: " in text


def test_an_expectation_is_placed_on_its_line(written: str) -> None:
    (read,) = read_scenarios(written)
    places = {one.subject: (one.line, one.column) for one in list_expected(read)}
    assert places == {
        "one==other[inference]": (10, 12),
        "one==other[training]": (10, 12),
        "one==third[inference]": (11, 24),
        "one==third[training]": (12, 23),
        "one.params": (14, 19),
        "one.layers.dense.output_shape": (14, 54),
    }
    row = ExpectationRow("one==third[training]", "different", "equivalent", False, 12, 23)
    text = render(scenario(status="fail", expectations=(row,)), "github")
    assert ",line=12,col=23,title=A::one==third[training]: expected different" in text


def test_a_row_without_a_place_is_on_the_first_line() -> None:
    row = ExpectationRow("one.params", 1, 2, False)
    text = render(scenario(status="fail", expectations=(row,)), "github")
    assert ",line=1,col=1,title=A::one.params" in text


def test_a_fault_is_placed_where_it_is() -> None:
    fault = ErrorRow("unknown key `unit`", "b.yaml", 7, 12, "did you mean `units`?")
    lost = ErrorRow("layerlens itself failed here", None, None, None, None, internal=True)
    assert render(scenario(errors=(fault, lost)), "github").splitlines() == [
        "::error file=b.yaml,line=7,col=12,title=A::unknown key `unit`%0Ahint: did you mean "
        "`units`?",
        "::error file=a.yaml,line=1,col=1,title=A::layerlens itself failed here",
        "1 scenario: 1 error",
    ]


def test_nothing_in_a_report_can_end_a_command_or_begin_one() -> None:
    fault = ErrorRow("100%\r\n::error::no", "a,b:c%.yaml", 1, 1, None)
    text = render(scenario(title="x::y, z", errors=(fault,)), "github")
    assert text.splitlines() == [
        "::error file=a%2Cb%3Ac%25.yaml,line=1,col=1,title=x%3A%3Ay%2C z::"
        "100%25\\x0d%0A::error::no",
        "1 scenario: 1 error",
    ]
    for line in render(report_of("hostile"), "github").splitlines()[:-1]:
        assert line.startswith("::error file=")


def test_a_cell_is_part_of_the_title() -> None:
    row = ExpectationRow("one.params", 1, 2, False)
    text = render(scenario(cell={"units": 8}, status="fail", expectations=(row,)), "github")
    assert "title=A [units=8]::one.params: expected 1, received 2" in text


def test_paths_start_at_the_workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path / "job")
    row = ExpectationRow("one.params", 1, 2, False)
    report = scenario(path="s/a.yaml", status="fail", expectations=(row,))
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    assert "file=s/a.yaml," in render(report, "github")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert "file=job/s/a.yaml," in render(report, "github")
    inside = scenario(path=str(tmp_path / "job" / "a.yaml"), expectations=(row,))
    assert "file=job/a.yaml," in render(inside, "github")
    outside = scenario(path="/elsewhere/a.yaml", expectations=(row,))
    assert "file=/elsewhere/a.yaml," in render(outside, "github")
