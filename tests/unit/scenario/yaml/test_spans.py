"""The characters that each value of a YAML text takes."""

from __future__ import annotations

import pytest

from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.spans import YamlSpans


def spans_of(text: str) -> YamlSpans:
    spans = YamlSpans(text)
    parse_yaml(text, "a.yaml", spans.handle)
    return spans


@pytest.mark.parametrize(
    ("text", "keys", "value"),
    [
        ("a: 1\nb: {c: two }\n", ("b", "c"), "two"),
        ("a: 1\nb: {c: two }\n", ("b",), "{c: two }"),
        ("a:\n  - 1\n  - [2, 3]\n\nb: 4\n", ("a",), "- 1\n  - [2, 3]"),
        ("'${x}': ${y}\n", ("${x}",), "${y}"),
        ("a: 'q'  # why\n", ("a",), "'q'"),
        ("{a: [1], b: 2}", (), "{a: [1], b: 2}"),
    ],
)
def test_a_span_has_exactly_its_value(text: str, keys: tuple[str, ...], value: str) -> None:
    span = spans_of(text).find(keys)
    assert span is not None
    assert text[span.start : span.end] == value
    assert not span.is_shared


def test_an_empty_value_is_after_its_colon() -> None:
    span = spans_of("a: 1\nb :\nc: 2\n").find(("b",))
    assert span is not None
    assert (span.start, span.end) == (8, 8)


def test_a_value_with_an_anchor_and_all_in_it_is_shared() -> None:
    spans = spans_of("a: &x {b: 1}\nc: *x\nd: 2\n")
    for keys in (("a",), ("a", "b"), ("c",), ("c", "b")):
        span = spans.find(keys)
        assert span is not None
        assert span.is_shared
    plain = spans.find(("d",))
    assert plain is not None
    assert not plain.is_shared


def test_items_have_spans_of_their_own() -> None:
    text = "a: [1, [2, 3]]\n"
    span = spans_of(text).find(("a",))
    assert span is not None
    assert [text[item.start : item.end] for item in span.items] == ["1", "[2, 3]"]
    assert span.is_flow


def test_a_key_that_is_merged_or_missing_has_no_span() -> None:
    spans = spans_of("a: &x {b: 1}\nc: {<<: *x}\n")
    assert spans.find(("c", "b")) is None
    assert spans.find(("z",)) is None


def test_the_document_itself() -> None:
    assert spans_of("{a: 1}").is_flow
    assert spans_of("  a: 1\n").indent == 2
    assert spans_of("# nothing\n").find(()) is None
