"""Find a condition under which two models that differ agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, permutations
from typing import Any

import numpy as np

from layerlens.explain.difference_check import DifferenceCheck
from layerlens.models.build.conditions import has_padding
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import config_constants, has_variable_axis
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.numerics.arrays import Inputs
from layerlens.report.pairs import AgreementRow, PairReport
from layerlens.scenario.notation import value_text
from layerlens.scenario.spec import Condition, ModelSpec

#: No trial starts after this many seconds of processor time.
_BUDGET = 20.0
#: The constants of the models that are tried as ends of a range, and their least size.
_MOST_CONSTANTS, _LEAST_CONSTANT = 2, 0.01
#: The orders of outputs that are tried.
_MOST_ORDERS = 6

#: Judges the pair under a condition, or with another candidate; None if that is not possible.
Judge = Callable[[Condition | ModelSpec], PairReport | None]


@dataclass(frozen=True, slots=True)
class _Trial:
    """Something to try: a condition, or a candidate whose outputs are in another order."""

    subject: Condition | ModelSpec
    text: str
    written: dict[str, Any]


def find_agreement(
    reference: Built,
    candidate: Built,
    pair: PairReport,
    judge: Judge,
    check: DifferenceCheck | None = None,
) -> AgreementRow | None:
    """Return the first condition, of the usual ones, under which the models are equivalent.

    With `check`, no condition is judged that allows an input on which the models differ.
    """
    started = time.process_time()
    for trial in _trials(reference, candidate, pair):
        if time.process_time() - started > _BUDGET:
            return None
        if check is not None and isinstance(trial.subject, Condition):
            with restoring_weights(reference, candidate):
                is_refuted = _is_refuted(trial.subject, check)
            if is_refuted:
                continue
        found = _agreement(judge(trial.subject), trial.written, trial.text)
        if found is not None:
            return found
    return None


def _is_refuted(condition: Condition, check: DifferenceCheck) -> bool:
    """Return whether the models differ on known inputs, changed to what a condition allows."""
    if check.witness.inconsistent is not None:
        return False
    inputs = _allowed(condition, check.witness.observation.batch.inputs, check.witness.sample)
    check.forget_weights()
    return inputs is not None and check.first_difference(inputs) is not None


def _allowed(condition: Condition, inputs: Inputs, sample: int) -> Inputs | None:
    """Return inputs as a condition allows them: clipped, or one sample; None for other changes."""
    if condition.unpadded or condition.lengths is not None or condition.batch not in (None, 1):
        return None
    if condition.batch == 1:
        inputs = tuple(array[sample : sample + 1] for array in inputs)
    low, high = condition.least, condition.greatest
    if low is None and high is None:
        return inputs
    return tuple(np.clip(a, low, high) if a.dtype.kind == "f" else a for a in inputs)


def agreement_in_inference(report: PairReport | None) -> AgreementRow | None:
    """Return the agreement of a pair that differs in training; `report` is that of inference."""
    return _agreement(report, {"modes": ["inference"]}, "in inference")


def _agreement(
    report: PairReport | None, written: dict[str, Any], text: str
) -> AgreementRow | None:
    if report is None or report.verdict != "equivalent" or not report.compared:
        return None
    return AgreementRow(written, text, report.compared, report.strength)


def condition_text(condition: Condition) -> str:
    """Return a condition in words, to follow "they agree" or "compared"."""
    low, high = condition.least, condition.greatest
    parts = []
    if condition.unpadded:
        parts.append("without padding (no masked step, no id 0 that means padding)")
    if condition.batch is not None:
        parts.append(f"in batches of {condition.batch}")
    if condition.lengths is not None:
        parts.append(f"for up to {condition.lengths} step{'s' * (condition.lengths != 1)}")
    if low is not None and high is not None:
        parts.append(f"for inputs in [{low:g}, {high:g}]")
    elif low is not None:
        parts.append(f"for inputs of at least {low:g}")
    elif high is not None:
        parts.append(f"for inputs of at most {high:g}")
    return " and ".join(parts)


def _trials(reference: Built, candidate: Built, pair: PairReport) -> Iterator[_Trial]:
    yield from _orders(candidate)
    for condition in _conditions(reference, candidate, pair):
        yield _Trial(condition, condition_text(condition), condition.written())


def _conditions(reference: Built, candidate: Built, pair: PairReport) -> Iterator[Condition]:
    both = (reference, candidate)
    if any(map(has_padding, both)):
        yield Condition(unpadded=True)
    if has_variable_axis(reference):
        yield from (Condition(lengths=length) for length in _shorter(reference, pair))
    if all(spec.is_floating for spec in reference.inputs):
        yield from _ranges(both)
    if reference.batch_size is None and candidate.batch_size is None:
        yield Condition(batch=1)


def _shorter(reference: Built, pair: PairReport) -> Iterator[int]:
    """Yield the length below that of the counterexample, and one step."""
    if pair.counterexample is None:
        return
    given = pair.counterexample.input
    arrays = list(given.values()) if isinstance(given, dict) else [given]
    lengths = [
        length
        for spec, array in zip(reference.inputs, arrays, strict=True)
        for length, size in zip(_lengths(array), spec.shape, strict=False)
        if size is None
    ]
    shorter = max(lengths, default=0) - 1
    yield from dict.fromkeys(length for length in (shorter, 1) if length >= 1)


def _lengths(array: Any) -> list[int]:
    """Return the lengths of the axes of one sample in nested lists."""
    lengths = []
    item = array[0] if array else []
    while isinstance(item, (list, tuple)):
        lengths.append(len(item))
        item = item[0] if item else None
    return lengths


def _ranges(both: tuple[Built, Built]) -> Iterator[Condition]:
    found = {abs(value) for value in config_constants(both) if abs(value) >= _LEAST_CONSTANT}
    constants = sorted(found, reverse=True)[:_MOST_CONSTANTS]
    for constant in constants:  # wide ranges first
        yield Condition(greatest=constant)
        yield Condition(least=-constant)
    yield Condition(least=0.0)
    yield Condition(greatest=0.0)
    for constant in constants:
        yield Condition(least=-constant, greatest=constant)
        yield Condition(least=0.0, greatest=constant)


def _orders(candidate: Built) -> Iterator[_Trial]:
    """Yield the candidate with its outputs in other orders."""
    spec = candidate.spec
    if len(spec.outputs) < 2 or len(spec.outputs) != len(candidate.model.outputs):
        return
    for order in islice(permutations(spec.outputs), 1, 1 + _MOST_ORDERS):
        text = f"with the outputs of `{spec.name}` in the order {value_text(order)}"
        yield _Trial(replace(spec, outputs=order), text, {"outputs": list(order)})
