"""The JSON of a report is strict, and is that of its plain data."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from layerlens.render import render
from tests.unit.tables.stored_reports import NAMES, report_of


def test_json_is_strict_and_in_the_order_of_the_schema():
    def refuse(name: str) -> None:
        raise AssertionError(name)

    text = render(report_of("different"), "json")
    data = json.loads(text, parse_constant=refuse)
    assert list(data) == ["schema", "layerlens", "environment", "status", "scenarios"]
    pair = data["scenarios"][0]["pairs"][0]
    assert pair["max_rel"] == "inf"
    probe = {"name": "NaN", "execution": "eager", "max_abs": "nan", "max_rel": None}
    assert probe.items() <= pair["probes"][-1].items(), "fields may be added"
    assert list(data["scenarios"][0]["models"]) == ["relu", "elu"]
    assert "日本語" in render(report_of("wide"), "json")


@pytest.mark.parametrize("name", NAMES)
def test_json_is_what_json_makes_of_the_plain_data(name):
    report = report_of(name)
    plain = json.dumps(report.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    if name == "hostile":  # what is hidden in its texts is escaped, and read back as it was
        assert report.to_json().replace("\\u202e", "\u202e") == plain + "\n"
        assert json.loads(report.to_json()) == json.loads(plain)
    else:
        assert report.to_json() == plain + "\n"
    empty = replace(report, scenarios=())
    assert empty.to_json() == json.dumps(empty.to_dict(), indent=2, ensure_ascii=False) + "\n"
