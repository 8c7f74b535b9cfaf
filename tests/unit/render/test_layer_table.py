"""Layer tables of several models in a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from layerlens.explain.align_layers import align_with_reference
from layerlens.render import RenderOptions, render
from layerlens.render.wording import walk_layers
from tests.unit.tables.stored_reports import (
    NAMES,
    report_of,
    scenario_of,
    terminal,
    with_scenario,
)


def in_full(report, width=80):
    return terminal(report, width, verbose=True)


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
    wide = in_full(report_of("three_models"), 100)
    assert re.search(r"^  td \(reference\) +│   dense +│   last$", wide, re.MULTILINE)
    narrow = in_full(report_of("three_models"), 60)
    headings = re.findall(r"^  (td|dense|last)(?: \(reference\))?$", narrow, re.MULTILINE)
    assert headings == ["td", "dense", "last"]


@pytest.mark.parametrize(("width", "sizes"), [(60, False), (80, True)])
def test_sizes_are_in_larger_units_too_where_they_fit(width, sizes):
    scenario = scenario_of("equal")
    models = [replace(model, bytes_by_dtype={"float32": 7164}) for model in scenario.models]
    changed = with_scenario(report_of("equal"), replace(scenario, models=tuple(models)))
    text = terminal(changed, width, verbose=True)
    assert ("7,164 (7.2 KB)" in text) == sizes
    assert text.count("7,164") == len(models)
    assert all(len(line) <= width for line in text.splitlines())


def test_a_count_explains_itself():
    text = in_full(report_of("equal"))
    assert "1,536 = 15×48 + 16×48 + 48" in text
    assert "kernel 16×15, bias 15" in text, "where the models part, each weight is named"


def test_what_a_wrapper_holds_is_shown_beneath_it():
    text = in_full(report_of("equal"), 140)
    assert re.search(r"└ dense \(Dense\) +\(None, 15\) +255", text)


def test_what_differs_is_marked_without_colour():
    text = in_full(report_of("equal"), 140)
    assert re.search(r"│ ≠ dense \(Dense\) ", text)
    assert "≠ differs from td" in text
    assert re.search(r"≠ \(None, 16\)", in_full(report_of("three_models"), 140))
    assert re.search(r"≠ 1,584", in_full(report_of("param_mismatch"), 140))
    assert re.search(r"^ +│ \+ dropout", in_full(report_of("weak"), 80), re.MULTILINE)


def test_what_is_the_same_is_not_marked():
    scenario = scenario_of("equal")
    twin = replace(scenario.models[0], name="dense")
    models = (scenario.models[0], twin)
    same = replace(scenario, models=models, diffs=align_with_reference(models))
    assert "≠" not in in_full(with_scenario(report_of("equal"), same), 140)


def test_a_layer_that_is_missing_is_told():
    scenario = scenario_of("equal")
    shorter = replace(scenario.models[1], layers=scenario.models[1].layers[:-1])
    models = (scenario.models[0], shorter)
    lined_up = replace(scenario, models=models, diffs=align_with_reference(models))
    report = with_scenario(report_of("equal"), lined_up)
    assert "− nothing in place of activation" in in_full(report, 140)


def test_a_shared_layer_is_told_and_counted_once():
    assert "shared: dense again, counted once" in in_full(report_of("summary"), 100)
    assert "shared" not in in_full(report_of("equal"), 100)


def test_a_cell_is_opened_only_where_it_says_something():
    text = in_full(report_of("matrix"), 140)
    assert "└ lstm_cell (LSTMCell)" in text, "in an RNN"
    lstm = scenario_of("matrix").models[0].layers[0]
    assert lstm.type == "LSTM"
    assert lstm.holds
    assert text.count("└ lstm_cell") == 2, "once for each scenario, and not in its LSTM"


def test_a_mark_does_not_colour_what_stands_behind_it():
    """A line that begins with a coloured sign goes on in the colours of its own parts."""
    options = RenderOptions(width=100, colour=True, verbose=True)
    text = render(report_of("different"), "rich", options)
    (line,) = (line for line in text.splitlines() if "│" in line and "(ELU)" in line)
    assert "\x1b[33m≠ \x1b[0m\x1b[1melu\x1b[0m\x1b[33m (ELU)\x1b[0m" in line
    assert re.search(r"\x1b\[0m +\(None, 4\) +0$", line)


def test_as_many_params_in_other_weights_are_marked_and_so_are_totals():
    text = in_full(report_of("weak"), 140)
    assert re.search(r"│ +≠ 36 = 1×8×4 \+ 4", text)
    assert re.search(r"params +36 +│ +params +≠ 52", text)
    assert re.search(r"params +1,791 +│ +params +1,791", in_full(report_of("equal"), 140))
