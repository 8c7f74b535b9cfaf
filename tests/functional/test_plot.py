"""`layerlens plot` measures and draws; a JSON report is drawn without running anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "tests" / "golden" / "reports" / "steps.json"
BEGINNINGS = {".svg": b"<?xml", ".png": b"\x89PNG\r\n", ".html": b"<!DOCTYPE html>"}
SCENARIO = """\
title: Forwards and both ways
input: {shape: [9, 2]}
models:
  forwards: [{GRU: {units: 3, return_sequences: true}}, {Dense: 2}]
  wrapped:
    - GRU: {units: 3, return_sequences: true}
    - TimeDistributed: {layer: {Dense: {units: 2}}}
"""


@pytest.mark.parametrize("suffix", BEGINNINGS)
def test_a_report_is_drawn_to_each_kind_of_file(run, tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    outcome = run("plot", REPORT, "-o", path)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stderr == f"layerlens: wrote {path}\n"
    assert outcome.stdout == ""
    assert path.read_bytes().startswith(BEGINNINGS[suffix])


def test_a_scenario_and_its_report_give_the_same_picture(run, tmp_path):
    scenario = tmp_path / "ways.yaml"
    scenario.write_text(SCENARIO)
    direct, again, report = (tmp_path / name for name in ("a.svg", "b.svg", "report.json"))
    cache = ("--cache-dir", tmp_path / "cache")
    measured = run("compare", scenario, "--deps", "-f", "json", "-o", report, *cache)
    assert measured.status == 0, measured.stderr
    assert run("plot", scenario, "-o", direct, *cache).status == 0
    assert run("plot", report, "-o", again).status == 0
    assert direct.read_bytes() == again.read_bytes()
    assert b"wrapped, unrolled over time" in direct.read_bytes()
    models = json.loads(report.read_text())["scenarios"][0]["models"]
    (gru, dense) = models["forwards"]["layers"]
    (row,) = gru["steps"]
    assert row["seen"] == ["1" * (n + 1) + "0" * (8 - n) for n in range(9)]
    assert (row["source"], row["source_layer"], row["inputs"]) == ("input", None, 9)
    (row,) = dense["steps"]
    assert row["seen"] == ["0" * n + "1" + "0" * (8 - n) for n in range(9)]
    assert row["source_layer"] == 0


def test_without_a_file_small_maps_are_printed(run):
    outcome = run("plot", REPORT)
    assert outcome.status == 0
    assert "both_ways: all, all steps seen" in outcome.stdout
    assert "●" in outcome.stdout
    plain = run("plot", REPORT, env={"PYTHONIOENCODING": "ascii"})
    assert plain.stdout.isascii()
    assert "   1  #  #  -" in plain.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "x.gif",
            "ends in '.gif'; the name of a picture has to end in .svg, .png or .html",
        ),
        ("x", "has no suffix; the name of a picture has to end in"),
        ("missing/x.svg", "there is no folder"),
        (".", "has no suffix"),
    ],
)
def test_an_invalid_output_is_refused_before_the_run(run, tmp_path, name, told):
    outcome = run("plot", ROOT / "scenarios" / "dense_vs_td.yaml", "-o", tmp_path / name)
    assert outcome.status == 2
    assert told in outcome.stderr
    assert outcome.peak_kib < 200_000, "TensorFlow was not started"


def test_no_file_is_written_without_anything_to_draw(run, tmp_path):
    path = tmp_path / "x.svg"
    path.write_text("what was there")
    report = REPORT.with_name("equal.json")
    outcome = run("plot", report, "-o", path)
    assert outcome.status == 2
    assert f"{report}: there is nothing to draw: no model has steps" in outcome.stderr
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_a_scenario_with_faults_is_reported_and_not_drawn(run, tmp_path):
    scenario, path = tmp_path / "wrong.yaml", tmp_path / "x.svg"
    scenario.write_text("input: {shape: [4]}\nmodels: {a: [Dense: 2], b: [Dens: 2]}\n")
    outcome = run("plot", scenario, "-o", path)
    assert outcome.status == 2
    assert "wrong.yaml:2" in outcome.stderr
    assert not path.exists()
