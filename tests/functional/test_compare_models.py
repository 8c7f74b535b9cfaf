"""Models named on the command line are compared as with `cmp`: status 0, 1 or 2."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import layerlens
from layerlens.cli import run as run_here
from tests.functional.conftest import Outcome

pytestmark = pytest.mark.usefixtures("backend")

Run = Callable[..., Outcome]

NETS = """\
import keras
from keras import layers


def net(activation="tanh"):
    return keras.Sequential([
        keras.Input((6, 4)), layers.GRU(8, return_sequences=True), layers.Dense(3, activation),
    ])


def other():
    return net("relu")
"""
GATE = """\
import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="compared")
class Gate(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), name="kernel")

    def call(self, x):
        return x * ops.sigmoid(ops.matmul(x, self.kernel))


def build():
    return keras.Sequential([keras.Input((4,)), Gate()])
"""


def net(activation: str = "tanh", seed: int = 0) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    gru = keras.layers.GRU(8, return_sequences=True, name="gru")
    layers = [gru, keras.layers.Dense(3, activation, name="dense")]
    return keras.Sequential([keras.Input((6, 4)), *layers])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, backend: None) -> Path:
    """Return a folder of models and of files that are none."""
    folder = tmp_path_factory.mktemp("models")
    net().save(folder / "a.keras")
    net().save(folder / "copy.keras")
    net("relu").save(folder / "relu.keras")
    nudged = net()
    kernel, bias = nudged.layers[1].get_weights()
    kernel[2, 1] += 0.5
    nudged.layers[1].set_weights([kernel, bias])
    nudged.save(folder / "nudged.keras")
    (folder / "a.json").write_text(net().to_json())
    (folder / "nets.py").write_text(NETS)
    for name, activation in (("old", "sigmoid"), ("new", "tanh")):
        (folder / name).mkdir()
        (folder / name / "gates.py").write_text(GATE.replace("sigmoid", activation))
    (folder / "empty.keras").touch()
    (folder / "cut.keras").write_bytes((folder / "a.keras").read_bytes()[:3000])
    (folder / "text.h5").write_text("no model")
    (folder / "other.json").write_text('{"a": 1}')
    (folder / "model.onnx").touch()
    (folder / "exported").mkdir()
    (folder / "exported" / "saved_model.pb").touch()
    (folder / "scenarios").mkdir()
    scenario = "input: {shape: [4]}\nmodels: {one: [ReLU], other: [ReLU]}\n"
    for name in ("pair.yaml", "scenarios/pair.yaml", "pair.json"):
        (folder / name).write_text(scenario)
    (folder / "pair.json").write_text('{"input": {"shape": [4]}, "models": {}}')
    return folder


def pairs_of(outcome: Outcome) -> dict[str, dict[str, Any]]:
    (scenario,) = outcome.json()["scenarios"]
    assert scenario["errors"] == []
    return {pair["candidate"]: pair for pair in scenario["pairs"]}


def test_saved_models_are_compared_with_their_weights(run: Run, folder: Path) -> None:
    names = ["a.keras", "copy.keras", "nudged.keras", "relu.keras"]
    outcome = run("compare", *names, "-f", "json", cwd=folder)
    assert outcome.status == 1
    pairs = pairs_of(outcome)
    assert [pair["reference"] for pair in pairs.values()] == ["a", "a", "a"]
    copy, nudged, relu = pairs["copy"], pairs["nudged"], pairs["relu"]

    assert (copy["verdict"], copy["strength"]) == ("equivalent", "certified")
    assert "weights" not in copy["also_differs"]
    assert copy["explanation"].startswith(
        "The architectures agree, and the saved weights are equal."
    )

    assert nudged["verdict"] == "equivalent"  # the same function of input and weights
    assert "weights" in nudged["also_differs"]
    saved = nudged["saved_weights"]
    (kernel,) = saved["differing"]
    assert kernel["reference"] == "dense/kernel"
    assert (kernel["mismatched"], kernel["compared"]) == (1, 24)
    assert kernel["max_abs"] == pytest.approx(0.5)
    assert (saved["compared"], saved["verdict"]) == (5, "different")
    assert nudged["explanation"].startswith(
        "The architectures agree; only the saved weights differ: 1 of 5 weights, `dense/kernel` in "
        "1 of 24 values (greatest absolute difference 0.5, relative "
    )
    assert "Once the weights of `a` are carried over, the models agree." in nudged["explanation"]

    assert relu["verdict"] == "different"
    assert "weights" not in relu["also_differs"]
    assert relu["explanation"].startswith("The architectures differ; the saved weights are equal.")
    (scenario,) = outcome.json()["scenarios"]
    held = {row["subject"]: (row["actual"], row["held"]) for row in scenario["expectations"]}
    assert held == {
        "a==copy[inference]": ("equivalent", True),
        "a==nudged[inference]": ("equivalent", True),
        "a==relu[inference]": ("different", False),
        "a==copy[weights]": ("equal", True),
        "a==nudged[weights]": ("1 of 5 differ", False),
        "a==relu[weights]": ("equal", True),
    }


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["a.keras", "copy.keras"], 0),
        (["a.keras", "nudged.keras"], 1),
        (["a.keras", "nudged.keras", "--weights", "carried"], 0),
        (["a.keras", "relu.keras", "--expect", "different"], 0),
        (["a.keras", "nudged.keras", "--expect", "different"], 1),
        (["a.json", "nudged.keras"], 0),  # a description alone brings no weights
    ],
)
def test_the_exit_status_is_that_of_cmp(
    folder: Path, arguments: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert run_here(["compare", *arguments, "--quiet"]) == status


def test_callables_are_compared_as_functions(run: Run, folder: Path) -> None:
    models = ["a.keras", "nets.py:net", "nets:other"]
    outcome = run("compare", *models, "--allow-code", "-f", "json", cwd=folder)
    assert outcome.status == 1
    pairs = pairs_of(outcome)
    assert {name: pair["verdict"] for name, pair in pairs.items()} == {
        "net": "equivalent",
        "other": "different",
    }
    assert all(pair["saved_weights"] is None for pair in pairs.values())


def test_two_files_of_one_name_are_told_apart(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    status = run_here(["compare", "old/gates.py:build", "new/gates.py:build", "--allow-code"])
    assert status == 1
    printed = capsys.readouterr().out
    assert "new/gates.py:build against old/gates.py:build: DIFFERENT" in printed


def test_the_report_first_says_that_code_was_not_compared(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    from layerlens.models.build.python_callable import call_python

    call_python("old/gates.py:build", {}, None).save("gate.keras")
    changed = ["compare", "gate.keras", "gate.keras", "new/gates.py:build", "--allow-code"]
    assert run_here(changed) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("✔ gate.keras (2) against gate.keras: EQUIVALENT, certified, as expected")
    told = " ".join(line.strip() for line in lines[at + 1 : at + 4])
    assert told.startswith("The code of `Gate` was not compared: a saved file does not hold it")
    assert run_here(["explain", "gate.keras", "new/gates.py:build", "--allow-code"]) == 0
    assert "The code of `Gate` was not compared" in capsys.readouterr().out
    report = layerlens.summary("new/gates.py:build", allow_code=True)
    assert report.scenarios[0].models[0].params == 16


FAULTS = {
    "one model": (["a.keras"], "a.keras is one model, and there is no other"),
    "a scenario among models": (
        ["a.keras", "pair.yaml"],
        "pair.yaml is a scenario, and a.keras is a model: they cannot be compared together",
    ),
    "a JSON scenario among models": (["a.keras", "pair.json"], "pair.json is a scenario"),
    "a folder among models": (["scenarios", "a.keras"], "scenarios is a folder, which"),
    "an empty argument": (["a.keras", ""], "an empty path was given"),
    "a misspelt suffix": (["a.keras", "copy.kers"], "did you mean `copy.keras`?"),
    "a misspelt file": (["a.keras", "copi.keras"], "did you mean `copy.keras`?"),
    "a misspelt Python file": (["a.keras", "net.py:net"], "did you mean `nets.py`?"),
    "a file without a callable": (["a.keras", "nets.py"], "write `nets.py:NAME`; allowed: net"),
    "code without leave": (["a.keras", "nets.py:net"], "allow it with `--allow-code`"),
    "an empty file": (["a.keras", "empty.keras"], "empty.keras is empty"),
    "a damaged archive": (["a.keras", "cut.keras"], "cut.keras is damaged"),
    "no HDF5 file": (["a.keras", "text.h5"], "it is not an HDF5 file"),
    "another JSON file": (["a.keras", "other.json"], "does not describe a Keras model"),
    "an empty ONNX file": (["a.keras", "model.onnx"], "model.onnx is damaged, or not a file of"),
    "a SavedModel without leave": (
        ["a.keras", "exported"],
        "model `exported` is a TensorFlow SavedModel, whose operations may read and write files",
    ),
    "no weights": (["a.json", "a.keras", "--weights", "saved"], "a.json holds no weights"),
    "weights of a scenario": (
        ["pair.yaml", "--weights", "saved"],
        "--weights applies to models, not to scenarios",
    ),
    "misspelt weights": (["a.keras", "copy.keras", "--weights", "savd"], "did you mean 'saved'?"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_once_and_has_status_2(
    folder: Path,
    fault: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments, message = FAULTS[fault]
    monkeypatch.chdir(folder)
    assert run_here(["compare", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count(message) == 1, captured.err
    assert "Traceback" not in captured.err + captured.out


def test_a_misspelt_callable_is_corrected(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for arguments in (["compare", "a.keras", "nets.py:nett"], ["summary", "nets.py:nett"]):
        assert run_here([*arguments, "--allow-code"]) == 2
        assert "nets.py has no `nett`; did you mean `net`?" in capsys.readouterr().err


@pytest.mark.usefixtures("nothing_registered")
def test_a_result_is_cached_until_a_file_changes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "copy"):
        (tmp_path / f"{name}.keras").write_bytes((folder / f"{name}.keras").read_bytes())
    compare = ["compare", "a.keras", "copy.keras", "-o", "report.json", "--cache-dir", "cache"]

    def compared(*options: str) -> tuple[int, dict[str, Any]]:
        status = run_here([*compare, *options])
        return status, json.loads(Path("report.json").read_text())["scenarios"][0]

    assert not compared()[1]["cached"]
    status, again = compared()
    assert (status, again["cached"], len(again["expectations"])) == (0, True, 2)
    status, other = compared("--expect", "different")
    assert (status, other["cached"]) == (1, True)
    (tmp_path / "copy.keras").write_bytes((folder / "nudged.keras").read_bytes())
    status, changed = compared()
    assert (status, changed["cached"]) == (1, False)


def test_a_model_without_an_input_takes_that_of_another(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "import keras\n"
        "def layer(): return keras.layers.Dense(3)\n"
        "class Own(keras.Model):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.dense = keras.layers.Dense(3)\n"
        "    def call(self, x): return self.dense(x)\n"
        "def model(): return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])\n"
    )
    for names in (["model", "layer", "Own"], ["Own", "layer", "model"]):
        models = [f"own.py:{name}" for name in names]
        assert run_here(["compare", *models, "--allow-code", "--quiet"]) == 0
    assert run_here(["compare", "own.py:Own", "own.py:layer", "--allow-code", "--quiet"]) == 1


def test_nothing_that_is_compared_is_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for output, model in (("nets.py", "nets.py:net"), ("nets.py", "nets:net"), ("a.keras",) * 2):
        before = (folder / output).read_bytes()
        arguments = ["compare", model, "copy.keras", "--allow-code", "--output", output]
        assert run_here(arguments) == 2
        assert "would be overwritten" in capsys.readouterr().err
        assert (folder / output).read_bytes() == before


def test_every_format_says_that_only_the_weights_differ(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    report = tmp_path / "report.json"
    assert run_here(["compare", "a.keras", "nudged.keras", "-o", str(report)]) == 1
    for name in ("report.md", "report.html", "report.csv"):
        assert run_here(["render", str(report), "-o", str(tmp_path / name)]) == 0
        assert "only the saved weights differ: 1 of 5 weights" in (tmp_path / name).read_text()
    github = tmp_path / "annotations"
    assert run_here(["render", str(report), "-f", "github", "-o", str(github)]) == 0
    (line, _) = github.read_text().splitlines()
    assert "expected equal, received 1 of 5 differ%0AThe architectures agree; only the" in line


@pytest.mark.parametrize(
    "command", [["watch"], ["compare", "--scheduler", "tcp://x:1", "-o", "rows.parquet"]]
)
def test_commands_that_take_scenarios_refuse_models(
    folder: Path,
    command: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    assert run_here([*command, "a.keras", "copy.keras"]) == 2
    assert "takes scenarios, and a.keras is a model" in capsys.readouterr().err


def test_paths_in_python(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (pair,) = layerlens.compare("a.keras", Path("nudged.keras")).scenarios[0].pairs
    assert pair.saved_weights is not None
    assert [one.reference for one in pair.saved_weights.differing] == ["dense/kernel"]
    (pair,) = layerlens.compare(["a.keras", "nudged.keras"], weights="carried").scenarios[0].pairs
    assert pair.saved_weights is None
    (pair,) = layerlens.compare("a.keras", "nets.py:net", allow_code=True).scenarios[0].pairs
    assert (pair.verdict, pair.saved_weights) == ("equivalent", None)


def test_permuted_units_are_other_weights_and_the_same_outputs(
    tmp_path: Path, backend: None
) -> None:
    """The outputs as saved agree although the weights differ."""
    import keras

    def two(order: list[int]) -> Any:
        keras.utils.set_random_seed(1)
        layers = [keras.layers.Dense(4, "relu"), keras.layers.Dense(2)]
        model = keras.Sequential([keras.Input((3,)), *layers])
        (kernel, bias), (kernel2, bias2) = (layer.get_weights() for layer in model.layers)
        model.layers[0].set_weights([kernel[:, order], bias[order]])
        model.layers[1].set_weights([kernel2[order], bias2])
        return model

    two([0, 1, 2, 3]).save(tmp_path / "a.keras")
    two([3, 2, 1, 0]).save(tmp_path / "b.keras")
    paths = [tmp_path / "a.keras", tmp_path / "b.keras"]
    (pair,) = layerlens.compare(*paths).scenarios[0].pairs
    saved = pair.saved_weights
    assert saved is not None
    assert (pair.verdict, saved.verdict, len(saved.differing)) == ("equivalent", "equivalent", 2)
    assert "As saved, the outputs agree on all probes that were run." in pair.explanation
    assert saved.max_abs is not None
    assert math.isfinite(saved.max_abs)
