"""A scenario's key: the same for every spelling, another for whatever changes what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerlens.run.cache.scenario_key import NotKeyableError, files_of, meaning_of
from layerlens.scenario.reading.scenarios import read_scenarios
from layerlens.scenario.spec import ModelSpec, Scenario

BASE = """\
title: One
input: {shape: [4]}
models:
  one: [{Dense: {units: 3, activation: relu}}]
  other:
    - Dense: 3
    - Activation: relu
"""
RESPELT = """\
# As above.
question: Is it?
title: "Two"
models:
  one:
    - Dense:
        activation: "relu"
        units: 3
  other: [Dense: {units: 3}, Activation: {activation: relu}]
modes: [inference]
input:
  shape:
    - 4
expect: {verdicts: {other: different}}
"""
CHANGES = {
    "an argument": ("units: 3", "units: 4"),
    "the shape": ("[4]", "[5]"),
    "the dtype": ("{shape: [4]}", "{shape: [4], dtype: float64}"),
    "the user's data": ("{shape: [4]}", "{values: [[1, 2, 3, 4]]}"),
    "a layer": ("Activation: relu", "Activation: elu"),
    "a model's name": ("other:", "another:"),
    "the reference": ("title: One", "reference: other"),
    "the modes": ("title: One", "modes: [inference, training]"),
    "the transfer": ("title: One", "transfer: by_name"),
    "a tolerance": ("title: One", "tolerance: {rtol: 0.1, atol: 0}"),
    "the training": ("title: One", "fit: {loss: mse}"),
    "the order of layers": (
        "    - Dense: 3\n    - Activation: relu",
        "    - Activation: relu\n    - Dense: 3",
    ),
    "a dtype policy": (
        "one: [{Dense: {units: 3, activation: relu}}]",
        "one: {layers: [{Dense: {units: 3, activation: relu}}], dtype: float16}",
    ),
    "a part of the output": (
        "one: [{Dense: {units: 3, activation: relu}}]",
        'one: {layers: [{Dense: {units: 3, activation: relu}}], select: "[:, :2]"}',
    ),
    "given weights": (
        "one: [{Dense: {units: 3, activation: relu}}]",
        "one: {layers: [{Dense: {units: 3, activation: relu}}], weights: {dense/bias: [1, 2, 3]}}",
    ),
}


def read(folder: Path, text: str) -> Scenario:
    path = folder / "scenario.yaml"
    path.write_text(text)
    (found,) = read_scenarios(path)
    return found


def meaning(folder: Path, text: str) -> bytes:
    return meaning_of(read(folder, text), allow_code=False)


def test_spelling_titles_and_expectations_do_not_count(tmp_path):
    assert meaning(tmp_path, BASE) == meaning(tmp_path, RESPELT)


@pytest.mark.parametrize("change", CHANGES)
def test_all_else_does(change, tmp_path):
    before, after = CHANGES[change]
    assert before in BASE
    assert meaning(tmp_path, BASE) != meaning(tmp_path, BASE.replace(before, after, 1))


def test_one_is_not_one_point_nought(tmp_path):
    whole, fraction = (
        BASE.replace("Activation: relu", f"Rescaling: {{scale: {one}}}") for one in ("1", "1.0")
    )
    assert meaning(tmp_path, whole) != meaning(tmp_path, fraction)


def test_the_content_of_a_saved_model_counts_and_where_it_lies_does_not(tmp_path):
    text = "models: {one: {file: saved.json}, other: {file: saved.json}}\n"
    keys = []
    for name, content in (("a", "{}"), ("b", "{}"), ("c", '{"x": 1}')):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "saved.json").write_text(content)
        keys.append(meaning(folder, text))
        assert str(folder / "saved.json") in files_of(read(folder, text), allow_code=False)
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]
    (tmp_path / "a" / "saved.json").write_text('{"x": 2}')
    assert meaning(tmp_path / "a", text) not in keys


def test_a_file_that_an_argument_names_counts_where_it_may_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = BASE.replace("Activation: relu", "StringLookup: {vocabulary: words.txt}")

    def keys(*, allow_code: bool) -> set[bytes]:
        Path("words.txt").unlink(missing_ok=True)
        found = [meaning_of(read(tmp_path, text), allow_code=allow_code)]
        for words in ("a\n", "a\nb\n"):
            Path("words.txt").write_text(words)
            found.append(meaning_of(read(tmp_path, text), allow_code=allow_code))
        return set(found)

    assert len(keys(allow_code=True)) == 3
    assert len(keys(allow_code=False)) == 1
    named = str(tmp_path / "words.txt")
    assert named in files_of(read(tmp_path, text), allow_code=True)
    assert named not in files_of(read(tmp_path, text), allow_code=False)


def test_code_has_no_key(tmp_path):
    (tmp_path / "saved.json").write_text("{}")
    python = BASE.replace("one: [{Dense: {units: 3, activation: relu}}]", 'one: {python: "m:f"}')
    layer = BASE.replace("Activation: relu", 'Lambda: {function: "m:f"}')
    held = BASE.replace("Dense: 3", 'TimeDistributed: {layer: {Lambda: {function: "m:f"}}}')
    for text in (python, layer, held):
        with pytest.raises(NotKeyableError):
            meaning_of(read(tmp_path, text), allow_code=True)
    saved = read(tmp_path, "models: {one: {file: saved.json}, other: {file: saved.json}}\n")
    assert meaning_of(saved, allow_code=False)
    with pytest.raises(NotKeyableError):
        meaning_of(saved, allow_code=True)


def test_an_object_has_no_key():
    given = Scenario("<python>", "t", (ModelSpec("one", "object", given=object()),), "one")
    with pytest.raises(NotKeyableError):
        meaning_of(given, allow_code=False)
