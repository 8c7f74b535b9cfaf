"""The code in malicious saved models, which are real files made here, is not run.

Each file "sings", which is to write the file `sung`, if its code is run.
"""

from __future__ import annotations

import base64
import contextlib
import json
import marshal
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from layerlens.cli import run
from layerlens.errors import ModelFileError, UnsafeCodeError
from layerlens.models.external.saved_file import read_saved
from tests.unit.tables.descriptions import RUNS_A_SAVED_MODEL, allocates, reference


class Song:
    """An object that creates a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (Path("sung"), "from a pickle")


#: Keras saves a lambda as bytecode, and a function as its name.
SING = lambda x: (__import__("pathlib").Path("sung").write_text("from a layer"), x)[1]  # noqa: E731


def plain() -> Any:
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="gelu", name="d")])


def singing() -> Any:
    layers = [keras.Input((3,)), keras.layers.Lambda(SING, name="lambda")]
    return keras.Sequential([*layers, keras.layers.Dense(2)])


def saved(model: Any, name: str) -> Path:
    path = Path(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".json":
            path.write_text(model.to_json())
        else:
            model.save(path)
    return path


def edited(change: Callable[[Any], None]) -> Path:
    """Write a harmless `.keras` file with a changed config."""
    path = saved(plain(), "m.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config["config"]["layers"][1])
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def activated(by: Any) -> Path:
    return edited(lambda layer: layer["config"].update(activation=by))


def bytecode() -> Any:
    code = base64.b64encode(marshal.dumps(SING.__code__)).decode()
    return {
        "class_name": "__lambda__",
        "config": {"code": code, "defaults": None, "closure": None},
    }


def with_member(name: str, content: bytes, symlink: bool = False) -> Path:
    path = saved(plain(), "m.keras")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo(name)
        member.compress_type = zipfile.ZIP_DEFLATED
        if symlink:
            member.external_attr = 0o120777 << 16
        archive.writestr(member, content)
    return path


def pickled_weights() -> Path:
    """Write weights as an `.npz` of pickled objects, which Keras accepts instead of HDF5."""
    path = saved(plain(), "m.keras")
    with zipfile.ZipFile(path) as archive:
        kept = {n: archive.read(n) for n in archive.namelist() if not n.endswith(".h5")}
    np.savez("w.npz", __root__=np.array({"d": Song()}, dtype=object))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
        archive.writestr("model.weights.npz", Path("w.npz").read_bytes())
    Path("w.npz").unlink()
    return path


def pickle_named(name: str) -> Path:
    Path(name).write_bytes(pickle.dumps(Song()))
    return Path(name)


def hdf5_with_objects() -> Path:
    path = saved(plain(), "m.h5")
    with h5py.File(path, "r+") as file:
        weights = file["model_weights"]
        kind = h5py.special_dtype(vlen=np.dtype("uint8"))
        data = weights.create_dataset("pickled", (1,), dtype=kind)
        data[0] = np.frombuffer(pickle.dumps(Song()), "uint8")
    return path


def bomb_in_hdf5() -> Path:
    path = saved(plain(), "m.h5")
    with h5py.File(path, "r+") as file:
        zeros = file["model_weights"].create_dataset(
            "zeros", (200_000, 1000), "f4", chunks=(100, 1000), compression="gzip"
        )
        zeros[:100] = np.zeros((100, 1000), "f4")
    return path


def nested(suffix: str, **more: Any) -> Path:
    """Write three nested models, the innermost with additions to its config."""
    model = keras.Sequential([keras.Input((3,)), plain()])
    path = saved(keras.Sequential([keras.Input((3,)), model]), f"m{suffix}")

    def changed(text: bytes) -> bytes:
        config = json.loads(text)
        config["config"]["layers"][1]["config"]["layers"][1].update(more)
        return json.dumps(config).encode()

    if suffix == ".json":
        path.write_bytes(changed(path.read_bytes()))
    elif suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = changed(file.attrs["model_config"].encode())
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["config.json"] = changed(members["config.json"])
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    return path


FILES: dict[str, tuple[Callable[[], Path], str]] = {
    **{
        f"runs-as-built{suffix}": (
            lambda suffix=suffix: nested(suffix, build_config={"input_shape": RUNS_A_SAVED_MODEL}),
            "is a `Functional`, a model, where plain data belongs",
        )
        for suffix in (".keras", ".h5", ".json")
    },
    "runs-a-saved-model": (
        lambda: activated(RUNS_A_SAVED_MODEL),
        "is a `Functional`, a model, where an activation function or a layer belongs",
    ),
    "runs-as-a-layer": (
        lambda: edited(lambda layer: layer.update(RUNS_A_SAVED_MODEL)),
        "layer `switch` is a `Switch`, which calls functions passed to it (at "
        "`config.layers[1].config.layers[0]`)",
    ),
    "runs-at-once": (
        lambda: edited(lambda layer: layer.update(allocates())),
        "layer `switch` is called on no tensor of the graph",
    ),
    "large-dtype": (
        lambda: edited(lambda layer: layer.update(allocates("(1000000000,)f4"))),
        "is an array of the dtype '(1000000000,)f4'",
    ),
    "setting": (
        lambda: activated(reference("keras.config", "function", "set_epsilon", "set_epsilon")),
        "uses the function `keras.config.set_epsilon`, which is not part of a model",
    ),
    "lambda.keras": (lambda: saved(singing(), "m.keras"), "layer `lambda` is a `Lambda`"),
    "lambda.h5": (lambda: saved(singing(), "m.h5"), "layer `lambda` is a `Lambda`"),
    "lambda.json": (lambda: saved(singing(), "m.json"), "layer `lambda` is a `Lambda`"),
    "bytecode": (lambda: activated(bytecode()), "holds a function as bytecode"),
    "lambda-by-another-name": (
        lambda: edited(lambda d: d.update(module="keras", class_name="layers.Lambda")),
        "is a `layers.Lambda`, which runs its own code",
    ),
    "module-beside-it": (
        lambda: activated(reference("singer", "Singer", registered="shop>Singer")),
        "is a `Singer` from the module `singer`",
    ),
    "function-of-os": (
        lambda: activated(reference("os", "function", "system", "function")),
        "uses the function `system` from outside Keras",
    ),
    "builtin": (lambda: activated(reference("builtins", "eval")), "from the module `builtins`"),
    "download": (
        lambda: activated(reference("keras.utils", "get_file")),
        "is `get_file` from `keras.utils`, which is not part of a model",
    ),
    "download-by-path": (
        lambda: activated(reference("keras", "utils.get_file")),
        "is `utils.get_file` from `keras`, which is not part of a model",
    ),
    "load-another": (
        lambda: activated(reference("builtins", "function", "load_model", "function")),
        "uses the function `load_model` from outside Keras",
    ),
    "custom": (
        lambda: edited(lambda d: d.update(module=None, class_name="Odd", registered_name="a>Odd")),
        "is a `a>Odd`, which is not Keras' own",
    ),
    "savedmodel": (
        lambda: edited(lambda d: d.update(class_name="TFSMLayer", config={"filepath": "x"})),
        "is a `TFSMLayer`, which runs its own code",
    ),
    "torch": (
        lambda: edited(lambda d: d.update(class_name="TorchModuleWrapper")),
        "is a `TorchModuleWrapper`, which runs its own code",
    ),
    "reads-a-file": (
        lambda: edited(
            lambda d: d.update(class_name="StringLookup", config={"vocabulary": "/etc/passwd"})
        ),
        "reads the file '/etc/passwd' as its vocabulary",
    ),
    "climbs-out": (lambda: with_member("../sung", b"x"), "a member that points outside"),
    "absolute": (lambda: with_member("/tmp/sung", b"x"), "a member that points outside"),
    "link": (lambda: with_member("assets/l", b"/etc", True), "a member that points outside"),
    "bomb": (lambda: with_member("assets/b", bytes(10**8)), "would expand from"),
    "bomb.h5": (bomb_in_hdf5, "declares 800,000,000 bytes but stores"),
    "pickle.h5": (lambda: pickle_named("m.h5"), "is damaged or not a saved model"),
    "pickle.keras": (lambda: pickle_named("m.keras"), "is damaged or not a saved model"),
    "objects.h5": (hdf5_with_objects, "holds objects instead of numbers"),
    "pickled-weights": (pickled_weights, "whose arrays may be pickled objects"),
}


@pytest.mark.parametrize("name", FILES)
def test_no_code_of_a_saved_model_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("singer.py").write_text("from pathlib import Path\nPath('sung').write_text('module')\n")
    make, told = FILES[name]
    path = make()
    Path("sung").unlink(missing_ok=True)  # creating a Lambda layer calls it
    Path("s.yaml").write_text(
        f"input: {{shape: [3]}}\nmodels:\n  a: {{file: {path.name}}}\n  b: [Dense: 2]\n"
    )
    before = {item.name for item in tmp_path.iterdir()}
    for command in (["compare", "s.yaml", "--no-cache"], ["summary", path.name, "--no-cache"]):
        status = run(command)
        said = capsys.readouterr().err
        assert not Path("sung").exists(), f"code of {name} ran"
        assert status == 2, said
        assert told in said
        assert "bug in layerlens" not in said
    after = {item.name for item in tmp_path.iterdir()} | {
        item.name for item in tmp_path.parent.iterdir()
    }
    assert "sung" not in after
    assert before >= {item.name for item in tmp_path.iterdir()}


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".json"])
def test_the_training_objects_of_an_inner_model_are_not_made(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The `compile_config` is ignored."""
    monkeypatch.chdir(tmp_path)
    trained = {"optimizer": RUNS_A_SAVED_MODEL, "loss": bytecode(), "metrics": allocates()}
    path = nested(suffix, compile_config=trained)
    assert run(["summary", path.name, "--no-cache"]) == 0, capsys.readouterr().err
    assert "d (Dense)" in capsys.readouterr().out
    Path("s.yaml").write_text(
        f"input: {{shape: [3]}}\nmodels:\n  a: {{file: {path.name}}}\n"
        "  b: [Dense: {units: 2, activation: gelu}]\nexpect: {verdicts: {b: equivalent}}\n"
    )
    assert run(["compare", "s.yaml", "--no-cache"]) == 0, capsys.readouterr().err


def test_the_build_config_of_a_layer_may_be_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = json.loads(plain().to_json())
    for shape in (["zeros"], [3, [4]], "zeros", {"x": None}, 3):
        flat = reference("keras.layers", "ReLU") | {"build_config": {"input_shape": shape}}
        config["config"]["layers"][1] = flat
        Path("m.json").write_text(json.dumps(config))
        assert run(["summary", "m.json", "--no-cache"]) in (0, 2), capsys.readouterr().err


def test_the_code_of_the_files_runs_when_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --allow-code the code runs, so that the other tests can fail."""
    monkeypatch.chdir(tmp_path)
    saved(singing(), "m.keras")
    Path("sung").unlink(missing_ok=True)
    assert run(["summary", "m.keras", "--allow-code", "--no-cache", "--quiet"]) == 0
    assert Path("sung").read_text() == "from a layer"
    Path("sung").unlink()
    pickle.loads(pickle_named("p.pickle").read_bytes())
    assert Path("sung").exists()


def test_damaged_files_are_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files with some bytes changed are read, or refused with a message."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for original in (saved(plain(), "m.keras"), saved(plain(), "m.h5"), saved(plain(), "m.json")):
        data = np.frombuffer(original.read_bytes(), "uint8")
        for _ in range(70):
            changed = data.copy()
            places = draw.integers(0, len(data), draw.integers(1, 20))
            changed[places] = draw.integers(0, 256, len(places))
            original.write_bytes(changed[: draw.integers(len(data) // 2, len(data) + 1)].tobytes())
            with contextlib.suppress(ModelFileError, UnsafeCodeError):
                read_saved(original)  # any other exception fails the test
