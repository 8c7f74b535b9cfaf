"""Entries of the cache with a correct digest that are not what was kept: thrown away, or told."""

from __future__ import annotations

import copy
import json
import random
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerlens.render import RenderOptions, render
from layerlens.render.picture_file import picture_text
from layerlens.render.pictures import pictures_of
from layerlens.report.from_json import report_from_dict
from layerlens.report.run import Environment, ScenarioReport
from layerlens.run.cache.results import ResultCache
from layerlens.run.cache.store import FILE_NAME, LARGEST_BYTES, _digest
from layerlens.run.pipeline import compare_paths
from layerlens.run.report import Report
from layerlens.scenario.options import RunOptions
from layerlens.scenario.reading.scenarios import read_scenarios
from layerlens.scenario.spec import Scenario
from tests.unit.tables.paths import REPORTS

pytestmark = pytest.mark.usefixtures("nothing_registered")

GOLDEN = REPORTS
REPORTS = ("steps", "different", "masks", "param_mismatch", "weak", "build_error", "wide")
TEXT = """\
title: One
input: {shape: [4]}
models: {one: [Dense: 3], other: [Dense: 3]}
expect: {verdicts: {other: equivalent}, models: {one: {params: 15}}}
"""


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, told: list[str]) -> Iterator[ResultCache]:
    with closing(ResultCache(tmp_path / "cache", RunOptions(), "compare", told.append)) as cache:
        yield cache


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    (tmp_path / "a.yaml").write_text(TEXT)
    return read_scenarios(tmp_path / "a.yaml")[0]


def _put(tmp_path: Path, key: bytes, payload: Any, digest: bytes | None = None) -> None:
    with sqlite3.connect(tmp_path / "cache" / FILE_NAME) as database:
        database.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)",
            (key, digest or _digest(key, payload), 0, payload),
        )
    database.close()


def _packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value).encode(), 1)


#: Payloads of the right digest that are no result.
WRONG = {
    "a list": _packed([]),
    "a text": _packed("report"),
    "nothing": _packed(None),
    "a number": _packed(1e999),
    "an empty mapping": _packed({}),
    "not packed": b"{}",
    "no bytes": b"",
    "cut off": _packed({"seconds": 1.0})[:-3],
    "not JSON": zlib.compress(b"{'a': 1}"),
    "not text": zlib.compress(b"\xff\xfe{}"),
    "nested deep": zlib.compress(b"[" * 500_000 + b"]" * 500_000),
    "nested deep in its place": zlib.compress(
        b'{"seconds": 1, "models": {"a": {"layers": ' + b"[" * 900 + b"]" * 900 + b"}}}"
    ),
    "a number of many digits": zlib.compress(b'{"seconds": ' + b"9" * 5000 + b"}"),
    "more than any result": zlib.compress(b" " * (70 * 1024**2), 9),
    "models in a list": _packed({"seconds": 1.0, "models": [1]}),
    "models that are texts": _packed({"seconds": 1.0, "models": {"one": "a", "other": None}}),
    "another scenario's": _packed({"seconds": 1.0, "models": {}, "pairs": []}),
}


@pytest.mark.parametrize("payload", WRONG.values(), ids=WRONG)
def test_what_is_no_result_is_thrown_away_with_a_note(
    payload: bytes, cache: ResultCache, scenario: Scenario, tmp_path: Path, told: list[str]
) -> None:
    key = cache.key_of(scenario)
    assert key is not None
    _put(tmp_path, key, payload)
    assert cache.recall(scenario, key) is None
    assert len(told) == 1
    assert "is deleted" in told[0]
    assert cache.recall(scenario, key) is None
    assert len(told) == 1  # it is gone


@pytest.mark.parametrize("payload", ["text", 7, 1.5, b"x" * (LARGEST_BYTES + 1)], ids=type)
def test_what_no_entry_holds_is_not_read(
    payload: Any, cache: ResultCache, scenario: Scenario, tmp_path: Path, told: list[str]
) -> None:
    key = cache.key_of(scenario)
    assert key is not None
    _put(tmp_path, key, payload, digest=b"any")
    assert cache.recall(scenario, key) is None
    assert told


PAGES = {
    "a list": [],
    "an empty mapping": {},
    "no rows": {"files": {}, "scenarios": []},
    "files in a list": {"files": [], "scenarios": [{}]},
    "a digest that is a number": {"files": {"a": 1}, "scenarios": [{}]},
    "an empty row": {"files": {}, "scenarios": [{}]},
    "a row that is a text": {"files": {}, "scenarios": ["a"]},
    "a key that is none": {"files": {}, "scenarios": [{"result": "xyz"}]},
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_what_is_no_page_is_thrown_away_with_a_note(
    page: Any, cache: ResultCache, scenario: Scenario, tmp_path: Path, told: list[str]
) -> None:
    path = tmp_path / "a.yaml"
    key = cache.page_of(path)
    assert key is not None
    _put(tmp_path, key, _packed(page))
    assert cache.recall_file(path, key) is None
    assert len(told) == 1


def test_whatever_the_rows_hold_the_result_is_the_same(tmp_path: Path, told: list[str]) -> None:
    path, options = tmp_path / "a.yaml", RunOptions()
    path.write_text(TEXT)

    def verdicts() -> list[str]:
        with closing(ResultCache(tmp_path / "cache", options, "compare", told.append)) as cache:
            report = compare_paths([path], options, cache=cache)
        return [pair.verdict for one in report.scenarios for pair in one.pairs]

    first = verdicts()
    with sqlite3.connect(tmp_path / "cache" / FILE_NAME) as database:
        rows = database.execute("SELECT key, payload FROM entries").fetchall()
    database.close()
    assert len(rows) == 2
    assert verdicts() == first
    assert not told
    for wrong in (_packed([]), b""):
        for key, _ in rows:
            _put(tmp_path, key, wrong)
        assert verdicts() == first
        assert told
        told.clear()
        assert verdicts() == first
        assert not told  # what was thrown away was kept anew
    for changed in ({"status": "no", "cell": [1]}, {"result": "0" * 64}):
        for key, payload in rows:
            entry = json.loads(zlib.decompress(payload))
            for row in entry.get("scenarios", []):
                row.update(changed)
            _put(tmp_path, key, _packed(entry))
        assert verdicts() == first


# --- mutated at random ----------------------------------------------------------------------------

#: What a place in an entry is filled with.
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    3,
    10**25,
    10**400,
    -2.5,
    1e308,
    "",
    "none",
    "nan",
    "::error::x\n##[error]\x1b",
    "\ud800",
    "0" * 50,
    [],
    [[]],
    [None, "a", 1],
    [[1, [2]], 3],
    {},
    {"a": 1},
    {"name": "one", "layers": []},
)


def _mutated(value: Any, draw: random.Random) -> Any:
    """Return the value with one of its places changed, left out, doubled or swapped."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    for _ in range(draw.choice((1, 1, 2, 5))):
        holder, key = draw.choice(places)
        known = key in holder if isinstance(holder, dict) else key < len(holder)
        match draw.randrange(5):
            case 0 if known:
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.append(copy.deepcopy(draw.choice(holder)) if holder else 1)
            case 2 if known:
                other, place = draw.choice(places)
                if place in other if isinstance(other, dict) else place < len(other):
                    holder[key] = copy.deepcopy(other[place])
            case _ if known or isinstance(holder, dict):
                holder[key] = draw.choice(VALUES)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item)


@pytest.mark.parametrize("name", REPORTS)
def test_no_mutated_entry_breaks_what_is_told(
    name: str, cache: ResultCache, scenario: Scenario, tmp_path: Path
) -> None:
    entry = json.loads((GOLDEN / f"{name}.json").read_text())["scenarios"][0]
    draw = random.Random(name)
    key = cache.key_of(scenario)
    assert key is not None
    kept = 0
    for _ in range(40):
        _put(tmp_path, key, _packed(_mutated(entry, draw)))
        report = cache._get(key)
        found = cache._decoded(key, report, {}) if report is not None else None
        cache.recall(scenario, key)
        if found is not None:
            kept += 1
            _tell(found)
    assert kept  # many a change is none of form


def _tell(found: ScenarioReport) -> None:
    """Render a report in every way; nothing is looked at but that it can be."""
    report = Report("0", Environment("3", None, None, None, ""), found.status, (found,))
    for kind in ("rich", "markdown", "csv", "json", "github"):
        render(report, kind, RenderOptions(width=60))  # type: ignore[arg-type]
    picture_text(report, RenderOptions(width=60, ascii=True))
    pictures_of(found)
    again = report_from_dict(json.loads(render(report, "json"))).scenarios[0]
    assert replace(again, seconds=0.0).title == replace(found, seconds=0.0).title
