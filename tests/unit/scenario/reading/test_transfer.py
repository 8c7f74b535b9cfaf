"""`transfer:` is a method or a mapping; each fault has its place."""

from __future__ import annotations

import pytest

from layerlens.errors import ScenarioError
from layerlens.scenario.faults import Faults
from layerlens.scenario.reading.transfer import read_transfer
from layerlens.scenario.spec import TransferMapping, TransferRule, WeightPair
from layerlens.scenario.yaml.parse import parse_yaml


def _read(text: str) -> TransferRule:
    document = parse_yaml(f"transfer: {text}\n", "s.yaml")
    faults = Faults("s.yaml", list(document.faults))
    rule = read_transfer(document.value, faults)
    if faults:
        raise ScenarioError(faults.in_order())
    return rule


def _faults(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        _read(text)
    return [str(fault) for fault in caught.value.faults]


def test_a_method_is_its_name() -> None:
    assert _read("by_name") == "by_name"
    assert read_transfer(parse_yaml("title: x\n", "s.yaml").value, Faults("s.yaml")) == "auto"


def test_every_operation_is_read() -> None:
    rule = _read(
        "{pairs: [{from: a, to: b}, {from: c/kernel, to: d/kernel, transpose: [1, 0]},"
        " {from: e, to: f, reshape: [2, 3]}, {from: [g, h], to: i, join: -1},"
        " {from: j, to: [k, l], split: 0},"
        " {from: m, to: n, permute: {axis: 1, blocks: [1, 0, 2]}}], rest: by_name}"
    )
    assert isinstance(rule, TransferMapping)
    assert rule.rest == "by_name"
    plain = [WeightPair(one.sources, one.targets) for one in rule.pairs]
    assert plain[3:5] == [WeightPair(("g", "h"), ("i",)), WeightPair(("j",), ("k", "l"))]
    first, transpose, reshape, join, split, permute = rule.pairs
    assert (first.transpose, first.reshape, first.join, first.split, first.permute) == (None,) * 5
    assert transpose.transpose == (1, 0)
    assert reshape.reshape == (2, 3)
    assert (join.join, split.split) == (-1, 0)
    assert permute.permute == (1, (1, 0, 2))
    assert str(first.where) == "s.yaml:1:20"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("by_nam", "did you mean `by_name`?"),
        ("3", "`transfer` does not take the number 3"),
        ("[]", "or a mapping with `pairs`"),
        ("{}", "`pairs` of `transfer` is missing"),
        ("{pairs: []}", "`pairs` takes a list of pairs; received an empty list"),
        ("{pairs: {from: a, to: b}}", "`pairs` takes a list of pairs; received a mapping"),
        ("{pairs: [{from: a, to: b}], rests: auto}", "did you mean `rest`?"),
        ("{pairs: [{from: a, to: b}], rest: by_order}", '`rest` does not take the text "by_order"'),
        ("{pairs: [{from: a, to: b}], rest: [auto]}", "`rest` does not take a list of 1"),
        ("{pairs: [a]}", 'a pair is a mapping with `from` and `to`; received the text "a"'),
        ("{pairs: [{from: a}]}", "`to` of a pair is missing"),
        ("{pairs: [{from: a, to: 3}]}", "`to` takes the path of a weight or layer"),
        ("{pairs: [{from: '', to: b}]}", "`from` takes the path of a weight or layer"),
        ("{pairs: [{from: a, to: b, transpos: [1, 0]}]}", "did you mean `transpose`?"),
        (
            "{pairs: [{from: a, to: b, transpose: [1, 0], reshape: [2]}]}",
            "a pair has at most one operation; received `transpose` and `reshape`",
        ),
        ("{pairs: [{from: a, to: b, transpose: [1, 1]}]}", "each of 0, 1 once"),
        ("{pairs: [{from: a, to: b, transpose: 1}]}", "`transpose` takes an order of axes"),
        ("{pairs: [{from: a, to: b, reshape: [-1]}]}", "`reshape` takes a shape"),
        ("{pairs: [{from: a, to: b, reshape: [true]}]}", "`reshape` takes a shape"),
        ("{pairs: [{from: [a, b], to: c}]}", "`from` takes a list only with `join`"),
        ("{pairs: [{from: c, to: [a, b]}]}", "`to` takes a list only with `split`"),
        ("{pairs: [{from: a, to: c, join: 1}]}", "with `join`, `from` takes a list"),
        ("{pairs: [{from: a, to: c, split: 1}]}", "with `split`, `to` takes a list"),
        ("{pairs: [{from: [a], to: c, join: 1}]}", "`from` needs two or more paths; received 1"),
        ("{pairs: [{from: [a, b], to: c, join: true}]}", "`join` takes an axis; received true"),
        ("{pairs: [{from: [a, b], to: c, join: 1.5}]}", "`join` takes an axis"),
        ("{pairs: [{from: a, to: b, permute: [1, 0]}]}", "`permute` takes a mapping"),
        ("{pairs: [{from: a, to: b, permute: {axis: 1}}]}", "`blocks` of `permute` is missing"),
        (
            "{pairs: [{from: a, to: b, permute: {axis: 1, blocks: [0, 2]}}]}",
            "`blocks` takes an order of blocks; received [0, 2]",
        ),
        ("{pairs: [{from: a, to: b}, {from: a, to: c}]}", "`a` is used twice under `from`"),
        ("{pairs: [{from: a, to: b}, {from: c, to: b}]}", "`b` is used twice under `to`"),
    ],
)
def test_one_fault_each(text: str, message: str) -> None:
    (fault,) = _faults(text)
    assert fault.startswith("s.yaml:1:")
    assert message in fault
