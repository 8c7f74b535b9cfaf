"""A report read back from its JSON is the report it was written from."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import is_dataclass
from typing import Any

import pytest

from layerlens.errors import UsageError
from layerlens.report import from_json
from layerlens.report.diffs import ArgumentChange, LayerChange, ModelsDiff, ParamsGap
from layerlens.report.from_json import read_report, report_from_dict, row_types
from layerlens.report.layers import CountTerm, Factor, LayerRow, ModelReport, WeightRow
from layerlens.report.pairs import Counterexample, MaskedDifference, PairReport, StepsDifference
from layerlens.report.run import Environment, RunRecord, ScenarioReport
from tests.unit.tables.paths import REPORTS

FOLDER = REPORTS
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def data_of(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def report() -> RunRecord:
    held = LayerRow("dense", "Dense", "td/dense", None, (None, 2), 6, "float32")
    layer = LayerRow(
        "td",
        "TimeDistributed",
        "td",
        ((None, 3, 2), (None, 1)),
        (None, 3, 2),
        6,
        "float32",
        weights=(WeightRow("td/dense/kernel", (2, 2), 4),),
        holds=(held,),
        terms=(
            CountTerm("kernel", "k", (Factor(2, "inputs"), Factor(2, "units")), 4, None, "td/d"),
        ),
        arguments={"units": 2, "dims": [2, 1], "scale": 0.5, "use_bias": True},
        bytes_by_dtype={"float32": 24},
        inputs=("x", "y[1]"),
    )
    model = ModelReport("one", 6, 6, 0, ((None, 3, 2), (None, 1)), (layer,))
    found = Counterexample("ones", "eager", (0, 1), 1.0, float("inf"), {"x": [[1.0, -math.inf]]})
    pair = PairReport(
        "one", "two", "inference", "different", None, "so it is", max_abs=math.inf,
        counterexample=found,
        masked=MaskedDifference(
            StepsDifference(0.0, 0.0, 0, 8), StepsDifference(None, None, 0, 0), "one", "td"
        ),
        why=("So it is.",),
    )  # fmt: skip
    change = LayerChange(
        "changed", "td", "td", 0, 0, ("arguments",), (ArgumentChange("dims", [1, 2], None),)
    )
    diff = ModelsDiff("one", "two", (change,), (ParamsGap(-2, "-2: bias", "td", "td"),))
    scenario = ScenarioReport(
        "a.yaml", "A", {"units": 3}, "unchecked", 1.5, models=(model,), pairs=(pair,), diffs=(diff,)
    )
    return RunRecord(
        "0.1", Environment("3.11", None, None, None, "Linux"), "unchecked", (scenario,)
    )


def test_an_exact_round_trip(report):
    assert report_from_dict(json.loads(json.dumps(report.to_dict()))) == report


def test_the_round_trip_notices_a_change(report):
    data = report.to_dict()
    data["scenarios"][0]["models"]["one"]["layers"][0]["holds"][0]["params"] = 7
    assert report_from_dict(data) != report


@pytest.mark.parametrize("name", NAMES)
def test_what_was_revived_is_written_the_same(name):
    data = data_of(name)
    revived = report_from_dict(copy.deepcopy(data))
    assert as_it_was(revived.to_dict(), data) == data
    assert report_from_dict(revived.to_dict()) == revived


def as_it_was(now: Any, then: Any) -> Any:
    """Return data without the fields that were added since the golden report was written."""
    if isinstance(then, dict) and isinstance(now, dict):
        return {key: as_it_was(item, then[key]) for key, item in now.items() if key in then}
    if isinstance(then, list) and isinstance(now, list) and len(now) == len(then):
        return [as_it_was(one, other) for one, other in zip(now, then, strict=True)]
    return now


def test_numbers_that_are_not_finite_are_numbers_again():
    pair = report_from_dict(data_of("different")).scenarios[0].pairs[0]
    assert pair.max_rel == math.inf
    assert math.isnan(pair.probes[-1].max_abs)


def test_a_pass_of_an_earlier_version_without_expectations_is_unchecked(report):
    data = report.to_dict()
    data["status"] = data["scenarios"][0]["status"] = "pass"
    assert report_from_dict(data) == report


def test_fields_of_a_later_version_are_left_out(report):
    data = report.to_dict()
    data["scenarios"][0]["brand_new"] = 1
    assert report_from_dict(data) == report


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data.update(schema=2), "expected schema 1, received 2"),
        (lambda data: data.pop("environment"), "report.environment is missing"),
        (lambda data: data.update(scenarios=3), "report.scenarios is 3"),
        (
            lambda data: data["scenarios"][0].update(seconds="long"),
            r"report.scenarios\[0\].seconds is 'long', expected float",
        ),
    ],
)
def test_what_is_not_a_report_is_refused(change, told):
    data = data_of("equal")
    change(data)
    with pytest.raises(UsageError, match=told):
        report_from_dict(data)


def test_reading_a_file(tmp_path, report):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report.to_dict()))
    assert read_report(str(path)) == report
    data = report.to_dict()
    huge = 10**200  # sizes multiply beyond 64 bits
    next(iter(data["scenarios"][0]["models"].values()))["params"] = huge
    path.write_text(json.dumps(data))
    assert read_report(str(path)).scenarios[0].models[0].params == huge
    path.write_text("[" * 900 + "]" * 900)
    with pytest.raises(UsageError, match="holds values that are nested more than 384"):
        read_report(str(path))
    path.write_text("[1" + "0" * 4000 + "]")
    with pytest.raises(UsageError, match="a count has at most 300 digits"):
        read_report(str(path))
    path.write_text("{")
    with pytest.raises(UsageError, match=r"report\.json does not hold valid JSON"):
        read_report(str(path))
    with pytest.raises(UsageError, match=r"cannot read .*gone\.json: No such file"):
        read_report(str(tmp_path / "gone.json"))


def test_what_has_no_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_json, "_MOST_CHARACTERS", 1000)
    with pytest.raises(UsageError, match="/dev/zero is larger than any report"):
        from_json.read_report("/dev/zero")


def test_every_row_is_found():
    rows = {
        name
        for name, value in row_types().items()
        if is_dataclass(value) and value.__module__.startswith("layerlens.report.")
    }
    assert {"RunRecord", "PairReport", "LayerRow", "FitRow", "ModelsDiff"} <= rows
