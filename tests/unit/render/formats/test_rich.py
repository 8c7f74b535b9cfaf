"""The terminal report: nothing cut, nothing too wide, literal, and what differs is marked."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from layerlens.explain.align_layers import align_with_reference
from layerlens.render import RenderOptions, render
from layerlens.render.wording import walk_layers
from layerlens.report.run import ScenarioReport
from layerlens.run.report import Report
from tests.unit.tables.golden_reports import NAMES, report_of

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def scenario_of(name: str) -> ScenarioReport:
    return report_of(name).scenarios[0]


def terminal(report: Report, width: int = 80, **options: bool) -> str:
    return render(report, "rich", RenderOptions(width=width, **options))


def with_scenario(report: Report, scenario: ScenarioReport) -> Report:
    return replace(report, scenarios=(scenario,))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 61, 67, 72, 80, 93, 100, 121, 140, 200])
def test_no_line_is_wider_than_asked(name, width):
    for verbose in (False, True):
        text = terminal(report_of(name), width, verbose=verbose)
        assert [line for line in text.splitlines() if cell_len(line) > width] == []


def test_some_line_uses_the_width():
    widest = max(cell_len(line) for line in terminal(report_of("equal"), 100).splitlines())
    assert widest == 100


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_number_is_cut(name, width):
    text = terminal(report_of(name), width, verbose=True)
    for scenario in report_of(name).scenarios:
        for model in scenario.models:
            for _, layer in walk_layers(model.layers):
                assert f"{layer.params:,}" in text
                for weight in layer.weights:
                    for size in weight.shape:
                        assert re.search(rf"(?<![\d,]){size:,}(?![\d,])", text)


def test_models_stand_side_by_side_where_they_fit_and_below_one_another_where_not():
    wide = terminal(report_of("three_models"), 100)
    assert re.search(r"^  td \(reference\) +│   dense +│   last$", wide, re.MULTILINE)
    narrow = terminal(report_of("three_models"), 60)
    headings = re.findall(r"^  (td|dense|last)(?: \(reference\))?$", narrow, re.MULTILINE)
    assert headings == ["td", "dense", "last"]


def test_a_count_explains_itself():
    text = terminal(report_of("equal"))
    assert "1,536 = 15×48 + 16×48 + 48" in text
    assert "kernel 16×15, bias 15" in text, "where the models part, each weight is named"


def test_what_a_wrapper_holds_is_shown_beneath_it():
    text = terminal(report_of("equal"), 140)
    assert re.search(r"└ dense \(Dense\) +\(None, 15\) +255", text)


def test_what_differs_is_marked_without_colour():
    text = terminal(report_of("equal"), 140)
    assert re.search(r"│ ≠ dense \(Dense\) ", text)
    assert "≠ differs from td" in text
    assert re.search(r"≠ \(None, 16\)", terminal(report_of("three_models"), 140))
    assert re.search(r"≠ 1,584", terminal(report_of("param_mismatch"), 140))
    assert re.search(r"^ +│ \+ dropout", terminal(report_of("weak"), 80), re.MULTILINE)


def test_what_is_the_same_is_not_marked():
    scenario = scenario_of("equal")
    twin = replace(scenario.models[0], name="dense")
    models = (scenario.models[0], twin)
    same = replace(scenario, models=models, diffs=align_with_reference(models))
    assert "≠" not in terminal(with_scenario(report_of("equal"), same), 140)


def test_a_layer_that_is_missing_is_told():
    scenario = scenario_of("equal")
    shorter = replace(scenario.models[1], layers=scenario.models[1].layers[:-1])
    models = (scenario.models[0], shorter)
    lined_up = replace(scenario, models=models, diffs=align_with_reference(models))
    report = with_scenario(report_of("equal"), lined_up)
    assert "− nothing in place of activation" in terminal(report, 140)


def test_a_shared_layer_is_told_and_counted_once():
    assert "shared: dense again, counted once" in terminal(report_of("summary"), 100)
    assert "shared" not in terminal(report_of("equal"), 100)


def test_the_verdict_with_its_reason():
    text = terminal(report_of("equal"))
    assert "✔ dense against td: EQUIVALENT, certified, as expected\n  The segment" in text
    different = terminal(report_of("different"), 100)
    assert "✘ elu against relu, inference: DIFFERENT, expected equivalent" in different
    assert "✘ relu==elu[inference]: expected equivalent, received different" in different
    assert "first apart at output index (0, 0)" in different
    assert "reference 0\n" in different
    assert "candidate -0.63212055" in different
    assert "input (1, 4) = [[-1, 0, 0, 0]]" in different
    assert "also differs    gradients, non_finite" in different


def test_without_an_expectation_a_pass_is_not_claimed():
    text = terminal(report_of("weak"))
    assert "nothing expected" in text
    assert "✔" not in text


def test_a_refused_model_has_its_reason_and_its_remedy():
    text = terminal(report_of("build_error"), 140)
    assert "│ ✘ time_distributed refused by Keras" in text
    reason = "  Keras refuses last_only at time_distributed\n  TimeDistributed needs"
    assert f"✔ last_only against td: BUILD ERROR, as expected\n{reason}" in text
    assert text.count("remedy: `lstm_1` returns only its last step, shape (None, 128); set") == 1


def test_a_refused_model_that_is_only_summarised():
    scenario = replace(scenario_of("build_error"), pairs=(), expectations=())
    text = terminal(with_scenario(report_of("build_error"), scenario), 140)
    assert "✘ Keras refuses last_only at time_distributed\n  TimeDistributed needs" in text
    assert text.count("remedy: ") == 1


def test_a_reshaped_weight_is_listed_and_one_carried_as_it_is_is_not():
    assert "dense/kernel (8, 4) → conv1d/kernel (1, 8, 4)" in terminal(report_of("weak"), 100)
    short = terminal(report_of("equal"), 100)
    assert "5 carried over, by order" in short
    assert "→ dense/bias" not in short
    assert "time_distributed/dense/bias (15,) → dense/bias (15,)" in terminal(
        report_of("equal"), 100, verbose=True
    )


def test_a_scenario_at_fault():
    text = terminal(report_of("matrix"), 100)
    assert "✘ scenarios/typo.yaml:4:9: unknown layer `Dens`\n  hint: did you mean `Dense`?" in text


def test_the_tally_of_several():
    assert "3 scenarios: 1 pass, 1 fail, 1 error\n" in terminal(report_of("matrix"))
    assert "1 scenario" not in terminal(report_of("equal"))


def test_quiet_shows_what_failed_and_the_tally():
    text = terminal(report_of("matrix"), quiet=True)
    assert "units=16" in text
    assert "units=8" not in text
    assert text.endswith("\n3 scenarios: 1 pass, 1 fail, 1 error\n")
    assert terminal(report_of("equal"), quiet=True) == "1 scenario: 1 pass\n"


def test_hostile_text_is_shown_literally():
    text = terminal(report_of("hostile"), 100)
    assert "<script>alert(1)</script> [red]x[/] | `tick` *b* # second \\x1b[31m" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]" in text


def test_colour_only_where_asked_for_and_never_alone():
    plain = terminal(report_of("different"))
    coloured = render(report_of("different"), "rich", RenderOptions(colour=True))
    assert not ESCAPE.search(plain)
    assert ESCAPE.search(coloured)
    assert ESCAPE.sub("", coloured) == plain


def test_ascii_where_nothing_else_can_be_shown():
    assert not terminal(report_of("equal")).isascii()
    assert terminal(report_of("equal"), ascii=True).isascii()


def test_an_exact_agreement_is_told_in_one_line():
    text = terminal(report_of("weak"), 100)
    assert "difference      none: all 4,096 values agree exactly" in text
    assert "rounding" not in text
    assert "values mismatched" in terminal(report_of("equal"), 100)


def test_a_cell_is_opened_only_where_it_says_something():
    text = terminal(report_of("matrix"), 140)
    assert "└ lstm_cell (LSTMCell)" in text, "in an RNN"
    lstm = scenario_of("matrix").models[0].layers[0]
    assert lstm.type == "LSTM"
    assert lstm.holds
    assert text.count("└ lstm_cell") == 2, "once for each scenario, and not in its LSTM"


def test_nan_and_infinity():
    text = terminal(report_of("different"), 100)
    assert "nan abs, not measured rel: NaN, eager" in text
    assert "max rel inf" in text


def test_training_and_why_it_was_refused():
    text = terminal(report_of("three_models"), 120)
    assert "dense: loss 2.70805 → 2.64115 → 2.59807; trains alike, losses 2.4e-07 apart" in text
    assert "✘ Keras refuses to train last\n  The target has shape (64, 8)" in text


def test_a_large_input_is_told_by_its_entries():
    text = terminal(report_of("several_inputs"), 100)
    assert "input query (1, 12, 8), 96 of 96 not zero:" in text
    assert "and 80 more, all of them in the JSON report" in " ".join(text.split())
    assert "input value (2, 1, 2) = [[[1, nan]], [[0, -inf]]]" in text
    assert "reference 0.1000000001" in text, "as many digits as it takes to tell them apart"


def test_a_mark_does_not_colour_what_stands_behind_it():
    """A line that begins with a coloured sign goes on in the colours of its own parts."""
    text = render(report_of("different"), "rich", RenderOptions(width=100, colour=True))
    (line,) = (line for line in text.splitlines() if "(ELU)" in line)
    assert "\x1b[33m≠ \x1b[0m\x1b[1melu\x1b[0m\x1b[33m (ELU)\x1b[0m" in line
    assert re.search(r"\x1b\[0m +\(None, 4\) +0$", line)


def test_as_many_params_in_other_weights_are_marked_and_so_are_totals():
    text = terminal(report_of("weak"), 140)
    assert re.search(r"│ +≠ 36 = 1×8×4 \+ 4", text)
    assert re.search(r"params +36 +│ +params +≠ 52", text)
    assert re.search(r"params +1,791 +│ +params +1,791", terminal(report_of("equal"), 140))
