"""Faults of a file: in order, each once, and not too many."""

from __future__ import annotations

from layerlens.errors import Fault, Where
from layerlens.fault_codes import Code
from layerlens.scenario.faults import MOST_FAULTS, MOST_NAMES, Faults, misspelt, suggestion


def test_faults_go_from_top_to_bottom_and_are_not_repeated() -> None:
    faults = Faults("a.yaml")
    assert not faults
    faults.add(Code.UNKNOWN_KEY, "later", (2, 1))
    faults.add(Code.UNKNOWN_KEY, "first", (1, 9), "mend it")
    faults.add(Code.UNKNOWN_KEY, "later", (2, 1))
    assert faults
    assert faults.in_order() == (
        Fault(Code.UNKNOWN_KEY, "first", Where("a.yaml", 1, 9), "mend it"),
        Fault(Code.UNKNOWN_KEY, "later", Where("a.yaml", 2, 1)),
    )


def test_more_faults_than_can_be_read_are_counted() -> None:
    faults = Faults("a.yaml")
    for line in range(1, MOST_FAULTS + 8):
        faults.add(Code.UNKNOWN_KEY, f"fault {line}", (line, 1))
    *shown, last = faults.in_order()
    assert len(shown) == MOST_FAULTS
    assert last == Fault(Code.UNKNOWN_KEY, "and 7 more faults", Where("a.yaml"))


def test_unprintable_characters_are_escaped() -> None:
    faults = Faults("a.yaml")
    faults.add(Code.UNKNOWN_KEY, "a\x1b[2J", None, "b\x07")
    assert faults.found == [Fault(Code.UNKNOWN_KEY, "a\\x1b[2J", Where("a.yaml"), "b\\x07")]


def test_a_misspelt_key_is_found_among_the_unknown_ones() -> None:
    assert misspelt("shape", ["shap", "dtype"], ["shape", "dtype"])
    assert not misspelt("shape", ["dtype"], ["shape", "dtype"])
    assert not misspelt("shape", ["unlike"], ["shape", "dtype"])


def test_a_suggestion_has_the_nearest_name_and_few_others() -> None:
    assert suggestion("unit", ["units", "use_bias"]) == "did you mean `units`?"
    assert suggestion("used_biases", ["units", "use_bias"]) == (
        "did you mean `use_bias`? allowed: units, use_bias"
    )
    many = [f"name_{number:03}" for number in range(MOST_NAMES + 1)]
    assert suggestion("name_001x", many) == "did you mean `name_001`?"
    assert suggestion("zzz", many).endswith("name_029, …")
    assert suggestion("zzz", []) == "none is allowed here"
