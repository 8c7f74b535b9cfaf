"""The JSON report has the fields that schema version 1 promises, whatever the verdict."""

from __future__ import annotations

from typing import Any

VERDICTS = {
    "equivalent",
    "different",
    "shape_mismatch",
    "param_mismatch",
    "build_error",
    "inconclusive",
}
STATUSES = {"pass", "fail", "error"}
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


def test_the_gallery_report_keeps_the_schema(gallery):
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


def test_the_gallery_shows_every_verdict_that_can_be_shown(gallery):
    seen = {
        pair["verdict"] for scenario in gallery.json()["scenarios"] for pair in scenario["pairs"]
    }
    assert seen >= VERDICTS - {"inconclusive"}
