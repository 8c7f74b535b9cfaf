"""The parts of the JSON Schema that are not derived from types."""

from __future__ import annotations

from layerlens.scenario.keras_catalog import layer_names
from layerlens.scenario.reading.schema_parts import definitions
from layerlens.vocabulary import VERDICTS


def test_the_definitions_have_every_layer_and_verdict() -> None:
    found = definitions()
    assert found["Verdict"]["enum"] == list(VERDICTS)
    assert found["Layer"]["anyOf"][0]["enum"] == list(layer_names())
