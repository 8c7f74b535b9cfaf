"""Pictures are planned from the report alone, drawn the same each time, and say what they show."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from layerlens.errors import UsageError
from layerlens.render.options import RenderOptions
from layerlens.render.picture_file import picture_file, picture_text
from layerlens.render.pictures import Picture, pictures_of
from layerlens.render.pictures.drawing.figures import inline_svgs
from layerlens.report.from_json import report_from_dict
from layerlens.report.maps import StepMapRow
from layerlens.report.pairs import ProbeRow
from layerlens.report.run import ScenarioReport
from layerlens.report.training import FitRow
from layerlens.run.report import Report
from tests.unit.tables.paths import REPORTS

FOLDER = REPORTS
SVG = "{http://www.w3.org/2000/svg}"


def report_of(name: str) -> Report:
    return report_from_dict(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of("steps")


@pytest.fixture(scope="module")
def scenario(report: Report) -> ScenarioReport:
    return report.scenarios[0]


def drawn(picture: Picture) -> str:
    (svg,) = inline_svgs([picture])
    return svg


def changed(scenario: ScenarioReport, model: int, **fields: object) -> ScenarioReport:
    models = list(scenario.models)
    models[model] = replace(models[model], **fields)
    return replace(scenario, models=tuple(models))


def lines_in(svg: str) -> int:
    """How many dependences are drawn: each is a curve of its own in a path."""
    return sum(path.count("Q") for path in re.findall(r' d="([^"]*)"', svg))


def test_the_reference_comes_first_then_pairs_then_training(scenario: ScenarioReport) -> None:
    assert [picture.kind for picture in pictures_of(scenario)] == [
        "unrolled",
        "unrolled",
        "unrolled",
        "heat",
        "probes",
        "losses",
    ]
    assert pictures_of(scenario)[0].title == "forwards, unrolled over time"


def test_what_was_not_measured_is_not_drawn() -> None:
    scenario = report_of("equal").scenarios[0]
    assert pictures_of(scenario) == ()


def test_a_line_is_drawn_for_each_dependence_and_for_no_other(scenario: ScenarioReport) -> None:
    forwards = scenario.models[0]
    seen = sum(row.count("1") for layer in forwards.layers for m in layer.steps for row in m.seen)
    assert lines_in(drawn(pictures_of(scenario)[0])) == seen > 0
    gru, dense = forwards.layers
    (measured,) = gru.steps
    less = replace(measured, seen=tuple("0" * len(row) for row in measured.seen))
    without = changed(scenario, 0, layers=(replace(gru, steps=(less,)), dense))
    left = sum(row.count("1") for m in dense.steps for row in m.seen)
    assert lines_in(drawn(pictures_of(without)[0])) == left < seen


def test_a_long_sequence_is_shortened_and_says_so(scenario: ScenarioReport) -> None:
    picture = pictures_of(scenario)[0]
    assert "Drawn shortened: the first 6 and last 4 of 16 steps" in picture.caption
    assert "step, shortened from 16" in drawn(picture)


def test_an_open_length_is_told(scenario: ScenarioReport) -> None:
    open_ended = changed(scenario, 0, input_shape=(None, None, 3))
    assert "measured at 16 steps" in pictures_of(open_ended)[0].caption
    assert "measured at" not in pictures_of(scenario)[0].caption


def test_shapes_and_params_stand_beside(scenario: ScenarioReport) -> None:
    svg = drawn(pictures_of(scenario)[0])
    for words in ("gru", "GRU (None, 16, 4)", "108 params", "earlier steps seen", "dense"):
        assert f">{words}</text>" in svg


def test_a_model_too_deep_is_drawn_as_a_whole(scenario: ScenarioReport) -> None:
    (gru, dense) = scenario.models[0].layers
    deep = changed(scenario, 0, layers=(gru, *[dense] * 60))
    picture = pictures_of(deep)[0]
    assert "Its layers (61) are not drawn one by one" in picture.caption
    assert picture.height < 3


def test_layers_measured_at_lengths_that_do_not_go_together_are_not_joined(
    scenario: ScenarioReport,
) -> None:
    gru, dense = scenario.models[0].layers
    (row,) = dense.steps
    shorter = replace(row, inputs=14)
    picture = pictures_of(changed(scenario, 0, layers=(gru, replace(dense, steps=(shorter,)))))[0]
    assert "are not drawn one by one" in picture.caption


def branches() -> tuple[StepMapRow, StepMapRow, StepMapRow]:
    whole = {"output": 0, "inputs": 3, "outputs": 3, "input_steps": (0, 1, 2)}
    rest = {"output_steps": (0, 1, 2), "beyond": (False,) * 3}
    alone = ("100", "010", "001")
    first = StepMapRow(source="input", source_layer=None, seen=alone, **whole, **rest)
    through = replace(first, source="gru", source_layer=0)
    return first, through, replace(first, seen=("111",) * 3)


def test_a_branch_that_passes_a_layer_by_is_drawn_from_where_it_comes(
    scenario: ScenarioReport,
) -> None:
    first, through, around = branches()
    gru, dense = scenario.models[0].layers
    merged = changed(
        scenario,
        0,
        steps=(first,),
        layers=(replace(gru, steps=(first,)), replace(dense, steps=(through, around))),
    )
    assert lines_in(drawn(pictures_of(merged)[0])) == 3 + 3 + 9


def test_the_map_of_differences_says_where_the_greatest_is(scenario: ScenarioReport) -> None:
    heat = next(p for p in pictures_of(scenario) if p.kind == "heat")
    cells = scenario.pairs[1].differences.cells
    step, feature = max(
        ((r, c) for r in range(len(cells)) for c in range(len(cells[0]))),
        key=lambda at: cells[at[0]][at[1]],
    )
    assert f"at step {step}, feature {feature}." in heat.caption
    assert heat.pair is scenario.pairs[1]
    assert "data:image/png;base64," in drawn(heat)


def probes(*rows: ProbeRow, scenario: ScenarioReport) -> Picture | None:
    pair = replace(scenario.pairs[1], probes=rows, differences=None)
    found = pictures_of(replace(scenario, pairs=(pair,), models=(), fit=()))
    return found[0] if found else None


def test_probes_stand_against_what_rounding_explains(scenario: ScenarioReport) -> None:
    within = ProbeRow("normal", "eager", 1e-8, 0.1, 1e-6, 1e-17)
    beyond = ProbeRow("large <b>", "eager", 2.0, 0.1, 1e-6, 2.0)
    odd = ProbeRow("NaN", "eager", float("inf"), None, 1e-6, None)
    equal = ProbeRow("zeros", "eager", 0.0, 0.0, 1e-7, 0.0)
    calm = probes(within, equal, scenario=scenario)
    assert "all differences stay within what rounding explains" in calm.caption
    wild = probes(within, beyond, odd, equal, scenario=scenario)
    assert "2 of them differ by more than rounding explains" in wild.caption
    svg = drawn(wild)
    names = [t for t in re.findall(r">([^<>]+)</text>", svg) if t in ("normal", "zeros", "NaN")]
    assert names == ["NaN", "normal", "zeros"], "the greatest first"
    assert "∞ or NaN" in svg
    assert ">equal</text>" in svg
    assert "large &lt;b&gt;" in svg


def test_probes_that_all_agree_have_no_picture(scenario: ScenarioReport) -> None:
    assert probes(ProbeRow("zeros", "eager", 0.0, 0.0, 1e-7, 0.0), scenario=scenario) is None
    assert probes(ProbeRow("old", "eager", 1.0, 0.0), scenario=scenario) is None, "not measured"


def test_words_are_equal_or_infinitely_far_apart(scenario: ScenarioReport) -> None:
    inf = float("inf")
    svg = drawn(probes(ProbeRow("words", "eager", inf, inf, 0.0, inf), scenario=scenario))
    assert "∞ or NaN" in svg
    heat = replace(scenario.pairs[1].differences, cells=((inf, 0.0), (inf, inf)))
    pair = replace(scenario.pairs[1], probes=(), differences=heat)
    (picture,) = pictures_of(replace(scenario, models=(), pairs=(pair,), fit=()))
    assert "is inf, at step" in picture.caption
    assert drawn(picture)


def test_losses_of_one_epoch_and_of_a_refused_model(scenario: ScenarioReport) -> None:
    rows = (FitRow("one", (2.0,), None, None, None), FitRow("refused", (), None, None, None))
    (picture,) = pictures_of(replace(scenario, models=(), pairs=(), fit=rows))
    assert picture.caption == "Loss over 1 epoch, from the same weights and data: one 2 to 2."
    assert "refused" not in drawn(picture)


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html"])
def test_a_file_is_the_same_each_time_and_tells_no_date(report: Report, suffix: str) -> None:
    first, again = (picture_file(report, suffix, "steps.yaml") for _ in range(2))
    assert first == again
    assert not re.search(rb"<dc:|<rdf:|Software|20[2-9]\d-\d\d-\d\d", first)


def test_the_svg_file_is_sound_and_holds_every_picture(report: Report) -> None:
    tree = ElementTree.fromstring(picture_file(report, ".svg", "steps.yaml"))
    texts = {text.text for text in tree.iter(f"{SVG}text")}
    assert {"Which step sees which", "forwards, unrolled over time", "loss while training"} <= texts


def test_on_a_page_every_id_is_there_once(report: Report) -> None:
    page = picture_file(report, ".html", "steps.yaml").decode()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:url\(#|href="#)([^")]+)', page):
        assert reference in ids


def test_a_picture_takes_the_colours_of_the_page(scenario: ScenarioReport) -> None:
    svg = "".join(inline_svgs(pictures_of(scenario)))
    assert "var(--accent)" in svg
    assert not re.search(r"#[0-9a-f]{6}\b", re.sub(r"base64,[^\"]*|#[mp][0-9a-f]{10}", "", svg))


def test_names_are_text_and_never_formulas_or_markup(scenario: ScenarioReport) -> None:
    name = "$\\frac{<script>}$ 日本語 \x1b[31m"
    hostile = changed(scenario, 0, layers=(), name=name, steps=scenario.models[0].steps)
    svg = drawn(pictures_of(hostile)[0])
    assert "<script>" not in svg
    assert "$\\frac{&lt;script&gt;}$" in svg
    assert "日本語" in svg
    assert "\x1b" not in svg
    assert picture_file(Report("0", report_of("equal").environment, "pass", (hostile,)), ".png", "")


def test_nothing_to_draw_is_said(report: Report) -> None:
    with pytest.raises(UsageError, match=r"x\.yaml: there is nothing to draw: no model has steps"):
        picture_file(report_of("equal"), ".svg", "x.yaml")


def test_many_scenarios_go_on_a_page_and_not_on_a_sheet(report: Report) -> None:
    many = replace(report, scenarios=report.scenarios * 9)
    with pytest.raises(UsageError, match="9 scenarios have pictures") as told:
        picture_file(many, ".svg", "folder")
    assert ".html" in told.value.hint


def test_small_maps_in_a_terminal(report: Report) -> None:
    plain = picture_text(report, RenderOptions())
    assert "forwards, wrapped: causal," in plain
    assert "   1  ●  ●  ·  ·" in plain
    assert "Shortened: of 16 steps" in plain
    assert max(map(len, plain.splitlines())) <= 80
    ascii_only = picture_text(report, RenderOptions(ascii=True))
    assert ascii_only.isascii()
    assert "   1  #  #  -  -" in ascii_only
    assert "\x1b[" in picture_text(report, RenderOptions(colour=True))
    assert "No map of steps was measured" in picture_text(report_of("equal"), RenderOptions())


def test_rendering_loads_what_draws_only_where_there_is_something_to_draw() -> None:
    code = (
        "import sys, json\n"
        "from layerlens.report.from_json import read_report\n"
        "from layerlens.render import render\n"
        f"render(read_report({str(FOLDER / 'equal.json')!r}), 'html')\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"render(read_report({str(FOLDER / 'steps.json')!r}), 'html')\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
        "assert not {'keras', 'tensorflow', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
