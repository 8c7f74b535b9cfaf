"""Find the first pair of layers whose outputs differ on one input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import numpy as np

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
from layerlens.report.pairs import FirstDivergence
from layerlens.vocabulary import Execution


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first layers of two models to make something else of one input."""

    row: FirstDivergence
    #: What both were fed, where that is the same: "fed the same", or how it is the same and yet
    #: not. Empty where it is not the same, or not known.
    fed: str = ""
    #: Whether the layers named end a stretch of several, which began with the same.
    is_stretch: bool = False


def first_divergence(
    reference: Side,
    candidate: Side,
    weights_reference: Values,
    weights_candidate: Values,
    inputs: Inputs,
    *,
    residue: bool,
) -> Divergence | None:
    """Name the first lined-up layers that make something else of the same input.

    Layers are lined up from the front by what they are and the shape they give, then by position.
    `max_abs` is the greatest difference of their outputs in working precision. None where a model
    has no graph of layers to look into, or no such pair is found.
    """
    both = (InstrumentedSide.of(reference), InstrumentedSide.of(candidate))
    if both[0] is None or both[1] is None:
        return None
    ours, theirs = both[0].look(weights_reference, inputs), both[1].look(weights_candidate, inputs)
    return _Lining(ours, theirs, inputs, residue).first() if ours and theirs else None


def first_inconsistency(
    side: Side, weights: Values, inputs: Inputs, one: Execution, other: Execution
) -> Divergence | None:
    """Name the first layer of one model that gives two results, called in two ways."""
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
                return Divergence(_row(*uses), "fed the same")
            # The result nearer to float64 tells of rounding; the other would hide itself in it.
            truer = min(values, key=lambda v: float(distance(v.double, v.working).max(initial=0)))
            limit = WORKING_ROUNDING * _noise(truer, truer, inputs).working
            if (distance(values[0].working, values[1].working) > limit).any():
                return Divergence(_row(*uses), "fed the same")
    return None


# --- lining up ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Layers of either model that take each other's place; mostly one and one."""

    ours: tuple[LayerCall, ...]
    theirs: tuple[LayerCall, ...]

    @property
    def ends(self) -> tuple[LayerCall, LayerCall]:
        return self.ours[-1], self.theirs[-1]

    @property
    def is_several(self) -> bool:
        return len(self.ours) > 1 or len(self.theirs) > 1


@dataclass
class _Lining:
    """The layers of both models, and which of their outputs agree."""

    ours: Intermediates
    theirs: Intermediates
    inputs: Inputs
    residue: bool
    _known: dict[tuple[int, int], bool] = field(default_factory=dict)

    def first(self) -> Divergence | None:
        start = (0, 0)
        while True:
            tails = self.ours.layers[start[0] :], self.theirs.layers[start[1] :]
            lined_up, anchored = _lined_up(*tails)
            by_position = [_Stretch((a,), (b,)) for a, b in zip(*tails, strict=False)]
            found = next(
                (
                    stretch
                    for stretch in (*lined_up, *by_position)
                    if stretch.ends[0].shape == stretch.ends[1].shape
                    and not self.agree(*stretch.ends)
                    and self.fed_the_same(stretch)
                ),
                None,
            )
            if found is None:
                return self._last_resort(lined_up, anchored)
            layers = self.ours.layers, self.theirs.layers
            again = _level_again(found.ends, *layers, anchored, self.agree)
            if again is None:
                return Divergence(_row(*found.ends), self.fed(found), found.is_several)
            start = (again[0].place + 1, again[1].place + 1)

    def _last_resort(
        self, lined_up: Sequence[_Stretch], anchored: Sequence[tuple[LayerCall, LayerCall]]
    ) -> Divergence | None:
        """Name the ends of the first stretches that begin with the same; else of any that differ.

        Layers that are the same come first; the outputs of the models themselves come last.
        """
        ends = [*anchored, *(stretch.ends for stretch in lined_up)]
        if self.ours.layers and self.theirs.layers:
            ends.append((self.ours.layers[-1], self.theirs.layers[-1]))
        apart = [
            (one, other)
            for one, other in ends
            if one.shape == other.shape and not self.agree(one, other)
        ]
        ways: tuple[Callable[[int | None, int | None], bool], ...] = (
            self._anywhere,
            lambda a, b: False,
        )
        for shared in ways:
            for one, other in apart:
                if self._begin_with_the_same(one, other, shared):
                    return Divergence(_row(one, other), "fed the same", is_stretch=True)
        return Divergence(_row(*apart[0])) if apart else None

    def _begin_with_the_same(
        self, one: LayerCall, other: LayerCall, shared: Callable[[int | None, int | None], bool]
    ) -> bool:
        """Tell whether what both were made from, back to what is `shared`, is the same."""
        ours = self._origins(one, self.ours, lambda a: shared(a, None))
        theirs = self._origins(other, self.theirs, lambda b: shared(None, b))
        return self._same_sets(ours, theirs)

    def _origins(
        self, use: LayerCall, look: Intermediates, shared: Callable[[int], bool]
    ) -> set[int]:
        """Return the nearest tensors before a use that are inputs, or there in both models."""
        found: set[int] = set()
        passed: set[int] = set()
        waiting = [*use.sources]
        while waiting:
            number = waiting.pop()
            if number in passed:
                continue
            passed.add(number)
            if number < 0 or shared(number):
                found.add(number)
            else:
                waiting += look.makers[number].sources
        return found

    def _anywhere(self, a: int | None, b: int | None) -> bool:
        """Tell whether a tensor of one model is also somewhere in the other one."""
        return any(
            self._level(a if a is not None else n, b if b is not None else n)
            for n in (self.theirs if b is None else self.ours).values
        )

    def agree(self, one: LayerCall, other: LayerCall) -> bool:
        """Tell whether two layers gave the same, as far as both have outputs."""
        return all(map(self._level, one.gives, other.gives))

    def fed_the_same(self, stretch: _Stretch) -> bool:
        """Tell whether both were fed the same, in the same order; several layers, in any."""
        ours, theirs = _sources(stretch.ours), _sources(stretch.theirs)
        if not stretch.is_several:
            return len(ours) == len(theirs) and all(map(self._level, ours, theirs))
        return self._same_sets(ours, theirs)

    def _same_sets(self, ours: Collection[int], theirs: Collection[int]) -> bool:
        return all(any(self._level(a, b) for b in theirs) for a in ours) and all(
            any(self._level(a, b) for a in ours) for b in theirs
        )

    def fed(self, stretch: _Stretch) -> str:
        """Say what two layers were fed, of which the values are the same."""
        one, other = stretch.ends
        if stretch.is_several:
            return "fed the same"
        for a, b in zip(one.sources, other.sources, strict=True):
            ours, theirs = self._dtype(a, self.ours), self._dtype(b, self.theirs)
            if ours != theirs:
                return f"fed the same values, as {theirs} and as {ours}"
        same_masks = len(one.masks) == len(other.masks) and all(
            map(self._level, one.masks, other.masks)
        )
        return "fed the same" if same_masks else "fed the same values under another mask"

    def _dtype(self, number: int, look: Intermediates) -> str:
        array = self.inputs[-1 - number] if number < 0 else look.values[number].working
        return str(array.dtype)

    def _level(self, a: int, b: int) -> bool:
        if a >= 0 and b >= 0:
            key = (a, b)
            if key not in self._known:
                self._known[key] = self._alike(self.ours.values[a], self.theirs.values[b])
            return self._known[key]
        if a < 0 and b < 0:
            return a == b
        given = self.inputs[-1 - min(a, b)]
        value = self.ours.values[a] if a >= 0 else self.theirs.values[b]
        return given.shape == value.shape and not distance(given, value.double).any()

    def _alike(self, one: TensorValue, other: TensorValue) -> bool:
        if one.shape != other.shape:
            return False
        noise = _noise(one, other, self.inputs)
        return not real_elements(one.double, other.double, noise, residue=self.residue).any()


def _sources(uses: Sequence[LayerCall]) -> list[int]:
    """Return what layers take from outside themselves."""
    own = {number for use in uses for number in use.gives}
    return [number for use in uses for number in use.sources if number not in own]


def _lined_up(
    ours: Sequence[LayerCall], theirs: Sequence[LayerCall]
) -> tuple[list[_Stretch], list[tuple[LayerCall, LayerCall]]]:
    """Pair layers of the same type and shape from the front, then those between by position.

    Between them, one layer may do in one model what several do in the other: these are one
    stretch. The second list has only the layers that are the same.
    """
    keys = [[(use.type, use.shape) for use in uses] for uses in (ours, theirs)]
    matcher = SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    stretches: list[_Stretch] = []
    anchored = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "replace" and b - a != d - c:
            stretches.append(_Stretch(tuple(ours[a:b]), tuple(theirs[c:d])))
            continue
        pairs = list(zip(ours[a:b], theirs[c:d], strict=False))
        stretches += [_Stretch((one,), (other,)) for one, other in pairs]
        if kind == "equal":
            anchored += pairs
    return stretches, anchored


def _level_again(
    pair: tuple[LayerCall, LayerCall],
    ours: Sequence[LayerCall],
    theirs: Sequence[LayerCall],
    anchored: Sequence[tuple[LayerCall, LayerCall]],
    agree: Callable[[LayerCall, LayerCall], bool],
) -> tuple[LayerCall, LayerCall] | None:
    """Return where layers of one model alone, right behind, make up for what the other's did."""
    one, other = pair
    behind = _run_alone(ours, one.place, {a.place for a, _ in anchored})
    beyond = _run_alone(theirs, other.place, {b.place for _, b in anchored})
    tries = [*((use, other) for use in behind), *((one, use) for use in beyond)]
    return next((pair for pair in tries if agree(*pair)), None)


def _run_alone(uses: Sequence[LayerCall], place: int, anchored: set[int]) -> Iterator[LayerCall]:
    for use in uses[place + 1 :]:
        if use.place in anchored:
            return
        yield use


# --- figures --------------------------------------------------------------------------------------


def _noise(one: TensorValue, other: TensorValue, inputs: Inputs) -> NoiseFloor:
    if one.double.dtype.kind in "OSU":
        nothing = np.zeros(one.shape)
        return NoiseFloor(nothing, nothing)
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
    alike = len(gaps) == len(pairs)
    return FirstDivergence(
        reference_layer=one.layer,
        candidate_layer=other.layer,
        max_abs=max((float(gap.max()) for gap in gaps), default=None) if alike else None,
    )
