"""Values written into `expect:`, with everything else in the file unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport
from layerlens.testing.update_expect import (
    ExpectationFile,
    NotUpdated,
    as_written,
    common_value,
    has_empty_expect,
    joint_verdict,
    measured_expectations,
)

HEAD = """\
# a comment in front
title:   'spaced   oddly'
input: { shape: [ 4 ] }   # and one behind
models:
    a: [Dense: 3]
    "b c":
    - Dense: {units: 3,
              use_bias: false}
"""


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(expect: str, head: str = HEAD) -> ExpectationFile:
        path = tmp_path / "scenario.yaml"
        path.write_bytes((head + expect).encode())
        return ExpectationFile(path)

    return write


def text_of(file: ExpectationFile) -> str:
    return file.path.read_bytes().decode()


@pytest.mark.parametrize(
    ("before", "keys", "value", "after"),
    [
        ("expect: {verdicts: {b c: different}}  # why", ("verdicts", "b c"), "equivalent", None),
        ("expect: {verdicts: {b c: 'different'}}", ("verdicts", "b c"), "equivalent", None),
        (
            'expect:\n  "verdicts":\n    "b c":   "different"',
            ("verdicts", "b c"),
            "equivalent",
            None,
        ),
        ("expect: {models: {a: {params: 1_5 , error: x}}}", ("models", "a", "params"), 20, "20 ,"),
        (
            "expect:\r\n  models:\r\n    a: {params: 7}\r\n",
            ("models", "a", "params"),
            15,
            "15}\r\n",
        ),
        (
            "expect: {models: {a: {output_shape: [ ~, 4,3 ]}}}",
            ("models", "a", "output_shape"),
            [None, 5, 3],
            "[ ~, 5,3 ]",
        ),
        (
            "expect: {models: {a: {output_shape: [null, 4]}}}",
            ("models", "a", "output_shape"),
            [None, 6, 4],
            "[null, 6, 4]",
        ),
        (
            "expect:\n models:\n  a:\n   output_shape:\n   - null # batch\n   - 4 # units\n",
            ("models", "a", "output_shape"),
            [None, 3],
            "   - null # batch\n   - 3 # units\n",
        ),
        (
            "expect:\n models:\n  a:\n   output_shape:\n   - null\n   - 4\n   params: 1",
            ("models", "a", "output_shape"),
            [None, 6, 4],
            "output_shape:\n   - null\n   - 6\n   - 4\n   params: 1",
        ),
        (
            "expect: {models: {a: {output_shape: [[null, 4], [null, 2]]}}}",
            ("models", "a", "output_shape"),
            [[None, 4], [None, 3]],
            "[[null, 4], [null, 3]]",
        ),
        (
            "expect: {verdicts: {b c: different}}",
            ("verdicts", "b c"),
            {"inference": "equivalent", "training": "different"},
            "{inference: equivalent, training: different}",
        ),
    ],
)
def test_only_the_value_is_changed(
    file: Any, before: str, keys: tuple[str, ...], value: Any, after: str | None
) -> None:
    target = file(before)
    assert target.put(keys, value)
    written = text_of(target)
    if after is None:
        assert written == HEAD + before.replace("different", str(value))
    else:
        assert after in written
        assert written.startswith(HEAD)
    assert not target.put(keys, value), "the second time there is nothing to write"
    assert text_of(target) == written


@pytest.mark.parametrize(
    ("expect", "keys", "value"),
    [
        ("expect: {models: {a: {params: 1_5}}}", ("models", "a", "params"), 15),
        ("expect: {models: {a: {params: 0xf}}}", ("models", "a", "params"), 15),
        (
            "expect: {models: {a: {output_shape: [Null, ~]}}}",
            ("models", "a", "output_shape"),
            [None] * 2,
        ),
        ('expect: {verdicts: {b c: "different"}}', ("verdicts", "b c"), "different"),
    ],
)
def test_an_equal_value_keeps_its_spelling(
    file: Any, expect: str, keys: tuple[str, ...], value: Any
) -> None:
    target = file(expect)
    modified = target.path.stat().st_mtime_ns
    assert not target.put(keys, value)
    assert text_of(target) == HEAD + expect
    assert target.path.stat().st_mtime_ns == modified


@pytest.mark.parametrize(
    ("expect", "keys", "reason"),
    [
        (
            "expect: {models: {a: &m {params: 1}, b c: *m}}",
            ("models", "a", "params"),
            "other parts",
        ),
        (
            "expect: {models: {a: &m {params: 1}, b c: *m}}",
            ("models", "b c", "params"),
            "other parts",
        ),
        ("expect: {models: {a: {params: &n 1}}}", ("models", "a", "params"), "other parts"),
        ("expect: {models: {a: {params: !!int 1}}}", ("models", "a", "params"), "other parts"),
        ('expect: {models: {a: {params: "${n}"}}}', ("models", "a", "params"), "from the matrix"),
        ("expect: {models: {a: {params: ${n}}}}", ("models", "a", "params"), "from the matrix"),
        (
            "x: &x {params: 1}\nexpect: {models: {a: {<<: *x}}}",
            ("models", "a", "params"),
            "is not in `expect:` itself",
        ),
        (
            "expect:\n  models:\n    a:\n      output_shape:\n      - null # batch\n      - 4\n",
            ("models", "a", "output_shape"),
            "it contains a comment",
        ),
    ],
)
def test_a_value_that_cannot_be_changed_alone_is_left(
    file: Any, expect: str, keys: tuple[str, ...], reason: str
) -> None:
    target = file(expect)
    with pytest.raises(NotUpdated, match=reason):
        target.put(keys, [None, 2, 3] if keys[-1] == "output_shape" else 2)
    assert text_of(target) == HEAD + expect


def test_a_file_that_changed_since_it_was_read_is_left(file: Any) -> None:
    target = file("expect: {models: {a: {params: 1}}}")
    edited = text_of(target) + "# being edited\n"
    target.path.write_text(edited)
    with pytest.raises(NotUpdated, match="changed while the tests ran"):
        target.put(("models", "a", "params"), 2)
    assert text_of(target) == edited


def test_the_byte_order_mark_is_kept_and_other_encodings_are_left(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    text = HEAD + "expect: {models: {a: {params: 1}}}\n"
    path.write_bytes(text.encode("utf-8-sig"))
    ExpectationFile(path).put(("models", "a", "params"), 2)
    assert path.read_bytes() == text.replace("params: 1", "params: 2").encode("utf-8-sig")
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(NotUpdated, match="not in UTF-8"):
        ExpectationFile(path)


MEASURED = {
    "verdicts": {"b c": {"inference": "equivalent", "training": "different"}},
    "models": {"a": {"params": 15, "output_shape": [None, 3]}, "yes": {"params": 1}},
}
BLOCK = """\
expect:{comment}
  verdicts: {{"b c": {{inference: equivalent, training: different}}}}
  models:
    a: {{params: 15, output_shape: [null, 3]}}
    "yes": {{params: 1}}
"""


@pytest.mark.parametrize(
    ("expect", "comment", "rest"),
    [
        ("expect: {}", "", ""),
        ("expect:", "", ""),
        ("expect: {}\n", "", ""),
        ("expect: {}  # to come\nmodes: [inference, training]\n", "  # to come", "modes: [infer"),
        ("expect:  # to come\n\nmodes: [inference]\n", "  # to come", "\nmodes: [infer"),
        ("expect: ~\r\nquestion: why?\r\n", "", "question: why?\r\n"),
    ],
)
def test_an_empty_expect_is_filled_in_block_style(
    file: Any, expect: str, comment: str, rest: str
) -> None:
    target = file(expect)
    assert has_empty_expect(target.path)
    assert target.fill(MEASURED)
    written = text_of(target)
    block = BLOCK.format(comment=comment)
    assert written.startswith(HEAD + (block.replace("\n", "\r\n") if "\r" in expect else block))
    assert rest in written
    assert not has_empty_expect(target.path)


def test_an_empty_expect_is_filled_in_flow_style(file: Any) -> None:
    head = "{input: {shape: [4]}, models: {a: [Dense: 3], b c: [Dense: 3]}, "
    target = file("expect: {}}\n", head=head)
    assert target.fill({"verdicts": {"b c": "equivalent"}})
    assert text_of(target) == head + 'expect: {verdicts: {"b c": equivalent}}}\n'


def report(units: int, verdict: Any = "equivalent") -> ScenarioReport:
    models = tuple(
        ModelReport(name, 5 * units, 5 * units, 0, (None, 7, units), ()) for name in ("a", "b")
    )
    pair = PairReport("a", "b", "inference", verdict, None, "")
    return ScenarioReport(
        "s.yaml", None, {"units": units}, "pass", 0.1, models=models, pairs=(pair,)
    )


def test_values_that_differ_between_cells_are_not_written() -> None:
    assert common_value([[None, 3], [None, 3]]) == [None, 3]
    with pytest.raises(NotUpdated, match=r"measured 10 and 15$"):
        common_value([10, 15, 10])
    figures = {"params": 10, "output_shape": [None, 7, 2]}
    assert measured_expectations([report(2)]) == {
        "verdicts": {"b": "equivalent"},
        "models": {"a": figures, "b": figures},
    }
    assert measured_expectations([report(2), report(3)]) == {"verdicts": {"b": "equivalent"}}
    assert measured_expectations([report(2), report(3, "different")]) == {}
    assert "verdicts" not in measured_expectations([report(2, "inconclusive")])


GRADED = {"verdict": "equivalent", "strength": "certified"}


def test_the_parts_of_a_graded_verdict_are_updated(file: Any) -> None:
    target = file(
        "expect:\n  verdicts:\n    b c: {strength: certified,  verdict: equivalent}  # why\n"
    )
    keys = ("verdicts", "b c")
    assert not target.update(keys, GRADED)
    assert target.update(keys, {**GRADED, "strength": "tested"})
    assert "b c: {strength: tested,  verdict: equivalent}  # why" in text_of(target)
    assert target.update(keys, "different")
    assert text_of(target).endswith("b c: different  # why\n")


def test_a_graded_verdict_in_a_block_is_replaced(file: Any) -> None:
    target = file(
        "expect:\n  verdicts:\n    b c:\n      verdict: equivalent\n      strength: tested\n"
    )
    assert target.update(("verdicts", "b c", "strength"), "certified")
    assert target.value(("verdicts", "b c")) == GRADED
    assert target.update(("verdicts", "b c"), "different")
    assert target.value(("verdicts", "b c")) == "different"


@pytest.mark.parametrize(
    ("before", "verdict", "strength", "after"),
    [
        ("equivalent", "different", None, "different"),
        (GRADED, "equivalent", "weak", {**GRADED, "strength": "weak"}),
        (GRADED, "different", None, "different"),
        ({"verdict": "different"}, "equivalent", "tested", {"verdict": "equivalent"}),
        (None, "equivalent", "tested", "equivalent"),
    ],
)
def test_a_verdict_keeps_its_form(before: Any, verdict: Any, strength: Any, after: Any) -> None:
    assert as_written(before, verdict, strength) == after


def test_modes_that_agree_have_one_verdict() -> None:
    tested = {**GRADED, "strength": "tested"}
    assert joint_verdict({"inference": GRADED, "training": tested}) == tested
    assert joint_verdict({"inference": "different", "training": "different"}) == "different"
    apart = {"inference": GRADED, "training": "different"}
    assert joint_verdict(apart) == apart
