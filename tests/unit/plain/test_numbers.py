"""Numbers as files write them: up to 64 bits, finite, whatever their base and length."""

from __future__ import annotations

import pytest

from layerlens.errors import ScenarioError, UsageError
from layerlens.plain.numbers import GREATEST, LEAST, NumberOutOfRangeError, whole_number
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from layerlens.scenario.slices import parse_select
from layerlens.scenario.yaml.parse import parse_yaml

TOO_LARGE = [
    "0x" + "f" * 3600,
    "0x1" + "0" * 16,
    "0o" + "7" * 4000,
    "9" * 5000,
    "9" * 4000,
    "-" + "9" * 30,
    "1_000_000_000_000_000_000_000",
    "18446744073709551616",
    "-9223372036854775809",
    "1e400",
    "-1e400",
    "9" * 400 + ".5",
]


@pytest.mark.parametrize("written", TOO_LARGE)
def test_numbers_that_do_not_fit_are_refused_at_their_place(written: str) -> None:
    for text in (f"a:\n  - {written}", f"a:\n  - !!float {written}"):
        (fault,) = parse_yaml(text, "s.yaml").faults
        assert fault.where is not None
        assert (fault.where.line, fault.where.column) == (2, 5)
        assert "is too large; integers go from" in fault.message or "float64" in fault.message
        assert len(fault.message) < 200


def test_numbers_that_fit_are_read() -> None:
    for text, value in (
        (str(GREATEST), GREATEST),
        (str(LEAST), LEAST),
        ("0x" + "0" * 5000 + "1f", 31),
        ("0x0", 0),
        ("0" * 5000 + "7", 7),
        ("0", 0),
        ("-0", 0),
        ("1e308", 1e308),
        ("-.inf", float("-inf")),
        ("1e-400", 0.0),
    ):
        assert parse_yaml(text, "s.yaml").value == value


def test_no_text_is_a_number_by_accident() -> None:
    for text in ("", "x", "0x", "0xg", "--1", "1.5"):
        with pytest.raises(ValueError, match="invalid literal") as caught:
            whole_number(text, 0 if text.startswith("0x") else 10)
        assert not isinstance(caught.value, NumberOutOfRangeError)


def test_python_s_own_numbers_have_the_same_range() -> None:
    import layerlens

    for huge in (2**64, 10**4200, -(10**4200)):
        models = {"one": [{"Dense": huge}], "other": [{"Dense": 3}]}
        with pytest.raises(ScenarioError, match="bits is too large"):
            scenario_from_mapping({"input": {"shape": [4]}, "models": models})
        with pytest.raises(UsageError, match="bits is not a seed"):
            layerlens.summary({"models": models}, seed=huge)


def test_no_axis_has_a_place_beyond_32_bits() -> None:
    for text in ("[:, 9223372036854775807]", "[:, :-9999999999]", f"[{'9' * 5000}]"):
        with pytest.raises(ValueError, match="is too large"):
            parse_select(text)
