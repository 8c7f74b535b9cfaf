"""The tests prove under many seeds at once; that has to be what is proved under each alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from layerlens.proof.field.residues import Field, Residues, VanishedError
from layerlens.report.pairs import CertificateRow
from layerlens.scenario.reading.scenarios import scenario_from_mapping
from tests import proving
from tests.fields_at_once import Fields, SeedsDisagreeError

SEEDS, COUNT = (3, 5, 8), 4
ALL = Fields.of_seeds(SEEDS, COUNT)
ALONE = [Field.drawn(seed, COUNT) for seed in SEEDS]
THIRD = Fraction(1, 3)


def joined(parts: Sequence[Any]) -> Residues:
    return np.concatenate(parts)


@pytest.mark.parametrize(
    "function",
    [
        lambda field, one, other: field.add(one, other),
        lambda field, one, other: field.multiply(one, other),
        lambda field, one, other: field.negative(one),
        lambda field, one, other: field.complement(one),
        lambda field, one, other: field.reduced(one + other),
        lambda field, one, other: field.reciprocal(one),
        lambda field, one, other: field.without_sign(one)[0],
        lambda field, one, other: field.hashed("f", one),
        lambda field, one, other: field.hashed("g", np.concatenate([one, [np.arange(5)] * 2])),
        lambda field, one, other: np.array(field.of(THIRD)),
        lambda field, one, other: field.of_each([THIRD, -THIRD], np.array([[0, 1, 1]])),
        lambda field, one, other: field.of_integers(np.array([1, -2])),
    ],
)
@pytest.mark.filterwarnings("error")
def test_functions_are_those_of_each_field(
    function: Callable[[Field, Residues, Residues], Residues],
) -> None:
    given = [(field.draw((5,)), field.draw((5,))) for field in ALONE]
    found = function(ALL, *map(joined, zip(*given, strict=True)))
    wanted = joined([function(field, *each) for field, each in zip(ALONE, given, strict=True)])
    assert np.array_equal(found, wanted)


def test_draws_are_those_of_each_field() -> None:
    all_drawn, alone = Fields.of_seeds(SEEDS, 2), [Field.drawn(seed, 2) for seed in SEEDS]
    for shape in ((2, 3), (), (4,)):
        wanted = joined([field.draw(shape) for field in alone])
        assert np.array_equal(all_drawn.draw(shape), wanted)


def test_what_holds_in_one_field_alone_is_no_decision() -> None:
    ones = np.ones((len(SEEDS) * COUNT, 2), np.int64)
    zero_in_one, zero_in_all = ones.copy(), ones.copy()
    zero_in_one[COUNT : 2 * COUNT, 1] = 0
    zero_in_all[:, 1] = 0
    assert ALL.is_zero(zero_in_all).tolist() == [False, True]
    assert ALL.are_equal(zero_in_all, ones).tolist() == [True, False]
    assert ALL.is_same(ones, ones)
    assert not ALL.is_same(ones, zero_in_all)
    for decide in (
        lambda: ALL.is_zero(zero_in_one),
        lambda: ALL.is_number(zero_in_one, Fraction(1)),
        lambda: ALL.are_equal(zero_in_one, ones),
        lambda: ALL.is_same(zero_in_one, ones),
        lambda: ALL.whole_numbers(zero_in_one),
        lambda: ALL.reciprocal(zero_in_one),
        lambda: ALL.fingerprints(zero_in_one),
    ):
        with pytest.raises(SeedsDisagreeError):
            decide()
    with pytest.raises(ZeroDivisionError):
        ALL.reciprocal(zero_in_all)
    zero_in_all[::COUNT] = 1
    with pytest.raises(VanishedError):
        ALL.reciprocal(zero_in_all)


def found_of(models: dict[str, Any], shape: Sequence[int | None] = (3,)) -> dict[int, Any]:
    given = {"input": {"shape": list(shape)}, "models": models}
    (scenario,) = scenario_from_mapping(given, "pair")
    return dict(proving.certificates(scenario))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("shape", "models"),
    [
        ((3,), {"a": [{"Dense": {"units": 2, "activation": "relu"}}], "b": [{"Dense": 2}, "ReLU"]}),
        ((3,), {"a": ["ReLU", "ReLU"], "b": [{"ReLU": {"max_value": 6}}]}),
        ((None, 3), {"a": [{"GRU": 2}], "b": [{"GRU": {"units": 2, "reset_after": False}}]}),
        ((4, 3), {"a": [{"Masking": {}}, {"LSTM": 2}], "b": [{"LSTM": 2}]}),
        ((4, 3), {"a": ["GlobalMaxPooling1D"], "b": [{"MaxPooling1D": 4}, "Flatten"]}),
        ((4,), {"a": ["LayerNormalization"], "b": [{"LayerNormalization": {"axis": 1}}]}),
    ],
)
def test_seeds_at_once_find_what_each_finds_alone(
    shape: Sequence[int | None], models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = found_of(models, shape)

    def one_by_one(prover: Any, seeds: Sequence[int]) -> Any:
        return [(seed, prover.certificate(seed)) for seed in seeds]

    monkeypatch.setattr(proving, "under_all", one_by_one)
    assert at_once == found_of(models, shape)


@pytest.mark.usefixtures("backend")
def test_a_wrong_proof_under_one_seed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Zeros(Field):
        def draw(self, shape: Sequence[int]) -> Residues:
            return np.zeros((len(self.primes), *shape), np.int64)

    drawn = Field.drawn

    def with_a_hole(seed: int, count: int) -> Field:
        found = drawn(seed, count)
        return Zeros(found.seed, found.primes) if seed == 7 else found

    monkeypatch.setattr(Field, "drawn", with_a_hole)
    found = found_of({"a": [{"Rescaling": 2}], "b": [{"Rescaling": 3}]})
    proved = [seed for seed, one in found.items() if isinstance(one, CertificateRow)]
    assert proved == [7]
    assert sorted(found) == list(proving.SEEDS)
