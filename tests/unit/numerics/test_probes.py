from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerlens.numerics.probes import (
    BATCH_BUDGET,
    FLOAT_PROBES,
    INTEGER_PROBES,
    Domain,
    Probe,
    draw_probes,
    generator,
    join,
    user_probe,
)
from layerlens.scenario.spec import InputSpec


def domain(*shape: int, low: int = 0, high: int = 2, **spec: Any) -> Domain:
    words = spec.pop("words", ())
    return Domain(InputSpec("input", shape, **spec), shape, low, high, words)


def drawn(*domains: Domain, seed: int = 0, samples: int = 64, **more: Any) -> dict[str, Any]:
    """Probe name → the array of the first input."""
    probes = draw_probes(domains, seed, samples=samples, **more)
    return {probe.name: probe.inputs[0] for probe in probes}


# --- floating inputs ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def floats() -> dict[str, Any]:
    return drawn(domain(6, 5))


def test_every_kind_is_drawn_in_the_declared_shape_and_dtype(floats: dict[str, Any]) -> None:
    assert list(floats) == [name for name, _ in FLOAT_PROBES]
    for array in floats.values():
        assert array.shape == (64, 6, 5)
        assert array.dtype == np.float32
        assert np.isfinite(array).all()


def test_each_kind_is_what_its_name_says(floats: dict[str, Any]) -> None:
    assert (floats["normal"] < 0).any()
    assert (floats["normal"] > 0).any()
    assert floats["uniform"].min() >= 0
    assert floats["uniform"].max() <= 1
    assert floats["negative"].max() < 0
    assert not floats["zeros"].any()
    assert (floats["ones"] == 1).all()
    assert 0 < np.abs(floats["tiny"]).max() < 1e-4
    assert 0 < np.abs(floats["minute"]).max() < 1e-7
    assert np.abs(floats["large"]).max() > 1e3
    assert (floats["saturating"] > 6).any()
    assert (floats["saturating"] < -6).any()
    assert (floats["one_hot"].sum(axis=-1) == 1).all()
    assert (np.count_nonzero(floats["impulse"], axis=(1, 2)) == 1).all()
    assert (np.ptp(floats["constant_rows"], axis=-1) == 0).all()
    spread = np.ptp(floats["nearly_constant"], axis=(1, 2))
    assert (spread > 0).all()
    assert (spread < 1e-2).all()
    assert not floats["zero_samples"][::2].any()
    assert floats["zero_samples"][1::2].any(axis=(1, 2)).all()


def test_ties_meet_thresholds_exactly(floats: dict[str, Any]) -> None:
    assert set(np.unique(floats["ties"])) == {n / 2 for n in range(-8, 9)}


def test_small_values_stand_beside_large_ones(floats: dict[str, Any]) -> None:
    assert (floats["negative_spread"] < 0).all()
    assert (floats["positive_spread"] > 0).all()
    assert np.ptp(np.log10(floats["positive_spread"])) > 1
    size = np.abs(floats["log_spread"])
    assert size.min() < 1e-5
    assert size.max() > 1e2


@pytest.mark.parametrize(
    ("name", "last_is_zero", "first_is_zero"),
    [("padded_end", True, False), ("padded_front", False, True)],
)
def test_whole_steps_are_zeroed_where_padding_stands(
    floats: dict[str, Any], name: str, last_is_zero: bool, first_is_zero: bool
) -> None:
    steps = floats[name].any(axis=-1)
    assert (~steps[:, -1]).all() == last_is_zero
    assert (~steps[:, 0]).all() == first_is_zero
    assert steps.any(axis=1).all()  # never all of it
    assert len(np.unique(steps.sum(axis=1))) > 1  # samples of several lengths


def test_holes_and_middles_leave_steps_on_both_sides(floats: dict[str, Any]) -> None:
    for name in ("padded_middle", "padded_holes"):
        steps = floats[name].any(axis=-1)
        inner = (~steps[:, 1:-1]).any(axis=1) & steps[:, 0] & steps[:, -1]
        assert inner.any(), name


def test_a_vector_has_no_steps_to_zero() -> None:
    assert drawn(domain(3))["padded_end"].shape == (64, 3)


def test_a_sample_that_is_a_scalar_can_be_drawn() -> None:
    for array in drawn(domain()).values():
        assert array.shape == (64,)


def test_the_configurations_constants_are_met_and_passed_on_both_sides() -> None:
    probes = drawn(domain(50), constants=(0.3, 6.0))
    at = probes["config_constants"]
    for value in (np.float32(0.3), np.float32(6.0)):
        for sign in (1, -1):
            here = np.float32(sign * value)
            assert (at == here).any()
            assert (at == np.nextafter(here, np.float32(np.inf))).any()
            assert (at == np.nextafter(here, np.float32(-np.inf))).any()
    beyond = probes["beyond_constants"]
    assert beyond.max() > 12.0
    assert beyond.min() < -12.0
    assert not {"config_constants", "beyond_constants"} & set(drawn(domain(50)))


# --- seeds and sizes ------------------------------------------------------------------------------


def test_a_seed_draws_the_same_and_another_something_else() -> None:
    one, again, other = (drawn(domain(4), seed=seed)["normal"] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_no_global_random_state_is_used() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    drawn(domain(4))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # type: ignore[index, arg-type]


def test_two_inputs_of_one_shape_are_drawn_apart() -> None:
    probe = draw_probes([domain(4), domain(4)], 0)[0]
    assert not np.array_equal(*probe.inputs)


def test_a_generator_depends_on_the_seed_and_on_every_label() -> None:
    first = generator(0, "a", 1).random()
    assert first == generator(0, "a", 1).random()
    assert first != generator(0, "a", 2).random()
    assert first != generator(1, "a", 1).random()


def test_wide_inputs_get_fewer_samples() -> None:
    wide = drawn(domain(BATCH_BUDGET // 32), samples=8)
    assert wide["normal"].shape[0] == 1


# --- integers, truth values, words ----------------------------------------------------------------


@pytest.fixture(scope="module")
def tokens() -> dict[str, Any]:
    return drawn(domain(8, low=0, high=5, dtype="int32"))


def test_integers_stay_in_their_range_and_dtype(tokens: dict[str, Any]) -> None:
    assert tuple(tokens) == INTEGER_PROBES
    for array in tokens.values():
        assert array.dtype == np.int32
        assert array.min() >= 0
        assert array.max() < 5


def test_each_kind_of_integers_is_what_its_name_says(tokens: dict[str, Any]) -> None:
    assert set(np.unique(tokens["every_value"])) == set(range(5))
    assert (tokens["token_low"] == 0).all()
    assert (tokens["token_high"] == 4).all()
    assert (np.ptp(tokens["repeats"], axis=1) == 0).all()
    assert len(np.unique(tokens["repeats"])) > 1
    assert (tokens["zero_end"][:, -1] == 0).all()
    assert (tokens["zero_end"][:, 0] != 0).any()
    assert (tokens["zero_front"][:, 0] == 0).all()
    assert (tokens["zero_front"][:, -1] != 0).any()
    assert (tokens["zero_holes"] == 0).mean() > 0.3
    assert (tokens["no_zero"] != 0).all()
    assert not np.array_equal(tokens["random"], tokens["random_2"])


def test_a_range_without_nought_is_never_left_for_padding() -> None:
    for array in drawn(domain(8, low=3, high=6, dtype="int64")).values():
        assert array.min() >= 3
        assert array.max() < 6


def test_a_range_of_one_value_can_be_drawn() -> None:
    for array in drawn(domain(8, low=0, high=1, dtype="uint8")).values():
        assert not array.any()


def test_integers_beside_floats_follow_the_floats_kinds() -> None:
    probes = draw_probes([domain(4), domain(3, low=0, high=7, dtype="int32")], 0, samples=8)
    assert [probe.name for probe in probes] == [name for name, _ in FLOAT_PROBES]
    whole = np.concatenate([probe.inputs[1] for probe in probes])
    assert whole.dtype == np.int32
    assert set(np.unique(whole)) == set(range(7))


def test_truth_values_are_mixed_all_false_and_all_true() -> None:
    probes = drawn(domain(6, dtype="bool"))
    assert not probes["token_low"].any()
    assert probes["token_high"].all()
    assert 0 < probes["random"].mean() < 1


def test_words_come_from_the_vocabulary() -> None:
    probes = drawn(domain(6, dtype="string", words=("", "cat", "dog")))
    assert set(np.concatenate(list(probes.values())).ravel()) == {"", "cat", "dog"}


# --- the user's own data --------------------------------------------------------------------------


def test_given_values_are_a_probe() -> None:
    probe = user_probe([domain(2, values=[[1, 2], [3, 4], [5, 6]])])
    assert probe is not None
    assert (probe.name, probe.samples) == ("values", 3)
    assert probe.inputs[0].dtype == np.float32
    assert probe.inputs[0].tolist() == [[1, 2], [3, 4], [5, 6]]


def test_inputs_without_values_are_filled_with_noughts() -> None:
    probe = user_probe([domain(2, values=[[1, 2]]), domain(3, dtype="int32")])
    assert probe is not None
    assert probe.inputs[1].tolist() == [[0, 0, 0]]
    assert probe.inputs[1].dtype == np.int32


def test_without_values_there_is_no_such_probe() -> None:
    assert user_probe([domain(2)]) is None


# --- joining --------------------------------------------------------------------------------------


def test_joined_probes_know_whose_each_sample_is() -> None:
    batch = join([Probe("a", (np.zeros((2, 3)),)), Probe("b", (np.ones((1, 3)),))])
    assert [batch.name_of(sample) for sample in range(3)] == ["a", "a", "b"]
    assert batch.inputs[0].tolist() == [[0] * 3, [0] * 3, [1] * 3]
    with pytest.raises(IndexError):
        batch.name_of(3)
