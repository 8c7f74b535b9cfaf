"""Two models and one input become the first pair of layers at which they part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from layerlens.comparing import Noise, distance, input_scale, noise_floor
from layerlens.drafting import functional
from layerlens.entries import Inputs
from layerlens.judging import WORKING_ROUNDING, real_elements
from layerlens.measuring import Runner
from layerlens.probes import Array
from layerlens.report import Execution, FirstDivergence
from layerlens.session import in_fresh_session
from layerlens.sides import Side, Values

#: How models are called here: nothing has to be traced, and one call is all there is.
PLAIN: Execution = "eager"


def first_divergence(
    reference: Side,
    candidate: Side,
    weights_reference: Values,
    weights_candidate: Values,
    inputs: Inputs,
    *,
    residue: bool,
) -> FirstDivergence | None:
    """Name the first lined-up layers that make something else of the same input.

    Layers are lined up from the front by what they are and the shape they give, then by position.
    `max_abs` is the greatest difference of their outputs in working precision. None where a model
    has no graph of layers to look into, or no such pair is found.
    """
    both = (_Inside.of(reference), _Inside.of(candidate))
    if both[0] is None or both[1] is None:
        return None
    ours, theirs = both[0].look(weights_reference, inputs), both[1].look(weights_candidate, inputs)
    return _Lining(ours, theirs, inputs, residue).first() if ours and theirs else None


def first_inconsistency(
    side: Side, weights: Values, inputs: Inputs, one: Execution, other: Execution
) -> FirstDivergence | None:
    """Name the first layer of one model that gives two results, called in two ways."""
    inside = _Inside.of(side)
    if inside is None:
        return None
    ours, theirs = (inside.look(weights, inputs, execution) for execution in (one, other))
    for uses in zip(ours or (), theirs or (), strict=False):
        if len({shape for use in uses for shape in (use.shape, use.working.shape)}) > 1:
            return _row(*uses)
        # The result nearer to float64 tells of rounding; the other would hide itself in it.
        truer = min(uses, key=lambda use: float(distance(use.double, use.working).max(initial=0)))
        noise = _noise(truer, truer, inputs)
        if (distance(uses[0].working, uses[1].working) > WORKING_ROUNDING * noise.working).any():
            return _row(*uses)
    return None


@dataclass(frozen=True, slots=True)
class _Use:
    """One application of a layer, and what it gave."""

    layer: str
    type: str
    #: The values it was given, as the places of their tensors in the model.
    sources: tuple[int, ...]
    place: int
    double: Array
    working: Array
    sensitivity: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.double.shape


@dataclass(frozen=True)
class _Inside:
    """A side whose model gives the outputs of all its layers."""

    side: Side
    nodes: tuple[Any, ...]
    #: id of a symbolic tensor → its place: inputs are negative, layer outputs count from 0.
    places: dict[int, int]

    @classmethod
    def of(cls, side: Side) -> _Inside | None:
        nodes = tuple(_layer_nodes(side.working.built.model))
        if not nodes:
            return None
        places = {id(tensor): -1 - n for n, tensor in enumerate(side.working.built.model.inputs)}
        for n, node in enumerate(nodes):
            places[id(node.outputs[0])] = n
        opened = Side(side.name, _opened(side.working), _opened(side.float64), side.training)
        return cls(opened, nodes, places)

    def look(
        self, values: Values, inputs: Inputs, execution: Execution = PLAIN
    ) -> list[_Use] | None:
        double = self.side.run_whole(values, inputs, "float64", PLAIN)
        working = self.side.run_whole(values, inputs, "working", execution)
        if double.error is not None or working.error is not None:
            return None
        moved = self.side.sensitivity(values, inputs, double, 0, draws=1, execution=PLAIN)
        return [
            _Use(
                layer=node.operation.name,
                type=type(node.operation).__name__,
                sources=tuple(self.places.get(id(t), -1000) for t in _given(node)),
                place=n,
                double=double.outputs[n],
                working=working.outputs[n],
                sensitivity=moved[n],
            )
            for n, node in enumerate(self.nodes)
        ]


def _layer_nodes(model: Any) -> Iterator[Any]:
    """Yield the applications of layers from the inputs on; masks' own operations are no layers."""
    by_depth = getattr(model, "_nodes_by_depth", None) or {}
    layers = {id(layer) for layer in model.layers}
    for depth in sorted(by_depth, reverse=True):
        for node in by_depth[depth]:
            if id(node.operation) in layers and not node.is_input:
                yield node


def _given(node: Any) -> Iterator[Any]:
    """Yield the tensors a layer was given as values, not as masks."""
    masks = {
        id(tensor)
        for name, value in node.arguments.kwargs.items()
        if name.endswith("mask")
        for tensor in _flat(value)
    }
    yield from (tensor for tensor in node.input_tensors if id(tensor) not in masks)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [one for item in value for one in _flat(item)]
    return [value]


def _opened(runner: Runner) -> Runner:
    """Return a runner of the same layers, with every layer's first output as an output."""
    built = runner.built
    tensors = tuple(node.outputs[0] for node in _layer_nodes(built.model))
    model = in_fresh_session(
        lambda: functional(tuple(built.model.inputs), tensors, f"inside_{built.spec.name}"),
        runner.seed,
    )
    spec = replace(built.spec, select=None)
    return Runner(replace(built, model=model, spec=spec), runner.seed)


# --- lining up ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Layers of either model that take each other's place; mostly one and one."""

    ours: tuple[_Use, ...]
    theirs: tuple[_Use, ...]

    @property
    def ends(self) -> tuple[_Use, _Use]:
        return self.ours[-1], self.theirs[-1]


@dataclass
class _Lining:
    """The layers of both models, and which of their outputs agree."""

    ours: list[_Use]
    theirs: list[_Use]
    inputs: Inputs
    residue: bool
    _known: dict[tuple[int, int], bool] = field(default_factory=dict)

    def first(self) -> FirstDivergence | None:
        start = (0, 0)
        while True:
            tails = self.ours[start[0] :], self.theirs[start[1] :]
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
                return self._last_resort(lined_up)
            again = _level_again(found.ends, self.ours, self.theirs, anchored, self.agree)
            if again is None:
                return _row(*found.ends)
            start = (again[0].place + 1, again[1].place + 1)

    def _last_resort(self, lined_up: Sequence[_Stretch]) -> FirstDivergence | None:
        """Name the first lined-up layers that differ, whatever they were fed; or the last ones."""
        ends = [*(stretch.ends for stretch in lined_up), (self.ours[-1], self.theirs[-1])]
        return next(
            (
                _row(one, other)
                for one, other in ends
                if one.shape == other.shape and not self.agree(one, other)
            ),
            None,
        )

    def agree(self, one: _Use, other: _Use) -> bool:
        key = (one.place, other.place)
        if key not in self._known:
            self._known[key] = one.shape == other.shape and not _differs(
                one, other, self.inputs, self.residue
            )
        return self._known[key]

    def fed_the_same(self, stretch: _Stretch) -> bool:
        """Tell whether both were fed the same, in the same order; several layers, in any."""
        ours, theirs = _sources(stretch.ours), _sources(stretch.theirs)
        if len(stretch.ours) == len(stretch.theirs) == 1:
            return len(ours) == len(theirs) and all(map(self._level, ours, theirs))
        return all(any(self._level(a, b) for b in theirs) for a in ours) and all(
            any(self._level(a, b) for a in ours) for b in theirs
        )

    def _level(self, a: int, b: int) -> bool:
        if a >= 0 and b >= 0:
            return self.agree(self.ours[a], self.theirs[b])
        if a < 0 and b < 0:
            return a == b
        given = self.inputs[-1 - min(a, b)]
        use = self.ours[a] if a >= 0 else self.theirs[b]
        return given.shape == use.shape and not distance(given, use.double).any()


def _sources(uses: Sequence[_Use]) -> list[int]:
    """Return what layers take from outside themselves."""
    own = {use.place for use in uses}
    return [source for use in uses for source in use.sources if source not in own]


def _lined_up(
    ours: Sequence[_Use], theirs: Sequence[_Use]
) -> tuple[list[_Stretch], list[tuple[_Use, _Use]]]:
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
    pair: tuple[_Use, _Use],
    ours: Sequence[_Use],
    theirs: Sequence[_Use],
    anchored: Sequence[tuple[_Use, _Use]],
    agree: Callable[[_Use, _Use], bool],
) -> tuple[_Use, _Use] | None:
    """Return where layers of one model alone, right behind, make up for what the other's did."""
    one, other = pair
    behind = _run_alone(ours, one.place, {a.place for a, _ in anchored})
    beyond = _run_alone(theirs, other.place, {b.place for _, b in anchored})
    tries = [*((use, other) for use in behind), *((one, use) for use in beyond)]
    return next((pair for pair in tries if agree(*pair)), None)


def _run_alone(uses: Sequence[_Use], place: int, anchored: set[int]) -> Iterator[_Use]:
    for use in uses[place + 1 :]:
        if use.place in anchored:
            return
        yield use


# --- figures --------------------------------------------------------------------------------------


def _differs(one: _Use, other: _Use, inputs: Inputs, residue: bool) -> bool:
    noise = _noise(one, other, inputs)
    return bool(real_elements(one.double, other.double, noise, residue=residue).any())


def _noise(one: _Use, other: _Use, inputs: Inputs) -> Noise:
    if one.double.dtype.kind in "OSU":
        nothing = np.zeros(one.shape)
        return Noise(nothing, nothing)
    with np.errstate(over="ignore", invalid="ignore"):
        return noise_floor(
            (one.double, other.double),
            (one.working, other.working),
            (one.sensitivity, other.sensitivity),
            input_scale(inputs, one.double),
        )


def _row(one: _Use, other: _Use) -> FirstDivergence:
    alike = one.working.shape == other.working.shape
    gap = distance(one.working, other.working) if alike else None
    return FirstDivergence(
        reference_layer=one.layer,
        candidate_layer=other.layer,
        max_abs=float(gap.max()) if gap is not None and gap.size else None,
    )
