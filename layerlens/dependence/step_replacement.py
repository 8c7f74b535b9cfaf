"""Replace one step at a time, all in one batch, and see which outputs move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerlens.dependence.mixing import Seen
from layerlens.dependence.perturbed_inputs import (
    FEW_MANNERS,
    FEWEST_STEPS,
    MANNERS,
    MOST_STEPS,
    Drawn,
    chosen_steps,
    draw,
    masks_replaced,
    steps_seen,
    with_steps_replaced,
)
from layerlens.models.build.precision import Precision
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.layer_calls import Subject
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain, generator

#: Scalars in one batch, outputs included.
_BATCH = 3_000_000
#: The most scalars that one batch may take where it is as small as can be: some 2 GB.
_MOST_AT_ONCE = 100_000_000
#: What an open axis is taken for where the size of an output is estimated.
_OPEN_LENGTH = 24
#: Relative difference of equal samples above which a layer is called one sample at a time.
_NOISY: Mapping[Precision, float] = {"float64": 1e-9, "working": 1e-4}
#: Of how many steps a layer is told that has to be called once for each.
_MOST_CALLS = 24


#: Stands for the last axis of input and output alike, whatever their ranks.
FEATURES = -1


class NotMeasurable(Exception):  # noqa: N818 (an outcome on its way to the report)
    """A layer or model could not be called, or not twice with one result."""


@dataclass(frozen=True)
class Setting:
    """What all layers of a model are measured with."""

    runner: KerasRunner
    seed: int
    #: What layers take for padding.
    blanks: tuple[float, ...]

    @property
    def precision(self) -> Precision:
        return self.runner.built.precision

    @property
    def eps(self) -> float:
        return float(np.finfo("float64" if self.precision == "float64" else "float32").eps)


@dataclass
class Replacing:
    """One subject under one set of weights: batches go in, maps of steps come out."""

    setting: Setting
    subject: Subject
    domains: tuple[Domain, ...]
    kind: str
    #: Whether each sample is called by itself, always in the same company.
    is_alone: bool

    def __post_init__(self) -> None:
        inside = sum(int(np.prod(domain.shape)) for domain in self.domains)
        outside = sum(
            int(np.prod([_OPEN_LENGTH if n is None else n for n in tensor.shape[1:]]))
            for tensor in self.subject.outputs
        )
        steps = max((domain.shape[0] if domain.shape else 1) for domain in self.domains)
        self._size = inside + outside + steps * steps // 8  # attention looks at pairs of steps
        few = len(MANNERS) * (steps + 2) * self._size > _BATCH
        slow = few or self.is_alone or self.subject.batch_size is not None
        self._manners = MANNERS[:FEW_MANNERS] if slow else MANNERS
        if not any(domain.kind == "float" for domain in self.domains):
            self._manners = tuple(m for m in self._manners if m != "positive")

    def company(self) -> tuple[bool, bool]:
        """Tell whether equal samples come out unequal, and whether others in the batch matter."""
        first, other = self._drawn("normal", 0), self._drawn("up", 1)
        alone = self._call([one.base[None] for one in first], self._masks(first, 1))
        batch = [np.stack([a.base, b.fresh, a.base]) for a, b in zip(first, other, strict=True)]
        masks = [
            np.concatenate([a, b, a])
            for a, b in zip(self._masks(first, 1), self._masks(other, 1), strict=True)
        ]
        beside = self._call(batch, masks)
        is_random = not all(self._alike(array[:1], array[2:]) for array in beside)
        same = all(self._alike(a, b[:1]) for a, b in zip(alone, beside, strict=True))
        return is_random, not is_random and not same

    def _alike(self, one: Array, other: Array) -> bool:
        if one.dtype.kind != "f":
            return bool(np.array_equal(one, other))
        scale = np.abs(one[np.isfinite(one)]).max(initial=0.0) or 1.0
        least = _NOISY[self.setting.precision] * scale
        return bool(np.allclose(one, other, rtol=0.0, atol=least, equal_nan=True))

    def maps(
        self, source: int, axis: int | None
    ) -> Iterator[tuple[int, tuple[Seen, tuple[int, ...]]]]:
        """Yield, for every output that counts, what it sees of one input along one axis."""
        shape = self.domains[source].shape
        own = len(shape) if axis == FEATURES else axis
        length = 1 if own is None else shape[own - 1]
        fewest = (min(length, FEWEST_STEPS) + 2) * self._size
        if fewest > _MOST_AT_ONCE:
            raise NotMeasurable(f"one look at its steps would take {fewest:.2g} numbers at once")
        affordable = _BATCH // (len(self._manners) * self._size) - 2
        most = min(MOST_STEPS, max(FEWEST_STEPS, affordable))
        steps = chosen_steps(length, min(most, _MOST_CALLS) if self.is_alone else most)
        found: dict[int, NDArray[np.bool_]] = {}
        for drawn, outputs in self._replaced_in_groups(source, own, steps):
            for target, array in enumerate(outputs):
                stepped = self.subject.stepped[1]
                if axis != FEATURES and any(stepped) and not stepped[target]:
                    continue
                along = self._output_axis(axis, target, array)
                seen, noise = steps_seen(array, along, len(steps), self.setting.eps)
                if self.is_alone and noise > _NOISY[self.setting.precision]:
                    raise NotMeasurable("its output is another at every call with the same input")
                if along == 1 and axis != FEATURES:
                    seen &= _counted(drawn, steps, len(seen))
                found[target] = found.get(target, np.zeros_like(seen)) | seen
        for target, seen in found.items():
            yield target, (seen, steps)

    def _output_axis(self, axis: int | None, target: int, array: Array) -> int | None:
        """Return the output's axis of steps that belongs to an input's; None if it has none."""
        if axis == FEATURES:
            return array.ndim - 1 if array.ndim > 1 else None
        if not self.subject.stepped[1][target]:
            return None
        if axis is None or axis == 1:
            return 1 if array.ndim > 1 else None
        return axis if axis < array.ndim else None

    def _replaced_in_groups(
        self, source: int, axis: int | None, steps: Sequence[int]
    ) -> Iterator[tuple[Sequence[Drawn], Sequence[Array]]]:
        """Yield every manner's draw and outputs; as many of them as fit go in one call."""
        rows = len(steps) + 2
        together = max(1, _BATCH // (rows * self._size))
        draws = [self._drawn(manner, number) for number, manner in enumerate(self._manners)]
        for start in range(0, len(draws), together):
            some = draws[start : start + together]
            group = [self._replaced(drawn, source, axis, steps) for drawn in some]
            inputs, masks = (
                [np.concatenate(parts) for parts in zip(*(one[side] for one in group), strict=True)]
                for side in (0, 1)
            )
            outputs = (
                self._each_alone(inputs, masks) if self.is_alone else self._call(inputs, masks)
            )
            for n in range(len(group)):
                yield some[n], [array[n * rows : (n + 1) * rows] for array in outputs]

    def _replaced(
        self, drawn: Sequence[Drawn], source: int, axis: int | None, steps: Sequence[int]
    ) -> tuple[list[Array], list[NDArray[np.bool_]]]:
        rows = len(steps) + 2
        batch = [np.repeat(one.base[None], rows, axis=0) for one in drawn]
        batch[source] = with_steps_replaced(drawn[source], axis, steps)
        masks = self._masks(drawn, rows)
        for place, (_, owner) in enumerate(self.subject.masks):
            if owner == source:
                masks[place] = masks_replaced(drawn[source], axis, steps)
        return batch, masks

    def _each_alone(self, inputs: Sequence[Array], masks: Sequence[Array]) -> Sequence[Array]:
        company = self._drawn("up", 1)
        beside = self._masks(company, 1)
        each = [
            self._call(
                [np.stack([a[row], b.base]) for a, b in zip(inputs, company, strict=True)],
                [np.stack([a[row], b[0]]) for a, b in zip(masks, beside, strict=True)],
            )
            for row in range(len(inputs[0]))
        ]
        return [np.stack([outputs[n][0] for outputs in each]) for n in range(len(each[0]))]

    def _drawn(self, manner: str, number: int) -> list[Drawn]:
        blanks = self.setting.blanks
        return [
            draw(
                domain,
                manner,
                generator(self.setting.seed, "steps", manner, place, domain.shape, self.kind),
                blanks[number % len(blanks)],
            )
            for place, domain in enumerate(self.domains)
        ]

    def _masks(self, drawn: Sequence[Drawn], rows: int) -> list[NDArray[np.bool_]]:
        return [
            np.repeat(drawn[owner].valid[None], rows, axis=0) for _, owner in self.subject.masks
        ]

    def _call(self, batch: Sequence[Array], masks: Sequence[Array]) -> Sequence[Array]:
        subject = self.subject
        given = {id(t): array for t, array in zip(subject.inputs, batch, strict=True)}
        given |= {id(t): mask for (t, _), mask in zip(subject.masks, masks, strict=True)}
        size = subject.batch_size
        if size is None:
            return self._one_call(given)
        total = len(batch[0])
        parts = []
        for start in range(0, total, size):
            rows = np.arange(start, start + size) % total
            parts.append(self._one_call({key: array[rows] for key, array in given.items()}))
        return [np.concatenate([p[n] for p in parts])[:total] for n in range(len(parts[0]))]

    def _one_call(self, given: Mapping[int, Array]) -> Sequence[Array]:
        self.setting.runner.reset_states(self.setting.seed)
        return self.subject.call(given)


def _counted(drawn: Sequence[Drawn], steps: Sequence[int], outputs: int) -> NDArray[np.bool_]:
    """Say which outputs count: not those of other steps than the replaced one that are padding.

    What attention or a recurrent layer gives for a step that the mask leaves out is filler.
    """
    valid = np.ones(outputs, dtype=bool)
    for one in drawn:
        if one.is_blanked and len(one.valid) == outputs:
            valid &= one.valid
    return np.asarray(valid[:, None] | (np.arange(outputs)[:, None] == np.asarray(steps)))
