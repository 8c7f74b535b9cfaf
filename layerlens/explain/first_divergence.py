"""Find the first pair of layers whose outputs differ on one input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from layerlens.explain.sequences import opcodes
from layerlens.models.execute.intermediates import (
    InstrumentedSide,
    Intermediates,
    LayerCall,
    TensorValue,
)
from layerlens.models.execute.side import Side, Values
from layerlens.numerics.arrays import Inputs
from layerlens.numerics.differences import distance
from layerlens.numerics.judge import WORKING_ROUNDING, real_elements
from layerlens.numerics.noise_floor import NoiseFloor, input_scale, noise_floor
from layerlens.plain import stage
from layerlens.report.pairs import FirstDivergence
from layerlens.vocabulary import Execution

#: After so many comparisons of tensors, the search in the other model ends.
_MOST_COMPARED = 20_000


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first pair of layers whose outputs differ on one input."""

    row: FirstDivergence
    #: "with the same inputs" if both had them, or in which respect the inputs differ although the
    #: values agree. Empty if the inputs differ or are unknown.
    fed: str = ""
    #: Whether the layers are the ends of segments of several layers with the same inputs.
    ends_segment: bool = False


def first_divergence(
    reference: Side,
    candidate: Side,
    weights_reference: Values,
    weights_candidate: Values,
    inputs: Inputs,
    *,
    residue: bool,
) -> Divergence | None:
    """Return the first aligned layers whose outputs differ although their inputs agree.

    Layers are aligned from the front by type and output shape, then by position. `max_abs` of the
    row is the greatest difference of their outputs in working precision. None if a model has no
    graph of layers, refuses the inputs, or no such layers are found.
    """
    stage.enter("finding the first layers whose outputs differ")
    both = (InstrumentedSide.of(reference), InstrumentedSide.of(candidate))
    if both[0] is None or both[1] is None:
        return None
    ours, theirs = both[0].look(weights_reference, inputs), both[1].look(weights_candidate, inputs)
    return _Alignment(ours, theirs, inputs, residue).first() if ours and theirs else None


def first_inconsistency(
    side: Side, weights: Values, inputs: Inputs, one: Execution, other: Execution
) -> Divergence | None:
    """Return the first layer of a model whose outputs differ between two ways of calling it."""
    inside = InstrumentedSide.of(side)
    if inside is None:
        return None
    ours, theirs = (inside.look(weights, inputs, execution) for execution in (one, other))
    if ours is None or theirs is None:
        return None
    for uses in zip(ours.layers, theirs.layers, strict=True):
        for values in zip(*(use.values for use in uses), strict=True):
            shapes = {shape for v in values for shape in (v.double.shape, v.working.shape)}
            if len(shapes) > 1:
                return Divergence(_row(*uses), "with the same inputs")
            # Only the result nearer to float64 measures rounding; the other may be the fault.
            truer = min(values, key=lambda v: float(distance(v.double, v.working).max(initial=0)))
            limit = WORKING_ROUNDING * _noise(truer, truer, inputs).working
            if (distance(values[0].working, values[1].working) > limit).any():
                return Divergence(_row(*uses), "with the same inputs")
    return None


# --- alignment ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Segment:
    """Consecutive layers of each model that correspond; mostly one of each."""

    ours: tuple[LayerCall, ...]
    theirs: tuple[LayerCall, ...]

    @property
    def ends(self) -> tuple[LayerCall, LayerCall]:
        return self.ours[-1], self.theirs[-1]

    @property
    def is_several(self) -> bool:
        return len(self.ours) > 1 or len(self.theirs) > 1


@dataclass
class _Alignment:
    """The layers of both models with their outputs on one input, and which outputs agree."""

    ours: Intermediates
    theirs: Intermediates
    inputs: Inputs
    residue: bool
    _compared: dict[tuple[int, int], bool] = field(default_factory=dict)
    _in_both: dict[tuple[int | None, int | None], bool] = field(default_factory=dict)

    def first(self) -> Divergence | None:
        start = (0, 0)
        while True:
            tails = self.ours.layers[start[0] :], self.theirs.layers[start[1] :]
            aligned, anchors = _aligned(*tails)
            by_position = [_Segment((a,), (b,)) for a, b in zip(*tails, strict=False)]
            found = next(
                (
                    segment
                    for segment in (*aligned, *by_position)
                    if segment.ends[0].shape == segment.ends[1].shape
                    and not self.agree(*segment.ends)
                    and self.same_inputs(segment)
                ),
                None,
            )
            if found is None:
                return self._fallback(aligned, anchors)
            layers = self.ours.layers, self.theirs.layers
            rejoined = _rejoined(found.ends, *layers, anchors, self.agree)
            if rejoined is None:
                return Divergence(_row(*found.ends), self.fed(found), found.is_several)
            start = (rejoined[0].place + 1, rejoined[1].place + 1)

    def _fallback(
        self, aligned: Sequence[_Segment], anchors: Sequence[tuple[LayerCall, LayerCall]]
    ) -> Divergence | None:
        """Return the first ends that differ and derive from the same tensors; else any that differ.

        Equal layers are tried first, and the outputs of the models last.
        """
        ends = [*anchors, *(segment.ends for segment in aligned)]
        if self.ours.layers and self.theirs.layers:
            ends.append((self.ours.layers[-1], self.theirs.layers[-1]))
        differing = [
            (one, other)
            for one, other in ends
            if one.shape == other.shape and not self.agree(one, other)
        ]
        tests: tuple[Callable[[int | None, int | None], bool], ...] = (
            self._in_both_models,
            lambda a, b: False,
        )
        for is_origin in tests:
            for one, other in differing:
                if self._same_origins(one, other, is_origin):
                    return Divergence(_row(one, other), "with the same inputs", ends_segment=True)
        return Divergence(_row(*differing[0])) if differing else None

    def _same_origins(
        self, one: LayerCall, other: LayerCall, is_origin: Callable[[int | None, int | None], bool]
    ) -> bool:
        """Return whether two layers derive from the same tensors."""
        ours = self._origins(one, self.ours, lambda a: is_origin(a, None))
        theirs = self._origins(other, self.theirs, lambda b: is_origin(None, b))
        return self._same_sets(ours, theirs)

    def _origins(
        self, use: LayerCall, look: Intermediates, is_origin: Callable[[int], bool]
    ) -> set[int]:
        """Return the nearest tensors before a use that are inputs of the model or origins."""
        found: set[int] = set()
        visited: set[int] = set()
        pending = [*use.sources]
        while pending:
            number = pending.pop()
            if number in visited:
                continue
            visited.add(number)
            if number < 0 or is_origin(number):
                found.add(number)
            else:
                pending += look.makers[number].sources
        return found

    def _in_both_models(self, a: int | None, b: int | None) -> bool:
        """Return whether a tensor of one model, the other being None, is in the other model too."""
        key = a, b
        if key not in self._in_both:
            others = (self.theirs if b is None else self.ours).values
            self._in_both[key] = len(self._compared) < _MOST_COMPARED and any(
                self._same(a if a is not None else n, b if b is not None else n) for n in others
            )
        return self._in_both[key]

    def agree(self, one: LayerCall, other: LayerCall) -> bool:
        """Return whether the outputs that two layers both have agree."""
        return all(map(self._same, one.gives, other.gives))

    def same_inputs(self, segment: _Segment) -> bool:
        """Return whether both had the same inputs; for several layers, in any order."""
        ours, theirs = _sources(segment.ours), _sources(segment.theirs)
        if not segment.is_several:
            return len(ours) == len(theirs) and all(map(self._same, ours, theirs))
        return self._same_sets(ours, theirs)

    def _same_sets(self, ours: Collection[int], theirs: Collection[int]) -> bool:
        return all(any(self._same(a, b) for b in theirs) for a in ours) and all(
            any(self._same(a, b) for a in ours) for b in theirs
        )

    def fed(self, segment: _Segment) -> str:
        """Say in what the inputs of two layers differ although the values agree."""
        one, other = segment.ends
        if segment.is_several:
            return "with the same inputs"
        for a, b in zip(one.sources, other.sources, strict=True):
            ours, theirs = self._dtype(a, self.ours), self._dtype(b, self.theirs)
            if ours != theirs:
                return f"with the same values, as {theirs} and as {ours}"
        same_masks = len(one.masks) == len(other.masks) and all(
            map(self._same, one.masks, other.masks)
        )
        return "with the same inputs" if same_masks else "with the same values under another mask"

    def _dtype(self, number: int, look: Intermediates) -> str:
        array = self.inputs[-1 - number] if number < 0 else look.values[number].working
        return str(array.dtype)

    def _same(self, a: int, b: int) -> bool:
        """Return whether two tensors agree up to rounding; numbers below 0 are inputs."""
        if a >= 0 and b >= 0:
            key = (a, b)
            if key not in self._compared:
                self._compared[key] = self._agree(self.ours.values[a], self.theirs.values[b])
            return self._compared[key]
        if a < 0 and b < 0:
            return a == b
        given = self.inputs[-1 - min(a, b)]
        value = self.ours.values[a] if a >= 0 else self.theirs.values[b]
        return given.shape == value.shape and not distance(given, value.double).any()

    def _agree(self, one: TensorValue, other: TensorValue) -> bool:
        if one.shape != other.shape:
            return False
        noise = _noise(one, other, self.inputs)
        return not real_elements(one.double, other.double, noise, residue=self.residue).any()


def _sources(uses: Sequence[LayerCall]) -> list[int]:
    """Return the inputs of layers that are not outputs of the same layers."""
    own = {number for use in uses for number in use.gives}
    return [number for use in uses for number in use.sources if number not in own]


def _aligned(
    ours: Sequence[LayerCall], theirs: Sequence[LayerCall]
) -> tuple[list[_Segment], list[tuple[LayerCall, LayerCall]]]:
    """Align layers by type and shape, and those between them by position.

    Unequal numbers of layers between two equal ones form one segment, as one layer may compute
    what several compute in the other model. The second list has the equal layers alone.
    """
    keys = [[(use.type, use.shape) for use in uses] for uses in (ours, theirs)]
    segments: list[_Segment] = []
    anchors = []
    for kind, a, b, c, d in opcodes(*keys):
        if kind == "replace" and b - a != d - c:
            segments.append(_Segment(tuple(ours[a:b]), tuple(theirs[c:d])))
            continue
        pairs = list(zip(ours[a:b], theirs[c:d], strict=False))
        segments += [_Segment((one,), (other,)) for one, other in pairs]
        if kind == "equal":
            anchors += pairs
    return segments, anchors


def _rejoined(
    pair: tuple[LayerCall, LayerCall],
    ours: Sequence[LayerCall],
    theirs: Sequence[LayerCall],
    anchors: Sequence[tuple[LayerCall, LayerCall]],
    agree: Callable[[LayerCall, LayerCall], bool],
) -> tuple[LayerCall, LayerCall] | None:
    """Return where the models agree again after a pair that differs.

    One model may do in the layers that follow what the other did at once. None if they do not
    agree before the next equal layers.
    """
    one, other = pair
    ours_after = _until_anchor(ours, one.place, {a.place for a, _ in anchors})
    theirs_after = _until_anchor(theirs, other.place, {b.place for _, b in anchors})
    tries = [*((use, other) for use in ours_after), *((one, use) for use in theirs_after)]
    return next((pair for pair in tries if agree(*pair)), None)


def _until_anchor(uses: Sequence[LayerCall], place: int, anchors: set[int]) -> Iterator[LayerCall]:
    for use in uses[place + 1 :]:
        if use.place in anchors:
            return
        yield use


# --- figures --------------------------------------------------------------------------------------


def _noise(one: TensorValue, other: TensorValue, inputs: Inputs) -> NoiseFloor:
    if one.double.dtype.kind in "OSU":
        zeros = np.zeros(one.shape)
        return NoiseFloor(zeros, zeros)
    with np.errstate(over="ignore", invalid="ignore"):
        return noise_floor(
            (one.double, other.double),
            (one.working, other.working),
            (one.sensitivity, other.sensitivity),
            input_scale(inputs, one.double),
        )


def _row(one: LayerCall, other: LayerCall) -> FirstDivergence:
    pairs = [(a.working, b.working) for a, b in zip(one.values, other.values, strict=False)]
    gaps = [distance(a, b) for a, b in pairs if a.shape == b.shape and a.size]
    comparable = len(gaps) == len(pairs)
    return FirstDivergence(
        reference_layer=one.layer,
        candidate_layer=other.layer,
        max_abs=max((float(gap.max()) for gap in gaps), default=None) if comparable else None,
    )
