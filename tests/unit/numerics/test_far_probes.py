"""At far lengths, steps at one end stand out in ways that tell whether the other end sees them."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerlens.numerics.far_probes import KINDS, far_probes
from layerlens.numerics.probes import Domain
from layerlens.scenario.spec import InputSpec


def drawn(*shape: int, axes: tuple[int, ...] = (1,), dtype: str = "float32", **more: Any) -> Any:
    domain = Domain(InputSpec("x", shape, dtype), shape, **more)
    return {probe.name: probe.inputs[0][0] for probe in far_probes([domain], axes, 0)}


def test_every_kind_is_one_sample_and_the_plain_one_comes_first() -> None:
    found = drawn(50, 2)
    assert list(found) == [name for name, _, _ in KINDS]
    assert next(iter(found)) == "normal"
    assert all(array.shape == (50, 2) and array.dtype == "float32" for array in found.values())


def test_the_ends_stand_out() -> None:
    found = drawn(50, 2)
    assert found["first_steps"][:3].all()
    assert not found["first_steps"][3:].any()
    assert found["last_above"][:47].max() < 0 < found["last_above"][47:].min()
    assert found["first_below"][:3].max() < 0 < found["first_below"][3:].min()
    assert not found["last_silent"][47:].any()
    assert found["last_silent"][:47].all()


def test_along_several_axes_it_is_a_corner() -> None:
    array = drawn(20, 30, 1, axes=(1, 2))["first_steps"]
    assert array[:3, :3].all()
    assert np.count_nonzero(array) == 9


def test_whole_numbers_stay_in_their_range() -> None:
    found = drawn(40, dtype="int32", low=2, high=9)
    assert all(array.min() >= 2 and array.max() < 9 for array in found.values())
    assert (found["first_steps"][3:] == 2).all()
    assert (found["first_steps"][:3] > 2).all()
    assert (found["last_below"][37:] == 2).all()
    assert (found["last_below"][:37] == 8).all()


def test_truth_values_and_words_stand_out_as_well() -> None:
    flags = drawn(40, dtype="bool")["first_above"]
    assert flags[:3].all()
    assert not flags[3:].any()
    words = drawn(40, dtype="string", words=("a", "b", "c"))
    assert set(words["normal"].tolist()) <= {"a", "b", "c"}
    assert set(words["first_steps"][3:].tolist()) == {"a"}
