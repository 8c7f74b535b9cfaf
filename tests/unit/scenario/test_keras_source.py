"""Classes of Keras, found and parsed without importing Keras."""

from __future__ import annotations

import subprocess
import sys

import pytest

from layerlens.scenario.keras_source import find_class, imports_of, source_of


def test_a_public_name_leads_to_the_module_that_defines_it() -> None:
    assert imports_of("keras.layers")["Dense"] == ("keras.src.layers.core.dense", "Dense")


def test_a_class_is_found_through_the_public_package() -> None:
    dense = find_class("keras.layers", "Dense")
    assert dense is not None
    assert dense.module == "keras.src.layers.core.dense"
    assert dense.initialiser is not None
    assert "units" in [argument.arg for argument in dense.initialiser.args.args]
    assert dense.documented_arguments()["units"].startswith("Positive integer")
    (base,) = dense.bases
    assert base is not None
    assert base.name == "Layer"


def test_methods_below_the_initialiser_are_not_parsed() -> None:
    dense = find_class("keras.layers", "Dense")
    assert dense is not None
    names = [getattr(statement, "name", None) for statement in dense.definition.body]
    assert names[-1] == "__init__"


def test_what_keras_does_not_define_is_not_found() -> None:
    assert find_class("keras.layers", "NoSuchLayer") is None
    with pytest.raises(FileNotFoundError):
        source_of("keras.no_such_package")


def test_nothing_is_imported() -> None:
    code = (
        "import sys\n"
        "from layerlens.scenario.keras_source import find_class\n"
        "assert find_class('keras.layers', 'Dense')\n"
        "assert 'keras' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
