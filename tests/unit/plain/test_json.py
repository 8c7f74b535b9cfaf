import re

import pytest

from layerlens.plain.json import DEEPEST, JsonError, parse_json
from layerlens.plain.numbers import count_number


def test_json_becomes_plain_values() -> None:
    assert parse_json('{"a": [1, 2.5, null, true, "x"]}') == {"a": [1, 2.5, None, True, "x"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "does not hold valid JSON: "),
        ("[1e999]", "holds a number out of range: 1e999 is beyond the range of float64"),
        (f"[{10**30}]", f"holds a number out of range: {10**30} is too large; integers go"),
        ("[" * 100_000, f"holds values that are nested more than {DEEPEST} deep"),
    ],
)
def test_what_is_wrong_follows_the_name_of_the_file(text: str, message: str) -> None:
    with pytest.raises(JsonError, match=f"^{re.escape(message)}"):
        parse_json(text)


def test_depth_is_counted_over_lists_and_mappings() -> None:
    fits = "[" * DEEPEST + "0" + "]" * DEEPEST
    assert parse_json(fits) is not None
    for beyond in (f"[{fits}]", f'{{"a": {fits}}}'):
        with pytest.raises(JsonError, match=f"nested more than {DEEPEST} deep"):
            parse_json(beyond)
    assert parse_json(f"[{fits}]", deepest=DEEPEST + 1) is not None


def test_whole_numbers_are_read_by_the_reader_given() -> None:
    assert parse_json(f"[{10**30}]", whole=count_number) == [10**30]
