"""Recordings as a user meets them: the command, a scenario, and pytest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.models.external.recordings import redescribed, repacked, saved, written

pytest_plugins = ["pytester"]
#: Every warning is an error; hypothesis' plugin, which has warnings of its own, is off.
STRICT = ("-W", "error", "-p", "no:hypothesispytest")

MODEL = """\
import keras


@keras.saving.register_keras_serializable("shop")
class Gate(keras.layers.Layer):
    def __init__(self, **how):
        super().__init__(**how)
        self.inner = keras.layers.Dense(2, activation="sigmoid")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return x * self.inner(x)


def build():
    return keras.Sequential([keras.Input((2,)), Gate()])
"""
CHANGED = MODEL.replace("sigmoid", "tanh")
SCENARIO = """\
models:
  golden: {file: golden.npz}
  now: {python: "shop:build"}
expect:
  verdicts: {now: equivalent}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, run: Any) -> Path:
    """A folder with a model, its recording, and a scenario that compares the two."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(MODEL)
    (folder / "golden.yaml").write_text(SCENARIO)
    outcome = run("record", "shop:build", "-o", "golden.npz", "--allow-code", cwd=folder)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout.startswith("golden.npz written: ")
    return folder


@pytest.fixture(autouse=True)
def _unchanged(shop: Path) -> None:
    (shop / "shop.py").write_text(MODEL)


def test_the_code_may_not_run_without_leave(run: Any, shop: Path) -> None:
    outcome = run("record", "shop:build", "-o", "other.npz", cwd=shop)
    assert outcome.status == 2
    assert "runs the Python code `shop:build`" in outcome.stderr
    assert not (shop / "other.npz").exists()


def test_a_changed_class_is_noticed(run: Any, shop: Path) -> None:
    arguments = ["compare", "golden.yaml", "--allow-code", "--format", "json"]
    outcome = run(*arguments, cwd=shop)
    assert outcome.status == 0, outcome.stderr
    (scenario,) = outcome.json()["scenarios"]
    assert scenario["pairs"][0]["strength"] == "tested"
    assert scenario["models"]["golden"]["runtime"]["weights"] == "frozen"
    assert scenario["models"]["now"]["runtime"] is None
    (shop / "shop.py").write_text(CHANGED)
    outcome = run(*arguments, cwd=shop)
    assert outcome.status == 1
    (pair,) = outcome.json()["scenarios"][0]["pairs"]
    assert pair["verdict"] == "different"
    assert pair["counterexample"]["reference"] != pair["counterexample"]["candidate"]


def test_the_recorded_table_needs_no_code(run: Any, shop: Path) -> None:
    outcome = run("summary", "golden.npz", cwd=shop)
    assert outcome.status == 0, outcome.stderr
    assert "Gate" in outcome.stdout
    assert "runtime: recording (Keras " in outcome.stdout


def test_no_script_reproduces_a_recording(run: Any, shop: Path) -> None:
    (shop / "shop.py").write_text(CHANGED)
    outcome = run("compare", "golden.yaml", "--allow-code", "--repro", "repro.py", cwd=shop)
    assert outcome.status == 2
    assert "`golden` is a recording: no script can build the model" in outcome.stderr
    assert not (shop / "repro.py").exists()


def test_faults_are_told_at_their_place(run: Any, tmp_path: Path) -> None:
    folders = {
        "foreign": lambda path: path.write_bytes(saved(np.zeros(3))),
        "truncated": lambda path: path.write_bytes(path.read_bytes()[:500]),
        "pickled": lambda path: repacked(
            path, {"float64/0/0.npy": saved(np.asarray([{}], dtype=object), allow_pickle=True)}
        ),
        "later": lambda path: redescribed(path, lambda d: d.update(layerlens_recording=9)),
    }
    for name, damage in folders.items():
        (tmp_path / name).mkdir()
        damage(written(tmp_path / name))
        (tmp_path / name / "golden.yaml").write_text(
            "models:\n  a: {file: golden.npz}\n  b: {input: {shape: [3]}, layers: [ReLU]}\n"
        )
    outcome = run("compare", ".", cwd=tmp_path)
    assert outcome.status == 2
    assert "Traceback" not in outcome.stderr
    told = {
        line.partition(":")[0]: line for line in outcome.stderr.splitlines() if ".yaml:" in line
    }
    assert "is not a whole zip archive" in told["foreign/golden.yaml"]
    assert "is damaged" in told["truncated/golden.yaml"]
    assert "holds pickled Python objects in `float64/0/0`" in told["pickled/golden.yaml"]
    assert "has version 9 of the format" in told["later/golden.yaml"]
    assert all(":2:" in line for line in told.values())


def test_what_a_recording_cannot_do(run: Any, tmp_path: Path) -> None:
    written(tmp_path)
    beside = "  b: {input: {shape: [3]}, layers: [ReLU]}\n"
    texts = {
        "two": "models:\n  a: {file: golden.npz}\n  b: {file: golden.npz}\n",
        "training": f"modes: [training]\nmodels:\n  a: {{file: golden.npz}}\n{beside}",
        "fitted": f"fit: {{loss: mse}}\nmodels:\n  a: {{file: golden.npz}}\n{beside}",
        "weights": f"models:\n  a: {{file: golden.npz, weights: {{x: 1}}}}\n{beside}",
        "dtype": f"models:\n  a: {{file: golden.npz, dtype: float16}}\n{beside}",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    outcome = run("compare", ".", cwd=tmp_path)
    assert outcome.status == 2
    assert "Traceback" not in outcome.stderr
    shown = " ".join(outcome.stderr.split())
    for told in (
        "`a` is a recording and `b` is a recording, which cannot be compared with each other",
        "`a` is a recording, which has no outputs in training",
        "`a` is a recording, which cannot be trained",
        "`weights` cannot be given to the recording `a`",
        "`dtype` cannot be given to the recording `a`",
    ):
        assert told in shown


def test_wrong_arguments(run: Any, tmp_path: Path) -> None:
    model = Path(__file__).parents[2] / "scenarios" / "saved" / "classifier.json"
    np.savez(tmp_path / "data.npz", x=np.zeros(2))
    content = (tmp_path / "data.npz").read_bytes()
    for arguments, told in (
        ([str(model)], "Missing option '--output'"),
        ([str(model), "-o", "golden.keras"], "is not the name of a recording, which ends in .npz"),
        ([str(model), "-o", "none/golden.npz"], "there is no folder none"),
        ([str(model), "-o", "data.npz"], "it is not a recording, and would be overwritten"),
        ([str(model), "-o", "g.npz", "--max-size", "lots"], "'lots' is not a size"),
        ([str(model), "-o", "g.npz", "--max-size", "1K"], "is too large to be recorded"),
        (["missing.keras", "-o", "g.npz"], "there is no file missing.keras"),
        (["golden.yaml", "-o", "g.npz"], "golden.yaml is not a model"),
    ):
        outcome = run("record", *arguments, cwd=tmp_path)
        assert outcome.status == 2, outcome.stdout
        assert told in " ".join(outcome.stderr.split()), outcome.stderr
        assert "Traceback" not in outcome.stderr
    assert (tmp_path / "data.npz").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


# --- pytest ---------------------------------------------------------------------------------------

TESTS = """\
import shop


def test_a_model(layerlens):
    layerlens.assert_matches_recording(shop.build(), "golden.npz")


def test_a_callable(layerlens):
    layerlens.assert_matches_recording(shop.build, "golden.npz")


def test_a_layer(layerlens):
    layerlens.assert_matches_recording(shop.Gate(), "golden.npz")


def test_nothing_recorded(layerlens):
    layerlens.assert_matches_recording(shop.build, "absent.npz")
"""


def test_pytest_writes_a_recording_and_fails_when_the_code_changes(
    pytester: pytest.Pytester,
) -> None:
    pytester.syspathinsert()
    pytester.makepyfile(shop=MODEL, test_shop=TESTS)
    recorded = ("-k", "not nothing_recorded")
    outcome = pytester.runpytest_subprocess(*STRICT, *recorded, "--layerlens-update")
    outcome.assert_outcomes(passed=3, deselected=1)
    outcome.stdout.fnmatch_lines(["*layerlens: recordings*", "golden.npz: written"])
    kept = (pytester.path / "golden.npz").read_bytes()

    pytester.runpytest_subprocess(*STRICT, *recorded, "-n", "1").assert_outcomes(passed=3)
    pytester.makepyfile(shop=CHANGED)
    outcome = pytester.runpytest_subprocess(*STRICT)
    outcome.assert_outcomes(failed=4)
    outcome.stdout.fnmatch_lines(["*model against recording: DIFFERENT, expected equivalent"])
    outcome.stdout.fnmatch_lines(["*counterexample*"])
    outcome.stdout.fnmatch_lines(
        ["*if you intended this change, update golden.npz with --layerlens-update*"]
    )
    outcome.stdout.fnmatch_lines(["*there is no recording absent.npz (searched in *)"])
    outcome.stdout.fnmatch_lines(["*to write it, run pytest with --layerlens-update*"])
    assert (pytester.path / "golden.npz").read_bytes() == kept
    assert [one.name for one in pytester.path.glob("*.npz")] == ["golden.npz"]
