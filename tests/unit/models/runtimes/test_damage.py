"""The errors of a damaged folder name the damaged file and a remedy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import layerlens
from layerlens.models.runtimes.damage import damage
from layerlens.models.runtimes.process import RuntimeAnswerError, RuntimeProcess
from layerlens.models.runtimes.remedies import refusal

pytestmark = pytest.mark.usefixtures("backend")

PART = "variables/variables.data-00000-of-00001"
INDEX = "variables/variables.index"
GRAPH = "saved_model.pb"


def dense(units: int, size: int) -> Any:
    model = keras.Sequential([keras.Input((size,)), keras.layers.Dense(units)])
    model.set_weights([np.full((size, units), 0.5, "f4"), np.full(units, 0.25, "f4")])
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("saved")
    dense(3, 3).save(path / "ours.keras")
    dense(3, 3).export(path / "right", verbose=False)
    dense(2, 4).export(path / "other", verbose=False)
    return path


@pytest.fixture(scope="module")
def process() -> Iterator[RuntimeProcess]:
    """One TensorFlow for all folders."""
    started = RuntimeProcess("saved_model")
    yield started
    started.close()


def cut(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return change


def flip(folder: Path) -> None:
    content = bytearray((folder / PART).read_bytes())
    content[8] ^= 16
    (folder / PART).write_bytes(content)


def other_graph(folder: Path) -> None:
    shutil.copy(folder.parent / "other" / GRAPH, folder / GRAPH)


DAMAGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "graph cut off": (cut(GRAPH), "`saved_model.pb` is cut off, or no graph of TensorFlow"),
    "text for a graph": (
        lambda folder: (folder / GRAPH).write_text("hello"),
        "`saved_model.pb` is cut off, or no graph of TensorFlow",
    ),
    "empty graph": (lambda folder: (folder / GRAPH).write_bytes(b""), "`saved_model.pb` is empty"),
    "other graph": (other_graph, "`saved_model.pb` and `variables` are of two different models"),
    "variables cut off": (cut(PART), "the variables in `variables` are cut off or changed"),
    "variables changed": (flip, "the variables in `variables` are cut off or changed"),
    "index cut off": (cut(INDEX), "`variables/variables.index` is cut off or changed"),
    "no variables": (
        lambda folder: shutil.rmtree(folder / "variables"),
        "`variables/variables.index` is missing",
    ),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_folder(kind: str, folders: Path, process: RuntimeProcess) -> None:
    change, expected = DAMAGED[kind]
    folder = folders / kind.replace(" ", "_")
    shutil.copytree(folders / "right", folder)
    change(folder)
    with pytest.raises(RuntimeAnswerError) as caught:
        process.ask({"op": "load", "path": str(folder)})
    assert damage(process.about(), caught.value) == f"is damaged: {expected}"


def test_a_right_folder(folders: Path, process: RuntimeProcess) -> None:
    head, _ = process.ask({"op": "load", "path": str(folders / "right")})
    assert head["inputs"][0]["shape"] == [None, 3]


def saved_function(folder: Path, call: Callable[[Any], Any], name: str = "serving_default") -> Path:
    import tensorflow as tf

    function = tf.function(call, input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
    signatures = {name: function.get_concrete_function()}
    tf.saved_model.save(tf.Module(), str(folder), signatures=signatures)
    return folder


def told(process: RuntimeProcess, folder: Path, *, run: bool = False) -> tuple[str, str | None]:
    """Return why a folder cannot be loaded, or run, and what would help."""
    head: dict[str, Any] = {"op": "load", "path": str(folder)}
    arrays: list[Any] = []
    if run:
        process.ask(head)
        head, arrays = {"op": "run", "precision": "working"}, [np.ones((2, 3), "f4")]
    with pytest.raises(RuntimeAnswerError) as caught:
        process.ask(head, arrays)
    assert damage(process.about(), caught.value) is None
    found = refusal(process.about(), caught.value)
    return found.message, found.hint


def test_another_signature(tmp_path: Path, process: RuntimeProcess) -> None:
    folder = saved_function(tmp_path / "m", lambda x: {"y": x}, "predict")
    message, hint = told(process, folder)
    assert message.endswith("the folder has no signature `serving_default`; it has: predict")
    assert hint is not None
    assert 'signatures={"serving_default": function}' in hint


def test_no_outputs(tmp_path: Path, process: RuntimeProcess) -> None:
    message, hint = told(process, saved_function(tmp_path / "m", lambda x: {}))
    assert message.endswith("the signature `serving_default` has no outputs")
    assert hint == "return the outputs from the function that is exported"


def test_a_function_of_python(tmp_path: Path, process: RuntimeProcess) -> None:
    import tensorflow as tf

    def call(x: Any) -> Any:
        return {"y": tf.numpy_function(lambda array: array, [x], tf.float32)}

    message, hint = told(process, saved_function(tmp_path / "m", call), run=True)
    assert "cannot run a function of Python (`tf.numpy_function`" in message
    assert "Traceback" not in message
    assert hint is not None


def test_an_assertion_names_its_node(tmp_path: Path, process: RuntimeProcess) -> None:
    import tensorflow as tf

    def call(x: Any) -> Any:
        tf.debugging.assert_less(tf.reduce_max(x), 0.0, message="too large")
        return {"y": x}

    message, _ = told(process, saved_function(tmp_path / "m", call), run=True)
    assert "at node `assert_less/Assert" in message
    assert "[too large]" in message
    assert "stack traces" not in message


def test_it_costs_its_own_scenario(folders: Path) -> None:
    damaged, ours, right = (str(folders / name) for name in ("lacking", "ours.keras", "right"))
    shutil.copytree(right, damaged)
    (folders / "lacking" / INDEX).unlink()
    (error,) = layerlens.compare(ours, damaged, allow_code=True).scenarios[0].errors
    assert error.message == f"lacking is damaged: `{INDEX}` is missing"
    assert error.hint == "export it again, or copy the whole folder"
    (scenario,) = layerlens.compare(ours, right, allow_code=True).scenarios
    assert scenario.pairs[0].verdict == "equivalent"
