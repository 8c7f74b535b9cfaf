"""Reports that several test files read, each computed once."""

from __future__ import annotations

import pytest

from layerlens.report.run import ScenarioReport
from tests.unit.tables.explained import TOKENS, masked, ran


@pytest.fixture(scope="session")
def padded(backend: None) -> ScenarioReport:
    """A pair that differs at padded steps alone."""
    return ran({"a": masked(), "b": masked(zero_output_for_mask=True)}, TOKENS)


@pytest.fixture(scope="session")
def wrapped(backend: None) -> ScenarioReport:
    """An equivalent pair: a layer in `TimeDistributed`, and the layer itself."""
    one = [{"TimeDistributed": {"layer": {"Dense": 2}}}]
    return ran({"td": one, "dense": [{"Dense": 2}]}, {"shape": [40, 3]})
