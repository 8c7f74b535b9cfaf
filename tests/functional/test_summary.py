"""`summary` reports shapes and params without allocating weights."""

from __future__ import annotations

import sys

import pytest

#: 75 layers of 49,152 × 49,152 and their biases.
UNITS = 49_152
DEPTH = 75


@pytest.fixture(scope="module")
def enormous(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("enormous") / "enormous.yaml"
    layers = "\n".join(f"    - Dense: {UNITS}" for _ in range(DEPTH))
    path.write_text(
        f"title: Enormous\ninput: {{shape: [{UNITS}]}}\nmodels:\n  big:\n{layers}\n"
        f"  small:\n    - Dense: 1\n"
    )
    return run("summary", path, "--format", "json", timeout=120)


def test_a_model_of_180_billion_parameters_is_counted(enormous):
    assert enormous.status == 0, enormous.stderr
    (scenario,) = enormous.json()["scenarios"]
    model = scenario["models"]["big"]
    assert model["params"] == DEPTH * (UNITS * UNITS + UNITS) == 181_197_619_200
    assert model["output_shape"] == [None, UNITS]


def test_a_summary_takes_little_more_memory_than_tensorflow(enormous, process):
    bare = process([sys.executable, "-c", "import keras, tensorflow"])
    assert 0 < enormous.peak_kib < 1.3 * bare.peak_kib or not bare.peak_kib


def test_a_comparison_that_exceeds_the_memory_is_refused(run, tmp_path):
    path = tmp_path / "enormous.yaml"
    path.write_text(
        f"title: Enormous\ninput: {{shape: [{UNITS * 4}]}}\n"
        f"models:\n  one: [Dense: {UNITS * 4}]\n  other: [Dense: {UNITS * 4}]\n"
    )
    outcome = run("compare", path, timeout=120)
    assert outcome.status != 0
    assert "GB" in outcome.stdout + outcome.stderr
    assert outcome.peak_kib < 2_000_000


def test_the_table_shows_the_columns_and_counts_that_are_asked_for(run, tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text("input: {shape: [4]}\nmodels: {a: [{Sequential: [{Dense: 2}]}]}\n")
    plain = run("summary", path)
    assert "└ dense (Dense)" in plain.stdout
    assert len(plain.stdout.splitlines()) <= 13, "no more lines than Keras takes for such a model"
    asked = run("summary", path, "--columns", "params,bytes", "--explain-counts", "--depth", "0")
    assert "4 inputs × 2 units + 2 biases = 10" in asked.stdout
    assert "output shape" not in asked.stdout
    assert "└ dense" not in asked.stdout
    refused = run("summary", path, "--columns", "parms")
    assert refused.status == 2
    assert "unknown column 'parms'; did you mean params?" in refused.stderr
