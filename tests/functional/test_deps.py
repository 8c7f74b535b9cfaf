"""`--deps` measures which output step depends on which input step."""

from __future__ import annotations

import json

import pytest

SCENARIO = """\
title: Who sees what
input: {shape: [12, 4]}
models:
  forwards:
    - GRU: {units: 3, return_sequences: true}
    - TimeDistributed: {layer: {Dense: {units: 2}}}
  both_ways:
    - Bidirectional: {layer: {GRU: {units: 3, return_sequences: true}}, merge_mode: sum}
    - Conv1D: {filters: 2, kernel_size: 3, padding: same}
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    path = tmp_path_factory.mktemp("deps") / "who.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture(scope="module")
def measured(run, scenario):
    outcome = run("summary", scenario, "--deps", "--format", "json")
    assert outcome.status == 0, outcome.stderr
    return outcome


def test_every_layer_and_model_has_its_kind_of_dependence(measured):
    models = measured.json()["scenarios"][0]["models"]
    assert {name: model["mixes"] for name, model in models.items()} == {
        "forwards": "causal",
        "both_ways": "all",
    }
    rows = [
        (layer["type"], layer["mixes"], layer["window"])
        for model in models.values()
        for layer in model["layers"]
    ]
    assert rows == [
        ("GRU", "causal", None),
        ("TimeDistributed", "none", None),
        ("Bidirectional", "all", None),
        ("Conv1D", "window", [3, 1]),
    ]
    (_, wrapper) = models["forwards"]["layers"]
    assert [held["mixes"] for held in wrapper["holds"]] == [None]


@pytest.mark.nightly
def test_without_the_option_nothing_is_measured(run, scenario):
    models = run("summary", scenario, "--format", "json").json()["scenarios"][0]["models"]
    assert {model["mixes"] for model in models.values()} == {None}
    assert {row["mixes"] for model in models.values() for row in model["layers"]} == {None}


def test_the_dependence_is_shown_and_kept_in_the_report(run, measured, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(measured.json()))
    shown = run("render", path).stdout
    assert "forwards: mixes: causal, earlier steps seen" in shown
    assert "both_ways: mixes: all, all steps seen" in shown
    assert "mixes: window, 3 steps seen" in shown
    again = run("render", path, "--format", "json")
    assert again.json() == measured.json()


def test_compare_shows_where_two_models_differ_in_dependence(run, scenario):
    outcome = run("compare", scenario, "--deps")
    assert outcome.status == 0, outcome.stderr
    assert "forwards: mixes: causal, earlier steps seen" in outcome.stdout
    assert "both_ways: mixes: all, all steps seen" in outcome.stdout
