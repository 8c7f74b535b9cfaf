"""Replace one step at a time, all in one batch, and find which outputs change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerlens.dependence.mixing import SeenMap
from layerlens.dependence.perturbed_inputs import (
    FEW_SAMPLE_KINDS,
    MAX_STEPS,
    MIN_STEPS,
    SAMPLE_KINDS,
    SamplePair,
    chosen_steps,
    draw_pair,
    masks_with_steps_replaced,
    steps_seen,
    with_steps_replaced,
)
from layerlens.models.build.precision import Precision
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.layer_calls import Subject
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain, generator

#: Scalars to put in one batch, outputs included.
_BATCH_SCALARS = 3_000_000
#: The most scalars that the smallest possible batch may take, about 2 GB.
_MAX_BATCH_SCALARS = 100_000_000
#: The length assumed for an open axis where the size of an output is estimated.
_OPEN_LENGTH = 24
#: Relative difference of equal samples above which a layer is called one sample at a time.
_NOISY: Mapping[Precision, float] = {"float64": 1e-9, "working": 1e-4}
#: The greatest number of steps to replace in a layer that is called once per sample.
_MAX_CALLS = 24

#: The last axis of input and output, whatever their ranks.
FEATURES = -1


class NotMeasurable(Exception):  # noqa: N818 (an outcome on its way to the report)
    """A layer or model that cannot be called, or whose results are not repeatable."""


@dataclass(frozen=True)
class Setting:
    """The runner, seed and padding values shared by all measurements of a model."""

    runner: KerasRunner
    seed: int
    #: The values that mean padding.
    blanks: tuple[float, ...]

    @property
    def precision(self) -> Precision:
        return self.runner.built.precision

    @property
    def eps(self) -> float:
        return float(np.finfo("float64" if self.precision == "float64" else "float32").eps)


@dataclass
class StepReplacement:
    """Replace steps in the inputs of one layer or model, with the weights it has now."""

    setting: Setting
    subject: Subject
    domains: tuple[Domain, ...]
    weight_kind: str
    #: The kind of those weights, which selects the random draws.
    #: Whether to call each sample in a batch of its own, with the same second sample each time.
    is_alone: bool

    def __post_init__(self) -> None:
        inside = sum(int(np.prod(domain.shape)) for domain in self.domains)
        outside = sum(
            int(np.prod([_OPEN_LENGTH if n is None else n for n in tensor.shape[1:]]))
            for tensor in self.subject.outputs
        )
        steps = max((domain.shape[0] if domain.shape else 1) for domain in self.domains)
        self._size = inside + outside + steps * steps // 8  # attention compares pairs of steps
        few = len(SAMPLE_KINDS) * (steps + 2) * self._size > _BATCH_SCALARS
        slow = few or self.is_alone or self.subject.batch_size is not None
        self._sample_kinds = SAMPLE_KINDS[:FEW_SAMPLE_KINDS] if slow else SAMPLE_KINDS
        if not any(domain.kind == "float" for domain in self.domains):
            self._sample_kinds = tuple(m for m in self._sample_kinds if m != "positive")

    def batch_effects(self) -> tuple[bool, bool]:
        """Return whether equal samples give different outputs, and whether other samples matter."""
        first, other = self._draw_samples("normal", 0), self._draw_samples("up", 1)
        alone = self._call([one.base[None] for one in first], self._masks(first, 1))
        batch = [
            np.stack([a.base, b.replacement, a.base]) for a, b in zip(first, other, strict=True)
        ]
        masks = [
            np.concatenate([a, b, a])
            for a, b in zip(self._masks(first, 1), self._masks(other, 1), strict=True)
        ]
        together = self._call(batch, masks)
        is_random = not all(self._is_close(array[:1], array[2:]) for array in together)
        same = all(self._is_close(a, b[:1]) for a, b in zip(alone, together, strict=True))
        return is_random, not is_random and not same

    def _is_close(self, one: Array, other: Array) -> bool:
        if one.dtype.kind != "f":
            return bool(np.array_equal(one, other))
        scale = np.abs(one[np.isfinite(one)]).max(initial=0.0) or 1.0
        least = _NOISY[self.setting.precision] * scale
        return bool(np.allclose(one, other, rtol=0.0, atol=least, equal_nan=True))

    def maps(
        self, source: int, axis: int | None
    ) -> Iterator[tuple[int, tuple[SeenMap, tuple[int, ...]]]]:
        """Yield the number of each output that counts, its map of one input, and the steps tried.

        Raises:
            NotMeasurable: a batch would be too large, or the output differs from call to call.
        """
        shape = self.domains[source].shape
        own = len(shape) if axis == FEATURES else axis
        length = 1 if own is None else shape[own - 1]
        fewest = (min(length, MIN_STEPS) + 2) * self._size
        if fewest > _MAX_BATCH_SCALARS:
            raise NotMeasurable(f"measuring its steps would take {fewest:.2g} numbers at once")
        affordable = _BATCH_SCALARS // (len(self._sample_kinds) * self._size) - 2
        most = min(MAX_STEPS, max(MIN_STEPS, affordable))
        steps = chosen_steps(length, min(most, _MAX_CALLS) if self.is_alone else most)
        found: dict[int, NDArray[np.bool_]] = {}
        for drawn, outputs in self._run_replacements(source, own, steps):
            for target, array in enumerate(outputs):
                stepped = self.subject.stepped[1]
                if axis != FEATURES and any(stepped) and not stepped[target]:
                    continue
                along = self._output_axis(axis, target, array)
                seen, noise = steps_seen(array, along, len(steps), self.setting.eps)
                if self.is_alone and noise > _NOISY[self.setting.precision]:
                    raise NotMeasurable("its output changes at every call with the same input")
                if along == 1 and axis != FEATURES:
                    seen &= _outputs_that_count(drawn, steps, len(seen))
                found[target] = found.get(target, np.zeros_like(seen)) | seen
        for target, seen in found.items():
            yield target, (seen, steps)

    def _output_axis(self, axis: int | None, target: int, array: Array) -> int | None:
        """Return the output axis that corresponds to an input axis; None if there is none."""
        if axis == FEATURES:
            return array.ndim - 1 if array.ndim > 1 else None
        if not self.subject.stepped[1][target]:
            return None
        if axis is None or axis == 1:
            return 1 if array.ndim > 1 else None
        return axis if axis < array.ndim else None

    def _run_replacements(
        self, source: int, axis: int | None, steps: Sequence[int]
    ) -> Iterator[tuple[Sequence[SamplePair], Sequence[Array]]]:
        """Yield the samples and outputs of every kind; a call holds as many kinds as fit."""
        rows = len(steps) + 2
        kinds_per_call = max(1, _BATCH_SCALARS // (rows * self._size))
        draws = [
            self._draw_samples(sample_kind, number)
            for number, sample_kind in enumerate(self._sample_kinds)
        ]
        for start in range(0, len(draws), kinds_per_call):
            some = draws[start : start + kinds_per_call]
            group = [self._replacement_batch(drawn, source, axis, steps) for drawn in some]
            inputs, masks = (
                [np.concatenate(parts) for parts in zip(*(one[side] for one in group), strict=True)]
                for side in (0, 1)
            )
            outputs = (
                self._call_each_alone(inputs, masks) if self.is_alone else self._call(inputs, masks)
            )
            for n in range(len(group)):
                yield some[n], [array[n * rows : (n + 1) * rows] for array in outputs]

    def _replacement_batch(
        self, drawn: Sequence[SamplePair], source: int, axis: int | None, steps: Sequence[int]
    ) -> tuple[list[Array], list[NDArray[np.bool_]]]:
        rows = len(steps) + 2
        batch = [np.repeat(one.base[None], rows, axis=0) for one in drawn]
        batch[source] = with_steps_replaced(drawn[source], axis, steps)
        masks = self._masks(drawn, rows)
        for place, (_, owner) in enumerate(self.subject.masks):
            if owner == source:
                masks[place] = masks_with_steps_replaced(drawn[source], axis, steps)
        return batch, masks

    def _call_each_alone(self, inputs: Sequence[Array], masks: Sequence[Array]) -> Sequence[Array]:
        second = self._draw_samples("up", 1)
        second_masks = self._masks(second, 1)
        each = [
            self._call(
                [np.stack([a[row], b.base]) for a, b in zip(inputs, second, strict=True)],
                [np.stack([a[row], b[0]]) for a, b in zip(masks, second_masks, strict=True)],
            )
            for row in range(len(inputs[0]))
        ]
        return [np.stack([outputs[n][0] for outputs in each]) for n in range(len(each[0]))]

    def _draw_samples(self, sample_kind: str, number: int) -> list[SamplePair]:
        blanks = self.setting.blanks
        return [
            draw_pair(
                domain,
                sample_kind,
                generator(
                    self.setting.seed, "steps", sample_kind, place, domain.shape, self.weight_kind
                ),
                blanks[number % len(blanks)],
            )
            for place, domain in enumerate(self.domains)
        ]

    def _masks(self, drawn: Sequence[SamplePair], rows: int) -> list[NDArray[np.bool_]]:
        return [
            np.repeat(drawn[owner].valid[None], rows, axis=0) for _, owner in self.subject.masks
        ]

    def _call(self, batch: Sequence[Array], masks: Sequence[Array]) -> Sequence[Array]:
        subject = self.subject
        given = {id(t): array for t, array in zip(subject.inputs, batch, strict=True)}
        given |= {id(t): mask for (t, _), mask in zip(subject.masks, masks, strict=True)}
        size = subject.batch_size
        if size is None:
            return self._call_once(given)
        total = len(batch[0])
        parts = []
        for start in range(0, total, size):
            rows = np.arange(start, start + size) % total
            parts.append(self._call_once({key: array[rows] for key, array in given.items()}))
        return [np.concatenate([p[n] for p in parts])[:total] for n in range(len(parts[0]))]

    def _call_once(self, given: Mapping[int, Array]) -> Sequence[Array]:
        self.setting.runner.reset_states(self.setting.seed)
        return self.subject.call(given)


def _outputs_that_count(
    drawn: Sequence[SamplePair], steps: Sequence[int], outputs: int
) -> NDArray[np.bool_]:
    """Return which outputs count: those of valid steps, and that of the replaced step itself.

    The output of attention or of a recurrent layer for a masked step is filler.
    """
    valid = np.ones(outputs, dtype=bool)
    for one in drawn:
        if one.is_blanked and len(one.valid) == outputs:
            valid &= one.valid
    return np.asarray(valid[:, None] | (np.arange(outputs)[:, None] == np.asarray(steps)))
