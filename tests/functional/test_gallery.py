"""Every shipped scenario is run: its expectations hold, and the report follows its schema.

All tests share one run, so that TensorFlow starts once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in (ROOT / "scenarios").rglob("*.y*ml"))

#: File → the version of Keras since which its expectations hold.
SINCE = {"masking_ignored.yaml": (3, 9), "td_unknown_length.yaml": (3, 14)}

By = dict[str, list[dict[str, Any]]]


def is_of_later_keras(name: str, report: dict[str, Any]) -> bool:
    version = tuple(int(part) for part in report["environment"]["keras"].split(".")[:2])
    return version < SINCE.get(name, ())


def test_the_run_passes(gallery):
    report = gallery.json()
    if any(is_of_later_keras(name, report) for name in SINCE):
        pytest.skip("some files tell of a later Keras; test_expectations_hold has the others")
    assert gallery.status == 0, gallery.stderr
    assert report["status"] == "pass"


def test_every_file_was_run(gallery_report: By):
    assert sorted(gallery_report) == FILES


@pytest.mark.parametrize("name", FILES)
def test_expectations_hold(name: str, gallery_report: By, gallery):
    if is_of_later_keras(name, gallery.json()):
        pytest.skip("tells of a later Keras")
    for scenario in gallery_report[name]:
        broken = [row for row in scenario["expectations"] if not row["held"]]
        assert not broken
        assert scenario["expectations"], "a shipped scenario says what to expect"
        assert scenario["status"] == "pass", scenario["errors"]


@pytest.mark.parametrize("name", FILES)
def test_every_file_asks_and_answers(name: str, gallery_report: By):
    for scenario in gallery_report[name]:
        assert scenario["question"].endswith("?")
        assert scenario["answer"].endswith(".")
        assert len(scenario["answer"]) < 200


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


def test_the_params_and_shapes_of_dense_vs_td(gallery_report: By):
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


#: On other processors TensorFlow's two products of one kernel differ in the last bits.
CPUINFO = Path("/proc/cpuinfo")
MULTIPLIES_ALIKE = not CPUINFO.exists() or "avx512_vnni" in CPUINFO.read_text()


def test_explicit_weights_agree_exactly(gallery_report: By):
    (scenario,) = gallery_report["explicit_weights.yaml"]
    for pair in scenario["pairs"]:
        assert pair["verdict"] == "equivalent"
        assert pair["max_ulp"] <= 4
        given = [probe for probe in pair["probes"] if probe["name"] == "values"]
        assert given
        if MULTIPLIES_ALIKE:
            assert not any(probe["max_abs"] for probe in given)
        assert pair["rounding"]["float64_max_abs"] == 0
        assert pair["mismatched"] == 0
        assert pair["compared"] > 0
    assert all(model["output_shape"][1:] == [4, 5] for model in scenario["models"].values())


def test_encoder_decoder_has_a_remedy(gallery_report: By):
    (scenario,) = gallery_report["encoder_decoder.yaml"]
    refused = [model["error"] for model in scenario["models"].values() if model["error"]]
    assert refused
    assert all("return_sequences" in error["hint"] for error in refused)


def test_stacked_rnn_has_a_remedy(gallery_report: By):
    (scenario,) = gallery_report["stacked_rnn.yaml"]
    verdicts = {pair["verdict"] for pair in scenario["pairs"]}
    assert verdicts == {"build_error"}
    (error,) = [model["error"] for model in scenario["models"].values() if model["error"]]
    assert "return_sequences: true" in error["hint"]


def test_three_models_train_alike(gallery_report: By):
    (scenario,) = gallery_report["three_models.yaml"]
    assert [pair["verdict"] for pair in scenario["pairs"]] == ["equivalent", "shape_mismatch"]
    assert list(scenario["models"].values())[2]["output_shape"] == [None, 8]


# --- schema version 1 of the JSON report ----------------------------------------------------------

VERDICTS = {
    "equivalent",
    "different",
    "shape_mismatch",
    "param_mismatch",
    "build_error",
    "inconclusive",
}
STATUSES = {"pass", "fail", "error", "unchecked"}
MIXES = {None, "none", "causal", "anti_causal", "window", "all", "reduces", "expands"}
EXECUTIONS = {"eager", "traced", "traced_dynamic"}
ALSO = {"mask", "gradients", "state", "losses", "dtype", "non_finite"}

REPORT = "schema layerlens environment status scenarios"
ENVIRONMENT = "python keras backend backend_version platform"
SCENARIO = "path title cell status seconds errors models pairs expectations"
MODEL = "params trainable_params non_trainable_params output_shape layers error"
LAYER = "name type path input_shape output_shape params dtype weights mixes mask_in mask_out"
WEIGHT = "path shape params"
PAIR = (
    "reference candidate mode verdict strength max_abs max_rel max_ulp mismatched compared "
    "rounding probes counterexample first_divergence only_at_initialization transfer "
    "certificate also_differs unseen explanation"
)
PROBE = "name execution max_abs max_rel"
COUNTEREXAMPLE = "probe execution index reference candidate input"
CERTIFICATE = "segment degree draws error_bound"
TRANSFER = "method pairs unmatched"


def has(row: dict[str, Any], names: str) -> None:
    missing = set(names.split()) - set(row)
    assert not missing, f"{sorted(missing)} missing from {sorted(row)}"


def test_the_gallery_report_follows_the_schema(gallery):
    report = gallery.json()
    has(report, REPORT)
    assert report["schema"] == 1
    has(report["environment"], ENVIRONMENT)
    assert report["environment"]["backend"] == "tensorflow"
    assert report["status"] in STATUSES
    for scenario in report["scenarios"]:
        has(scenario, SCENARIO)
        assert scenario["status"] in STATUSES
        assert scenario["seconds"] > 0
        for model in scenario["models"].values():
            check_model(model)
        for pair in scenario["pairs"]:
            check_pair(pair, scenario)
        for row in scenario["expectations"]:
            has(row, "subject expected actual held")


def check_model(model: dict[str, Any]) -> None:
    has(model, MODEL)
    for layer in model["layers"]:
        has(layer, LAYER)
        assert layer["mixes"] in MIXES
        for weight in layer["weights"]:
            has(weight, WEIGHT)
    if model["error"] is None:
        assert model["params"] == model["trainable_params"] + model["non_trainable_params"]
        assert model["params"] == sum(layer["params"] for layer in model["layers"])
    else:
        has(model["error"], "layer message hint")


def check_pair(pair: dict[str, Any], scenario: dict[str, Any]) -> None:
    has(pair, PAIR)
    assert pair["verdict"] in VERDICTS
    assert pair["mode"] in {"inference", "training"}
    assert {pair["reference"], pair["candidate"]} <= set(scenario["models"])
    assert set(pair["also_differs"]) <= ALSO
    assert pair["only_at_initialization"] in (True, False)
    for probe in pair["probes"]:
        has(probe, PROBE)
        assert probe["execution"] in EXECUTIONS
    if pair["rounding"] is not None:
        has(pair["rounding"], "expected float64_max_abs")
    if pair["counterexample"] is not None:
        has(pair["counterexample"], COUNTEREXAMPLE)
        assert pair["counterexample"]["execution"] in EXECUTIONS
    if pair["first_divergence"] is not None:
        has(pair["first_divergence"], "reference_layer candidate_layer max_abs")
    if pair["certificate"] is not None:
        has(pair["certificate"], CERTIFICATE)
    if pair["transfer"] is not None:
        has(pair["transfer"], TRANSFER)
    if pair["verdict"] == "equivalent":
        assert pair["strength"] in {"certified", "tested", "weak"}
        assert pair["compared"] > 0, "nothing compared is never a pass"
        assert pair["probes"]
        assert (pair["strength"] == "certified") == (pair["certificate"] is not None)
        assert pair["strength"] != "weak" or pair["unseen"]
    if pair["verdict"] in {"shape_mismatch", "param_mismatch", "build_error"}:
        assert pair["max_abs"] is None, "a figure that was not measured is null"


def test_the_gallery_has_every_verdict_that_can_be_shown(gallery):
    seen = {
        pair["verdict"] for scenario in gallery.json()["scenarios"] for pair in scenario["pairs"]
    }
    assert seen >= VERDICTS - {"inconclusive"}
