"""Models that others wrote: saved and loaded, changed, and written as a part of another model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.real.models import MODELS, Foreign

pytestmark = [
    pytest.mark.real,
    # These packages warn of each other and of NumPy.
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.parametrize("foreign", [pytest.param(one, id=one.name) for one in MODELS]),
]


def verdict(*models: Any) -> str:
    import layerlens

    (scenario,) = layerlens.compare(*models, allow_code=True).scenarios
    assert scenario.errors == ()
    (pair,) = scenario.pairs
    return pair.verdict


def test_a_saved_model_is_the_same(foreign: Foreign, tmp_path: Path) -> None:
    file = tmp_path / "saved.keras"
    model = foreign.made()
    model.save(file)
    assert verdict(model, file) == "equivalent"


def test_a_change_is_seen(foreign: Foreign) -> None:
    assert verdict(foreign.made(), foreign.made(**foreign.change)) == foreign.verdict


def test_a_model_as_a_part_of_another_is_the_same(foreign: Foreign) -> None:
    import keras

    model = foreign.made()
    given = keras.tree.map_structure(
        lambda one: keras.Input(one.shape[1:], dtype=one.dtype, name=one.name), model.input
    )
    assert verdict(model, keras.Model(given, foreign.made()(given))) == "equivalent"
