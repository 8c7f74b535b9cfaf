"""Remedies for models in the place of layers that get other inputs than their own."""

from __future__ import annotations

import pytest

from tests.unit.models.keras_errors.remedies import cases, check_chain

pytestmark = pytest.mark.usefixtures("backend")

#: name | input shape | broken layers | words of the remedy | layers mended as it says
CHAINS = """
another shape | [6, 3] | Functional: {input: {shape: [5, 4]}, layers: [{Dense: 2}]} | \
declare `input` of this model with `shape: [6, 3]` | \
Functional: {input: {shape: [6, 3]}, layers: [{Dense: 2}]}
open length | [null, 3] | Functional: {input: {shape: [null, 4]}, layers: [{Dense: 2}]} | \
declare `input` of this model with `shape: [null, 3]` | \
Functional: {input: {shape: [null, 3]}, layers: [{Dense: 2}]}
"""


@pytest.mark.parametrize(("shape", "broken", "words", "mended"), cases(CHAINS))
def test_a_chain_is_mended_by_its_remedy(shape: str, broken: str, words: str, mended: str) -> None:
    check_chain(shape, broken, words, mended)
