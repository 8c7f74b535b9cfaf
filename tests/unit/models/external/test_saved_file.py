"""Saved models: what is read, what is refused before anything of it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import pytest

from layerlens.errors import LayerlensError, UnsafeCodeError
from layerlens.models.external.saved_file import code_parts, read_saved, refuse_code
from tests.unit.models.external.saved_files import refusal, repacked


def test_what_keras_writes_is_read_and_holds_no_code(
    keras_file: Path, h5_file: Path, model: Any, tmp_path: Path
) -> None:
    described = tmp_path / "model.json"
    described.write_text(model.to_json())
    for path, kind in ((keras_file, "keras"), (h5_file, "h5"), (described, "json")):
        saved = read_saved(path)
        assert (saved.kind, saved.config["class_name"]) == (kind, "Functional")
        assert list(code_parts(saved.config)) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.keras", b"", "m.keras is empty"),
        ("m.keras", b"PK\x03\x04 and no more", "m.keras is damaged or incomplete"),
        ("m.keras", b"no archive", "is damaged or not a saved model: it is not a zip archive"),
        ("m.h5", b"\x89HDF\r\n\x1a\n and no more", "m.h5 is damaged or incomplete"),
        ("m.h5", b"PK\x03\x04....", "m.h5 has the suffix .h5 but the content of a .keras file"),
        ("m.json", b"{", "m.json does not hold valid JSON"),
        ("m.json", b"\xff\xfe\x00", "m.json is not text"),
        ("m.json", b"[1, 2]", "is valid JSON but does not describe a Keras model"),
        ("m.json", b'{"a":' * 100_000, "m.json holds values that are nested more than 128 deep"),
        ("m.pb", b"x", "has the suffix '.pb'; saved models end in `.keras`, `.h5`"),
    ],
)
def test_each_kind_of_damage_has_its_own_message(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refusal(tmp_path / name)


def test_missing_and_foreign_paths(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "none.keras")
    (tmp_path / "folder.keras").mkdir()
    assert "is a folder, not a saved model" in refusal(tmp_path / "folder.keras")


def test_a_truncated_file_is_damaged(keras_file: Path, h5_file: Path) -> None:
    for path in (keras_file, h5_file):
        path.write_bytes(path.read_bytes()[:-2000])
        assert "is damaged" in refusal(path)


def test_an_incomplete_archive_says_what_is_missing(keras_file: Path) -> None:
    path = repacked(keras_file, {"config.json": None, "model.weights.h5": None})
    assert "it has no `config.json` and `model.weights.h5`" in refusal(path)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1" * 4000, "11111111111111111111… (a number of 4,000 characters) is too large"),
        ("1" * 5000, "(a number of 5,000 characters) is too large"),
        (str(2**64), "18446744073709551616 is too large; integers go from"),
        ("-9999999999999999999", "-9999999999999999999 is too large"),
        ("1e400", "1e400 is beyond the range of float64"),
        ("[" * 950 + "]" * 950, "nested more than 128 deep"),
        ("[" * 150 + "]" * 150, "nested more than 128 deep"),
    ],
)
def test_values_that_no_model_has_are_refused_in_every_format(
    keras_file: Path, h5_file: Path, model: Any, tmp_path: Path, written: str, said: str
) -> None:
    text = model.to_json().replace('"units": 4', f'"units": {written}')
    assert written in text
    (tmp_path / "m.json").write_text(text)
    with h5py.File(h5_file, "r+") as file:
        file.attrs["model_config"] = text.encode()
    for path in (
        tmp_path / "m.json",
        h5_file,
        repacked(keras_file, {"config.json": text.encode()}),
    ):
        assert said in refusal(path)


def test_names_that_no_file_system_takes_are_refused(tmp_path: Path) -> None:
    assert "cannot be read: File name too long" in refusal(tmp_path / f"{'x' * 300}.json")
    assert "cannot be read: embedded null" in refusal(tmp_path / "a\0.json")


def test_a_newer_keras_is_named(keras_file: Path) -> None:
    path = repacked(keras_file, {"metadata.json": b'{"keras_version": "4.1.0"}'})
    assert "was saved by Keras 4.1.0; Keras" in refusal(path)


def test_a_newer_keras_is_named_in_hdf5_too(h5_file: Path) -> None:
    with h5py.File(h5_file, "r+") as file:
        file.attrs["keras_version"] = "5.0"
    assert "was saved by Keras 5.0; Keras" in refusal(h5_file)


def test_the_weights_inside_an_archive_are_looked_through(keras_file: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.h5"
    with h5py.File(weights, "w") as file:
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")
    path = repacked(keras_file, {"model.weights.h5": weights.read_bytes()})
    assert "links to another file at '/layers'" in refusal(path)


@keras.saving.register_keras_serializable("shop")
class Twice(keras.layers.Layer):  # type: ignore[misc]
    def call(self, inputs: Any) -> Any:
        return inputs * 2


def with_layer(layer: Any) -> Any:
    return keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(2)])


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".json"])
def test_code_is_refused_by_the_name_of_its_layer(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    model = with_layer(keras.layers.Lambda(lambda x: x + 1, name="plus"))
    if suffix == ".json":
        path.write_text(model.to_json())
    else:
        model.save(path)
    saved = read_saved(path)
    with pytest.raises(UnsafeCodeError, match="layer `plus` is a `Lambda`") as caught:
        refuse_code(saved, False, None)
    assert "--allow-code" in str(caught.value)
    refuse_code(saved, True, None)


def changed(path: Path, old: str, new: str) -> Any:
    text = json.dumps(read_saved(path).config)
    assert old in text
    return list(code_parts(json.loads(text.replace(old, new))))


def test_code_hides_in_many_places(keras_file: Path) -> None:
    """Each is one word of a harmless file changed."""
    (part,) = changed(keras_file, '"gelu"', '{"class_name": "__lambda__", "config": {}}')
    assert (part.layer, part.what) == ("last", "holds a function as bytecode")
    foreign = '"module": "os", "class_name": "L2"'
    part = changed(keras_file, '"module": "keras.regularizers", "class_name": "L2"', foreign)[0]
    assert part.what == "is a `L2` from the module `os`"
    function = '{"module": "builtins", "class_name": "function", "config": "system"}'
    (part,) = changed(keras_file, '"gelu"', function)
    assert part.what == "uses the function `system` from outside Keras"
    own = '"module": "keras.layers", "class_name": "Dense"'
    (part,) = changed(keras_file, own, '"class_name": "shop>Odd"')
    assert part.what == "is a `shop>Odd`, which is not Keras' own"
    (part,) = changed(keras_file, '"units": 4', '"units": 4, "vocabulary": "/etc/passwd"')
    assert part.what == "reads the file '/etc/passwd' as its vocabulary"
    assert changed(keras_file, '"Dense"', '"TFSMLayer"')[0].what.startswith("is a `TFSMLayer`")


def test_the_users_own_registered_class_is_no_strangers_code(tmp_path: Path) -> None:
    with_layer(Twice()).save(tmp_path / "m.keras")
    saved = read_saved(tmp_path / "m.keras")
    assert [part.registered_name for part in code_parts(saved.config)] == ["shop>Twice"]
    refuse_code(saved, False, None)


def test_every_refusal_is_an_error_of_layerlens(tmp_path: Path) -> None:
    with pytest.raises(LayerlensError):
        read_saved(tmp_path / "none.h5")
