"""What people do by hand: copy the weights, run one random batch, call allclose once."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from layerlens.building import Built, Refused, build_model
from layerlens.scenario import InputSpec, Mode, Scenario
from layerlens.select import parse_select

Habit = Literal["equal", "not equal", "raises"]

BATCH = 8
LENGTH = 7  # for an axis whose length may vary

#: What torch.testing.assert_close allows float32.
TORCH_RTOL, TORCH_ATOL = 1.3e-6, 1e-5


def judge_by_habit(
    scenario: Scenario, candidate: str, mode: Mode, seed: int
) -> tuple[Habit, Habit]:
    """Return what `numpy.allclose` and torch's tolerance say; only shapes can make them raise."""
    models = [
        build_model(spec, scenario.inputs_of(spec), seed=seed, allow_code=True)
        for spec in (scenario.model(scenario.reference), scenario.model(candidate))
    ]
    if any(isinstance(model, Refused) for model in models):
        return "raises", "raises"
    reference, other = (model for model in models if isinstance(model, Built))
    try:
        other.model.set_weights(reference.model.get_weights())
    except ValueError:  # counts or shapes do not fit
        return "raises", "raises"
    batch = one_batch(reference.inputs, seed)
    expected = call(reference, batch, mode)
    actual = call(other, batch, mode)
    if expected.shape != actual.shape:
        return "raises", "raises"
    return (
        "equal" if np.allclose(actual, expected) else "not equal",
        "equal" if np.allclose(actual, expected, rtol=TORCH_RTOL, atol=TORCH_ATOL) else "not equal",
    )


def one_batch(inputs: tuple[InputSpec, ...], seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    batch = []
    for spec in inputs:
        shape = (BATCH, *(LENGTH if length is None else length for length in spec.shape))
        if spec.is_integer:
            low, high = spec.low or 0, 2 if spec.high is None else spec.high
            batch.append(generator.integers(low, high, shape).astype(spec.dtype))
        else:
            batch.append(generator.random(shape).astype(spec.dtype))
    return batch


def call(built: Built, batch: list[np.ndarray], mode: Mode) -> np.ndarray:
    """Call the model and return its outputs as one array; where it crashes, an empty one."""
    output: Any = built.model(batch[0] if len(batch) == 1 else batch, training=mode == "training")
    arrays = [np.asarray(item) for item in (output if isinstance(output, list) else [output])]
    whole = arrays[0] if len(arrays) == 1 else np.concatenate([a.ravel() for a in arrays])
    if built.spec.select:
        whole = whole[parse_select(built.spec.select)]
    return whole
