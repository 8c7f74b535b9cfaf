"""Every shipped scenario is run, and what each says should come out does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in (ROOT / "scenarios").rglob("*.y*ml"))

By = dict[str, list[dict[str, Any]]]


def test_the_run_passes(gallery):
    assert gallery.status == 0, gallery.stderr
    assert gallery.json()["status"] == "pass"


def test_every_file_was_run(gallery_report: By):
    assert sorted(gallery_report) == FILES


@pytest.mark.parametrize("name", FILES)
def test_expectations_hold(name: str, gallery_report: By):
    for scenario in gallery_report[name]:
        broken = [row for row in scenario["expectations"] if not row["held"]]
        assert not broken
        assert scenario["expectations"], "a shipped scenario says what to expect"
        assert scenario["status"] == "pass", scenario["errors"]


@pytest.mark.parametrize("name", FILES)
def test_every_pair_is_explained(name: str, gallery_report: By):
    for scenario in gallery_report[name]:
        for pair in scenario["pairs"]:
            assert pair["explanation"].strip()
            assert (pair["strength"] is not None) == (pair["verdict"] == "equivalent")
            if pair["verdict"] == "different":
                assert pair["counterexample"] is not None


def layers_of(scenario: dict[str, Any], model: str) -> list[tuple[list[Any], int]]:
    return [(row["output_shape"], row["params"]) for row in scenario["models"][model]["layers"]]


def test_dense_vs_td_in_figures(gallery_report: By):
    (scenario,) = gallery_report["dense_vs_td.yaml"]
    table = [([None, 64, 16], 1536), ([None, 64, 15], 255), ([None, 64, 15], 0)]
    for model in ("td", "dense"):
        assert layers_of(scenario, model) == table
        assert scenario["models"][model]["params"] == 1791
    (pair,) = scenario["pairs"]
    assert (pair["reference"], pair["candidate"]) == ("td", "dense")
    assert (pair["verdict"], pair["strength"]) == ("equivalent", "certified")
    assert pair["certificate"]["error_bound"] <= 1e-12


def test_gru_reset_after_explains_the_48(gallery_report: By):
    (scenario,) = gallery_report["gru_reset_after.yaml"]
    assert {model["params"] for model in scenario["models"].values()} == {1536, 1584}
    pair = next(pair for pair in scenario["pairs"] if pair["verdict"] == "param_mismatch")
    assert "reset_after" in pair["explanation"]


def test_explicit_weights_agree_exactly(gallery_report: By):
    (scenario,) = gallery_report["explicit_weights.yaml"]
    for pair in scenario["pairs"]:
        assert pair["verdict"] == "equivalent"
        assert pair["max_abs"] == 0
        assert pair["mismatched"] == 0
        assert pair["compared"] > 0
    assert all(model["output_shape"][1:] == [4, 5] for model in scenario["models"].values())


def test_encoder_decoder_names_the_remedy(gallery_report: By):
    (scenario,) = gallery_report["encoder_decoder.yaml"]
    refused = [model["error"] for model in scenario["models"].values() if model["error"]]
    assert refused
    assert all("return_sequences" in error["hint"] for error in refused)


def test_stacked_rnn_names_the_remedy(gallery_report: By):
    (scenario,) = gallery_report["stacked_rnn.yaml"]
    verdicts = {pair["verdict"] for pair in scenario["pairs"]}
    assert verdicts == {"build_error"}
    (error,) = [model["error"] for model in scenario["models"].values() if model["error"]]
    assert "return_sequences: true" in error["hint"]


def test_three_models_train_alike(gallery_report: By):
    (scenario,) = gallery_report["three_models.yaml"]
    assert [pair["verdict"] for pair in scenario["pairs"]] == ["equivalent", "shape_mismatch"]
    assert list(scenario["models"].values())[2]["output_shape"] == [None, 8]
