"""Whatever a file holds: scenarios, or faults with a place in it and words; never anything else."""

from __future__ import annotations

from pathlib import Path
from types import EllipsisType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layerlens.errors import ScenarioError
from layerlens.scenario.keras_catalog import layer_names
from layerlens.scenario.reading.scenarios import parse_select, read_scenarios, scenario_from_mapping
from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.positions import YamlMapping, YamlSequence

KEYS = (
    *("title", "input", "inputs", "models", "reference", "transfer", "modes", "matrix", "fit"),
    *("tolerance", "expect", "verdicts", "layers", "graph", "outputs", "file", "python", "select"),
    *("weights", "dtype", "shape", "values", "low", "high", "from", "share", "params", "units"),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from((*KEYS, *layer_names(), "${x}", "${x", "equivalent", "[:, -1]", "os:system")),
)
NAMES = st.one_of(st.sampled_from((*KEYS, *layer_names())), st.text(max_size=6))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
#: Near enough to a scenario that more is looked at than its first key.
NEAR = st.fixed_dictionaries(
    {"input": st.just({"shape": [4]}) | VALUES},
    optional={
        "models": st.dictionaries(NAMES, st.lists(VALUES, max_size=3) | VALUES, max_size=3),
        "matrix": st.dictionaries(NAMES, st.lists(SCALARS, max_size=3), max_size=2) | VALUES,
        "expect": VALUES,
        "fit": VALUES,
        "modes": VALUES,
        "tolerance": VALUES,
        "inputs": VALUES,
    },
)
#: The same examples every time; each is quick, whatever the machine is busy with.
AS_EVER = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def _check(error: ScenarioError, lines: int | None) -> None:
    assert error.faults
    for fault in error.faults:
        assert fault.message.strip()
        assert fault.where is not None
        if lines is not None and fault.where.line is not None:
            assert 1 <= fault.where.line <= lines
            assert fault.where.column is None or fault.where.column >= 1


@AS_EVER
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        read_scenarios(path)
    # YAML breaks lines at more characters than two.
    _check(caught.value, len(content) + 1)


@AS_EVER
@given(NEAR | VALUES.map(lambda value: {"models": value}))
def test_anything_like_a_scenario(data: dict[str, Any]) -> None:
    try:
        found = scenario_from_mapping(data)
    except ScenarioError as error:
        _check(error, None)
    else:
        assert found
        assert all(len(scenario.models) >= 2 for scenario in found)


@AS_EVER
@given(st.text("[]{},:&*!|>-'\"#%@ \n\tab01?<=~", max_size=60))
def test_any_marks_of_yaml(text: str) -> None:
    try:
        document = parse_yaml(text, "x.yaml")
    except ScenarioError as error:
        _check(error, len(text) + 1)
    else:
        allowed = (type(None), bool, int, float, str, YamlMapping, YamlSequence)
        assert isinstance(document.value, allowed)


@AS_EVER
@given(st.text("[]:,-.0129 ", max_size=20) | st.text(max_size=20))
def test_any_slice(text: str) -> None:
    """What is taken is a slice of NumPy's, and nothing is evaluated for it."""
    try:
        index = parse_select(text)
    except ValueError:
        return
    assert index
    assert all(part is None or isinstance(part, (int, slice, EllipsisType)) for part in index)
