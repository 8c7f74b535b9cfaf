"""Arguments that name files or code outside a scenario are refused before anything is opened."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from layerlens.cli import run
from tests.unit.tables.descriptions import RUNS_A_SAVED_MODEL, reference

#: Layers with an argument, a mapping or a path, that Keras would load.
ARGUMENTS: dict[str, tuple[str, str]] = {
    "activation": (
        "- Dense: {{units: 2, activation: {runs}}}",
        "`activation` of `Dense` is a `Functional`, a model, where an activation function or",
    ),
    "initializer": (
        "- Dense: {{units: 2, kernel_initializer: {runs}}}",
        "`kernel_initializer` of `Dense` is a `Functional`, a model, where an initializer belongs",
    ),
    "regularizer": (
        "- Dense: {{units: 2, kernel_regularizer: {downloads}}}",
        "`kernel_regularizer` of `Dense` uses the function `keras.datasets.mnist.load_data`",
    ),
    "within-an-initializer": (
        "- Dense: {{units: 2, kernel_initializer: {{class_name: RandomNormal, config: "
        "{{stddev: {runs}}}}}}}",
        "`kernel_initializer.config.stddev` of `Dense` is a `Functional`, a model, where plain",
    ),
    "dtype": ("- Dense: {{units: 2, dtype: {runs}}}", "where a dtype policy belongs"),
    "plain-data": ("- Dense: {{units: 2, name: {{x: [{downloads}]}}}}", "`name.x[0]` of `Dense`"),
    "wrapped": (
        "- TimeDistributed: {{layer: {{Dense: {{units: 2, activation: {runs}}}}}}}",
        "`activation` of `Dense` is a `Functional`",
    ),
    "cell": (
        "- RNN: {{cell: {{GRUCell: {{units: 2, recurrent_activation: {runs}}}}}}}",
        "`recurrent_activation` of `GRUCell` is a `Functional`",
    ),
    "words": (
        "- StringLookup: {{vocabulary: words.txt}}",
        "`vocabulary` of `StringLookup` reads the file 'words.txt' as its vocabulary",
    ),
    "words-of-numbers": (
        "- IntegerLookup: {{vocabulary: words.txt}}",
        "reads the file 'words.txt'",
    ),
    "endless": ("- TextVectorization: {{vocabulary: /dev/zero}}", "reads the file '/dev/zero'"),
    "pipe": ("- StringLookup: {{vocabulary: pipe}}", "reads the file 'pipe'"),
    "address": ("- StringLookup: {{vocabulary: 'gs://a/b'}}", "reads the file 'gs://a/b'"),
    "standardize": (
        "- TextVectorization: {{standardize: {downloads}}}",
        "`standardize` of `TextVectorization` uses the function",
    ),
}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *((name, "layers") for name in ARGUMENTS),
        *((name, form) for name in ("activation", "cell", "words") for form in ("graph", "matrix")),
    ],
)
def test_arguments_cannot_name_files_or_code(
    name: str,
    form: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("secret\n")
    os.mkfifo("pipe")
    layer, told = ARGUMENTS[name]
    downloads = json.dumps(reference("keras.datasets.mnist", "function", "load_data"))
    runs = json.dumps(RUNS_A_SAVED_MODEL)
    layer = layer.format(runs=runs, downloads=downloads)
    matrix = ""
    if form == "matrix":
        for given in (runs, downloads):
            if given in layer:
                matrix = f"matrix: {{value: [{given}]}}\n"
                layer = layer.replace(given, "${value}")
    model = (
        f"\n    {layer}" if form != "graph" else f" {{graph: {{y: {_node(layer)}}}, outputs: y}}"
    )
    text = f"input: {{shape: [4]}}\n{matrix}models:\n  a:{model}\n  b: [Dense: 2]\n"
    Path("s.yaml").write_text(text)
    with opened_files() as files:
        for command in ("compare", "summary"):
            assert run([command, "s.yaml", "--cache-dir", "cache"]) == 2
            said = capsys.readouterr()
            assert told in said.err
            assert "s.yaml:" in said.err.partition(told)[0]
            assert "--allow-code" in said.err
            assert "secret" not in said.out + said.err
    assert not {"words.txt", "pipe", "exported"} & {Path(name).name for name in files}


def test_a_model_as_the_argument_of_an_initializer_is_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = f"{{RandomNormal: {{stddev: {json.dumps(RUNS_A_SAVED_MODEL)}}}}}"
    layer = f"{{Dense: {{units: 2, kernel_initializer: {given}}}}}"
    Path("s.yaml").write_text(f"input: {{shape: [4]}}\nmodels:\n  a: [{layer}]\n  b: [Dense: 2]\n")
    assert run(["compare", "s.yaml", "--cache-dir", "cache"]) == 2
    assert "`stddev` of `RandomNormal` takes a number" in capsys.readouterr().err


def _node(layer: str) -> str:
    return "{" + layer.removeprefix("- ") + ", from: [input]}"


@contextlib.contextmanager
def opened_files() -> Iterator[list[str]]:
    """Context manager that collects the files that Python opens."""
    files: list[str] = []
    watched = [True]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watched[0] and event == "open" and isinstance(arguments[0], str):
            files.append(arguments[0])

    sys.addaudithook(hook)
    try:
        yield files
    finally:
        watched[0] = False  # an audit hook cannot be removed
