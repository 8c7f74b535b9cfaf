"""Invalid input gives a clear message and the right exit status, never a traceback or a hang."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PAIR = """\
input: {shape: [4]}
models:
  one: [Dense: 2]
  other: [Dense: 2]
"""

ALIAS_BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)

#: Name → (content, a part of the message).
REJECTED = {
    "empty": (b"", "empty"),
    "only-comments": (b"# nothing here\n", "has no scenario"),
    "binary": (bytes(range(256)) * 16, "binary.yaml"),
    "not-utf8": (b"title: \xff\xfe\ninput: {shape: [4]}\n", "UTF-8"),
    "scalar": (b"just words\n", "mapping"),
    "list": (b"- Dense: 2\n", "mapping"),
    "unclosed": (b"input: {shape: [4]\nmodels: {a: [Dense: 2]}\n", "unclosed.yaml:"),
    "tab": (b"input:\n\tshape: [4]\n", "tab.yaml:2"),
    "duplicate-key": (PAIR.encode() + b"models: {}\n", "models"),
    "alias-bomb": (ALIAS_BOMB.encode(), "alias"),
    "deep": (b"models: " + b"[" * 50_000, "deep.yaml"),
    "huge": (b"- Dense: 2\n" * 3_000_000, "huge.yaml"),
    "python-tag": (b"!!python/object/apply:os.system [echo pwned]\n", "python-tag.yaml"),
    "one-model": (b"input: {shape: [4]}\nmodels: {a: [Dense: 2]}\n", "2 models"),
    "no-models": (b"input: {shape: [4]}\n", "models"),
    "unknown-key": (PAIR.replace("input", "inptu").encode(), "unknown-key.yaml:1:1"),
    "unknown-layer": (PAIR.replace("Dense", "Dens", 1).encode(), "Dense"),
    "unknown-argument": (PAIR.replace("Dense: 2", "Dense: {unit: 2}", 1).encode(), "units"),
    "wrong-type": (PAIR.replace("[4]", "four").encode(), "wrong-type.yaml:1"),
    "negative-shape": (PAIR.replace("[4]", "[-4]").encode(), "-4"),
    "unknown-verdict": (
        PAIR.encode() + b"expect: {verdicts: {other: equivalant}}\n",
        "equivalent",
    ),
    "unknown-candidate": (PAIR.encode() + b"expect: {verdicts: {othr: equivalent}}\n", "other"),
    "half-a-tolerance": (PAIR.encode() + b"tolerance: {rtol: 1.0e-3}\n", "atol"),
    "missing-model-file": (
        PAIR.replace("[Dense: 2]", "{file: gone.keras}", 1).encode(),
        "gone.keras",
    ),
    "code-not-allowed": (
        PAIR.replace("[Dense: 2]", '{python: "os:getcwd"}', 1).encode(),
        "--allow-code",
    ),
}


@pytest.fixture(scope="module")
def rejected(run, tmp_path_factory):
    """Run each file on its own, without TensorFlow."""
    folder = tmp_path_factory.mktemp("rejected")
    for name, (content, _) in REJECTED.items():
        (folder / f"{name}.yaml").write_bytes(content)

    def compare(name: str):
        return run("compare", f"{name}.yaml", cwd=folder, timeout=30)

    return compare


def test_a_fault_is_printed_once_when_both_streams_go_to_one_log(rejected):
    outcome = rejected("unknown-layer")
    assert outcome.stderr.count("unknown layer `Dens`") == 1
    assert "unknown layer" not in outcome.stdout
    assert "1 fault, printed to standard error" in outcome.stdout


def test_a_report_in_a_file_has_the_faults_too(run, tmp_path):
    (tmp_path / "typo.yaml").write_bytes(REJECTED["unknown-layer"][0])
    outcome = run("compare", "typo.yaml", "--output", "report.txt", cwd=tmp_path, timeout=30)
    assert outcome.status == 2
    assert outcome.stdout == ""
    assert outcome.stderr.count("unknown layer `Dens`") == 1
    assert "unknown layer `Dens`" in (tmp_path / "report.txt").read_text()


@pytest.mark.parametrize("name", REJECTED)
def test_rejected_files(name, rejected):
    outcome = rejected(name)
    assert outcome.status == 2, outcome.stdout
    assert f"{name}.yaml" in outcome.stderr + outcome.stdout
    assert REJECTED[name][1] in outcome.stderr + outcome.stdout
    assert outcome.peak_kib < 700_000


def test_all_faults_of_a_file_are_reported_at_once(run, tmp_path):
    (tmp_path / "wrong.yaml").write_text(
        "inptu: {shape: [4]}\nmodels:\n  one: [Dens: 2]\n  other: [Dense: {unit: 2}]\n"
    )
    outcome = run("compare", "wrong.yaml", cwd=tmp_path)
    told = outcome.stdout + outcome.stderr
    for place, name in [("1:1", "input"), ("3:9", "Dense"), ("4:19", "units")]:
        assert f"wrong.yaml:{place}" in told
        assert name in told


def test_a_missing_file(run, tmp_path):
    outcome = run("compare", tmp_path / "gone.yaml")
    assert outcome.status == 2
    assert "gone.yaml" in outcome.stderr


def test_a_folder_without_scenarios(run, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    outcome = run("compare", tmp_path)
    assert outcome.status == 2
    assert str(tmp_path) in outcome.stderr
    assert ".yaml" in outcome.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read(run, tmp_path):
    path = tmp_path / "secret.yaml"
    path.write_text(PAIR)
    path.chmod(0)
    outcome = run("compare", path)
    assert outcome.status == 2
    assert "secret.yaml" in outcome.stderr


def test_a_named_pipe_does_not_block(run, tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    outcome = run("compare", tmp_path / "pipe.yaml", timeout=20)
    assert outcome.status == 2
    assert "pipe.yaml" in outcome.stderr + outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compre"], "compare"),
        (["compare"], "PATH"),
        (["compare", "--formt", "json", "x.yaml"], "--format"),
        (["compare", "--format", "yaml", "x.yaml"], "markdown"),
        (["compare", "--seed", "many", "x.yaml"], "many"),
        (["compare", "--jobs", "0", "x.yaml"], "0"),
        (["compare", "--expect", "same", "x.yaml"], "equivalent"),
        (["layers", "Dens"], "Dense"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else str(part),
)
def test_a_wrong_command_line(arguments, told, run):
    outcome = run(*arguments)
    assert outcome.status == 2
    assert told in outcome.stderr


GOOD = PAIR + "expect: {verdicts: {other: equivalent}}\n"
BROKEN = PAIR + "expect: {verdicts: {other: different}}\n"
NOT_FINITE = """\
input: {shape: [3], values: [[.nan, 1.0, 2.0], [.inf, -.inf, 0.5], [1.0, 2.0, 3.0]]}
models:
  one: [Dense: 2]
  other: [Dense: 2]
"""
DAMAGED = PAIR.replace("[Dense: 2]", "{file: damaged.keras}", 1)
LAMBDA = PAIR.replace("[Dense: 2]", '[Lambda: {function: "x"}]', 1)


@pytest.fixture(scope="module")
def mixed(run, tmp_path_factory):
    """Run a folder of valid and invalid files once."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "good.yaml").write_text(GOOD)
    (folder / "broken.yaml").write_text(BROKEN)
    (folder / "not_finite.yaml").write_text(NOT_FINITE)
    (folder / "damaged.yaml").write_text(DAMAGED)
    (folder / "damaged.keras").write_bytes(b"PK\x03\x04 and then nothing")
    (folder / "lambda.yaml").write_text(LAMBDA)
    (folder / "misspelt.yaml").write_text("inptu: {shape: [4]}\n" + PAIR)
    (folder / "zipped.yaml").write_bytes(b"\x1f\x8b\x08\x00")
    return run("compare", folder, "--format", "json")


@pytest.fixture(scope="module")
def by_name(mixed):
    return {Path(row["path"]).name: row for row in mixed.json()["scenarios"]}


def test_the_other_files_run_despite_an_invalid_one(mixed, by_name):
    assert mixed.status == 2
    assert mixed.json()["status"] == "error"
    assert by_name["good.yaml"]["status"] == "pass"
    assert by_name["good.yaml"]["pairs"][0]["verdict"] == "equivalent"
    assert by_name["broken.yaml"]["status"] == "fail"


@pytest.mark.parametrize("name", ["damaged", "lambda", "misspelt", "zipped"])
def test_a_bad_file_is_in_the_report(name, by_name):
    row = by_name[f"{name}.yaml"]
    assert row["status"] == "error"
    assert row["errors"][0]["message"]


def test_values_that_are_not_finite_are_reported_as_strings(mixed, by_name):
    assert by_name["not_finite.yaml"]["status"] == "unchecked"
    assert by_name["not_finite.yaml"]["pairs"][0]["verdict"] == "equivalent"
