"""The common check by hand: copy the weights, run one random batch, call allclose once.

Weights are copied by position, and reshaped where only the layout differs, so that the comparison
is judged and not the copying.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from layerlens.models.build.request import Built, Refused
from layerlens.models.build_model import build_model
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import InputSpec, Scenario
from layerlens.vocabulary import Mode

BaselineResult = Literal["equal", "not equal", "raises"]

BATCH = 8
LENGTH = 7  # for None axes

#: The tolerances of torch.testing.assert_close for float32.
TORCH_RTOL, TORCH_ATOL = 1.3e-6, 1e-5


@dataclass(frozen=True)
class BaselineJudgement:
    """The results under both tolerances, and the seconds to build both models and predict once."""

    allclose: BaselineResult
    torch: BaselineResult
    seconds: float


def judge_with_allclose(
    scenario: Scenario, candidate: str, mode: Mode, seed: int
) -> BaselineJudgement:
    """Judge a pair; `raises` where there are no two outputs of one shape."""
    started = time.perf_counter()
    outputs = two_outputs(scenario, candidate, mode, seed)
    seconds = time.perf_counter() - started
    if outputs is None:
        return BaselineJudgement("raises", "raises", seconds)
    expected, actual = outputs
    if expected.dtype.kind not in "fiu":
        result: BaselineResult = "equal" if np.array_equal(actual, expected) else "not equal"
        return BaselineJudgement(result, result, seconds)
    close = np.allclose(actual, expected)
    torch = np.allclose(actual, expected, rtol=TORCH_RTOL, atol=TORCH_ATOL)
    return BaselineJudgement(
        "equal" if close else "not equal", "equal" if torch else "not equal", seconds
    )


def two_outputs(
    scenario: Scenario, candidate: str, mode: Mode, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the outputs of both models; None where a model fails or the shapes differ."""
    models = [
        build_model(spec, scenario.inputs_of(spec), seed=seed, allow_code=True)
        for spec in (scenario.model(scenario.reference), scenario.model(candidate))
    ]
    if any(isinstance(model, Refused) for model in models):
        return None
    reference, other = (model for model in models if isinstance(model, Built))
    try:
        other.model.set_weights(reshaped(reference.model.get_weights(), other.model))
        batch = one_batch(reference.inputs, seed)
        expected, actual = call(reference, batch, mode), call(other, batch, mode)
    except Exception:  # any exception ends a check by hand as well
        return None
    return (expected, actual) if expected.shape == actual.shape else None


def reshaped(weights: list[np.ndarray], model: Any) -> list[np.ndarray]:
    """Return the weights in the shapes of the model's weights, by position."""
    own = model.get_weights()
    return [value.reshape(one.shape) for value, one in zip(weights, own, strict=True)]


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
    """Run the model and return its outputs as one array."""
    given = batch[0] if len(batch) == 1 else batch
    output: Any = (
        built.model(given, training=True)
        if mode == "training"
        else built.model.predict(given, verbose=0)
    )
    arrays = [np.asarray(item) for item in (output if isinstance(output, list) else [output])]
    whole = arrays[0] if len(arrays) == 1 else np.concatenate([a.ravel() for a in arrays])
    if built.spec.select:
        whole = whole[parse_select(built.spec.select)]
    return whole
