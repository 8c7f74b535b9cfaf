"""The cache of the command: what it saves, its messages, and runs without it."""

from __future__ import annotations

import json
import sys

import pytest

PAIR = """\
input: {shape: [4]}
models: {one: [Dense: 2], other: [Dense: 2, Activation: elu]}
expect: {verdicts: {other: different}}
"""
RUN = """\
import sys
from layerlens.cli import run
status = run(sys.argv[1:])
heavy = {"keras", "tensorflow", "numpy", "layerlens.scenario.reading.scenarios"}
print(status, sorted(heavy & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def kept(run, tmp_path_factory):
    """Return a folder with a scenario that was run, and the cache with its results."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "pair.yaml").write_text(PAIR)
    outcome = run(
        "compare", "pair.yaml", "--format", "json", "--cache-dir", "c", "--jobs", "2", cwd=folder
    )
    assert outcome.status == 0, outcome.stderr
    assert outcome.stderr == ""
    return folder, outcome.json()


def test_an_unchanged_file_is_not_run_again(kept, process):
    folder, before = kept
    arguments = ["compare", "pair.yaml", "--format", "json", "--cache-dir", "c", "--output", "r"]
    outcome = process([sys.executable, "-c", RUN, *arguments], cwd=folder)
    assert outcome.stdout == "0 []\n", outcome.stderr
    assert outcome.stderr == ""
    after = json.loads((folder / "r").read_text())
    assert [one.pop("cached") for one in before["scenarios"]] == [False]
    assert [one.pop("cached") for one in after["scenarios"]] == [True]
    assert after == before


def test_a_cached_result_is_marked(kept, run):
    folder, _ = kept
    assert " s, cached" in run("compare", "pair.yaml", "--cache-dir", "c", cwd=folder).stdout


def test_info_and_clear(kept, run, tmp_path):
    folder, _ = kept
    for file in (folder / "c").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    told = run("cache", "info", "--cache-dir", tmp_path)
    assert told.status == 0
    assert str(tmp_path) in told.stdout
    assert "2 entries" in told.stdout  # the file's entry, and its result
    assert run("cache", "clear", "--cache-dir", tmp_path).status == 0
    assert list(tmp_path.iterdir()) == []
    assert "0 entries" in run("cache", "info", "--cache-dir", tmp_path).stdout
    assert list(tmp_path.iterdir()) == [], "to look is not to make"
    assert "no cache" in run("cache", "clear", "--cache-dir", tmp_path).stdout


@pytest.mark.nightly
def test_without_a_home_the_command_works(run, tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text("models: {one: {layers: [Dense: 2], input: {shape: [3]}}}\n")
    homeless = {"HOME": "/dev/null", "XDG_CACHE_HOME": None, "LAYERLENS_CACHE_DIR": None}
    outcome = run("summary", path, "--format", "json", env=homeless)
    assert outcome.status == 0
    assert outcome.json()["scenarios"][0]["models"]["one"]["params"] == 8
    (line,) = outcome.stderr.splitlines()
    assert "/dev/null" in line
    assert "cannot be used" in line
