"""The probes of a pair against rounding."""

from __future__ import annotations

import re
from dataclasses import replace

from layerlens.render.pictures import Picture, pictures_of
from layerlens.report.pairs import ProbeRow
from layerlens.report.run import ScenarioReport
from tests.unit.tables.drawings import drawn


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
