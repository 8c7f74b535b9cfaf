"""A built model enters, which output step depends on which input step leaves: found by running it.

One step at a time is replaced, all replacements as one batch, in several surroundings and with
several weights, so that no cancellation, dead unit or mask hides a dependence. A layer is called on
its own, with inputs drawn in the shapes it has in this model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerlens.building import Built
from layerlens.domains import fixed_domains, mask_values
from layerlens.lending import lent
from layerlens.lineage import calls_between, data_inputs, is_entry
from layerlens.measuring import Runner, as_array
from layerlens.mixing import Mixing, Seen, joined, mixing_of
from layerlens.perturbing import (
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
from layerlens.probes import Array, Domain, draw_weight, generator
from layerlens.report import Execution, ModelReport
from layerlens.scenario import InputSpec
from layerlens.select import parse_select

#: Lengths to try where an axis is variable, the first that the layer takes is used.
LENGTHS = (24, 16, 32, 7, 64, 3, 1)
#: Weights to try: the model's own, and others, since a fresh bias or gate may be zero.
WEIGHTS = ("drawn", "own", "strong")
#: Scalars in one batch, outputs included.
_BATCH = 3_000_000
#: Relative difference of equal samples above which a layer is called one sample at a time.
_NOISY = {"float64": 1e-9, "float32": 1e-4}
#: Of how many steps a layer is told that has to be called once for each.
_MOST_CALLS = 24

Call = Callable[[Mapping[int, Array]], Sequence[Array]]


@dataclass(frozen=True, slots=True)
class StepMap:
    """What was measured along one axis: `seen[o, n]` is about output step o and step `steps[n]`."""

    axis: int
    seen: Seen
    steps: tuple[int, ...]
    inputs: int
    mixing: Mixing

    @property
    def is_whole(self) -> bool:
        """Whether every input step was tried."""
        return len(self.steps) == self.inputs


@dataclass(frozen=True, slots=True)
class Dependence:
    """Which output step of a layer or model depends on which input step.

    Several inputs that have steps count together where they have equally many; an input without
    steps, such as an initial state, counts only where no other has any. The same holds for outputs.
    """

    #: Along the time axis; two where inputs or outputs of several lengths were told apart.
    maps: tuple[StepMap, ...] = ()
    #: Along further axes, where they were asked for: height is axis 1, width axis 2.
    along: Mapping[int, StepMap] = field(default_factory=dict)
    #: None where neither side has a time axis, or where it could not be measured.
    mixing: Mixing | None = None
    is_stateful: bool = False
    #: One sample's output depends on what else is in the batch.
    is_batch_coupled: bool = False
    is_random: bool = False
    #: Why it could not be measured.
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ModelDependence:
    """The dependence of a whole model and of its layers, in the order of the report's rows."""

    whole: Dependence
    layers: tuple[Dependence, ...]


def measure_dependence(
    built: Built,
    *,
    seed: int = 0,
    training: bool = False,
    axes: Sequence[int] = (),
) -> ModelDependence:
    """Measure which step depends on which, in a built model and in each of its layers.

    Best given the model in float64, where little is lost in rounding. `axes` are further axes of
    input and output, the batch axis counted, -1 the features. A layer that fails when it is called
    on its own has a `reason` and no kind. The model's weights are as before afterwards.
    """
    study = _Study(built, Runner(built, seed), seed, training, tuple(axes))
    with lent(built), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' advice, that a mask is lost here, is a row's field
        return study.run()


def with_mixes(report: ModelReport, found: ModelDependence) -> ModelReport:
    """Return a model's report with the kinds that were measured."""
    layers = report.layers
    if len(found.layers) == len(layers):
        layers = tuple(
            replace(row, **_fields(one)) for row, one in zip(layers, found.layers, strict=True)
        )
    return replace(report, layers=layers, **_fields(found.whole))


def _fields(one: Dependence) -> dict[str, Any]:
    mixing = one.mixing
    return {
        "mixes": mixing.kind if mixing is not None else None,
        "window": mixing.window if mixing is not None else None,
    }


# --- what is called -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Subject:
    """A layer's call, or the whole model's: symbolic tensors on both sides, and how to call it."""

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    #: Mask tensors, each with the place of the input it belongs to.
    masks: tuple[tuple[Any, int], ...]
    call: Call
    #: Whether each of the inputs and outputs has a time axis.
    stepped: tuple[tuple[bool, ...], tuple[bool, ...]]
    is_stateful: bool
    batch_size: int | None
    #: The paths of the weights it has.
    weights: frozenset[str]
    #: How many things a layer knows that looks its input up.
    limit: int | None = None


@dataclass
class _Study:
    built: Built
    runner: Runner
    seed: int
    training: bool
    axes: tuple[int, ...]

    def run(self) -> ModelDependence:
        layers = [_Gathered(subject) for subject in self._layers()]
        for kind in WEIGHTS:
            self.runner.assign(self._weights(kind))
            for one in layers:
                self._look(one, kind)
        found = tuple(one.dependence() for one in layers)
        whole = _Gathered(self._whole(layers))
        for kind in WEIGHTS:
            self.runner.assign(self._weights(kind))
            self._look(whole, kind)
        return ModelDependence(whole.dependence(), found)

    def _weights(self, kind: str) -> list[Array]:
        """Draw what is trained; a fixed weight may be a mask or a table and stays as it is."""
        own = self._own
        if kind == "own":
            return list(own)
        drawn = []
        for slot, value in zip(self.runner.slots(), own, strict=True):
            rng = generator(self.seed, "dependence", kind, slot.path)
            drawn.append(draw_weight(slot, value, kind, rng) if slot.path in self._free else value)
        return drawn

    def __post_init__(self) -> None:
        self._own = tuple(self.runner.values())
        self._free = {
            str(variable.path)
            for layer in self.built.model._flatten_layers()
            for variable in layer._trainable_variables
        }
        self._blanks = (*mask_values((self.built,)), 0.0)
        self._eps = float(np.finfo(self._precision).eps)

    @property
    def _precision(self) -> str:
        return "float64" if self.built.precision == "float64" else "float32"

    def _layers(self) -> Iterator[_Subject]:
        model = self.built.model
        for node in calls_between(model.inputs, model.outputs):
            if not is_entry(node):
                yield _layer_subject(node, self.built.batch_size, self.training)

    def _whole(self, layers: Sequence[_Gathered]) -> _Subject:
        model = self.built.model
        in_steps = {
            id(tensor)
            for one in layers
            for tensor, has in zip(one.subject.inputs, one.subject.stepped[0], strict=True)
            if has
        }
        inputs = tuple(model.inputs)
        outputs = tuple(model.outputs)
        made = {
            id(tensor)
            for one in layers
            for tensor, has in zip(one.subject.outputs, one.subject.stepped[1], strict=True)
            if has
        }

        execution: Execution = "traced_dynamic" if _is_recurrent(model) else "eager"

        def call(given: Mapping[int, Array]) -> Sequence[Array]:
            arrays = [given[id(t)] for t in inputs]
            outcome = self.runner.run(arrays, execution, training=self.training)
            if outcome.error is not None:
                raise _Failed(outcome.error.message)
            select = self.built.spec.select
            part = parse_select(select) if select is not None else (slice(None),)
            return [np.asarray(array[part]) for array in outcome.outputs]

        return _Subject(
            inputs,
            outputs,
            (),
            call,
            (
                tuple(id(t) in in_steps or len(t.shape) > 2 for t in inputs),
                self._selected_steps(outputs)
                or tuple(id(t) in made or len(t.shape) > 2 for t in outputs),
            ),
            any(one.subject.is_stateful for one in layers),
            self.built.batch_size,
            frozenset(slot.path for slot in self.runner.slots()),
        )

    def _selected_steps(self, outputs: Sequence[Any]) -> tuple[bool, ...]:
        """Say which outputs have steps behind a `select`; nothing where there is none."""
        if self.built.spec.select is None:
            return ()
        shape = self.built.report.output_shape
        shapes = (shape,) if len(outputs) == 1 else shape
        return tuple(len(one) > 2 for one in shapes)

    # --- running ------------------------------------------------------------------------------

    def _look(self, one: _Gathered, kind: str) -> None:
        if not one.is_wanted or (one.length and not one.subject.weights & self._free):
            return
        is_fixed = all(None not in tensor.shape[1:] for tensor in one.subject.inputs)
        lengths = (one.length,) if one.length else LENGTHS[:1] if is_fixed else LENGTHS
        for length in lengths:
            try:
                self._look_at(one, kind, length)
            except MemoryError:
                raise
            except Exception as error:  # whatever a layer raises: it is told as the reason
                one.reason = " ".join(str(error).split())[:200] or type(error).__name__
                continue
            one.length, one.reason = length, None
            return

    def _look_at(self, one: _Gathered, kind: str, length: int) -> None:
        subject = one.subject
        domains = self._domains(subject, length)
        probing = _Probing(self, subject, domains, kind, one.is_alone)
        if not one.length:
            one.is_random, one.is_batch_coupled = probing.company()
            probing.is_alone = one.is_alone
        for source, domain in enumerate(domains):
            if subject.stepped[0][source] or not any(subject.stepped[0]):
                first = 1 if subject.stepped[0][source] else None
                for axis in (first, *self._further_axes(domain)):
                    for target, found in probing.maps(source, axis):
                        one.add(axis, source, target, found, domain.shape)

    def _further_axes(self, domain: Domain) -> Iterator[int]:
        rank = len(domain.shape) + 1
        for axis in self.axes:
            place = axis % rank
            if 1 < place < rank:
                yield place

    def _domains(self, subject: _Subject, length: int) -> tuple[Domain, ...]:
        own = {
            id(tensor): domain
            for tensor, domain in zip(
                self.built.model.inputs or (), fixed_domains((self.built,), length), strict=False
            )
        }
        return tuple(
            own.get(id(tensor)) or _domain_of(tensor, subject, length) for tensor in subject.inputs
        )


class _Failed(Exception):  # noqa: N818 (an outcome on its way to the report)
    """A model could not be called."""


@dataclass
class _Gathered:
    """What the draws have shown of one subject so far."""

    subject: _Subject
    length: int | None = None
    reason: str | None = None
    is_batch_coupled: bool = False
    is_random: bool = False
    #: (axis, source, target) → the map so far, the steps tried, and how many there are.
    _maps: dict[Any, tuple[Seen, tuple[int, ...], int]] = field(default_factory=dict)

    @property
    def is_alone(self) -> bool:
        """Whether samples have to be called one by one: in a batch they are not comparable."""
        return self.is_random or self.is_batch_coupled

    @property
    def is_wanted(self) -> bool:
        return any(self.subject.stepped[0]) or any(self.subject.stepped[1])

    def add(
        self,
        axis: int | None,
        source: int,
        target: int,
        found: tuple[Seen, tuple[int, ...]],
        shape: Any,
    ) -> None:
        seen, steps = found
        inputs = 1 if axis is None else shape[axis - 1]
        key = (axis, source, target)
        if key in self._maps:
            seen = seen | self._maps[key][0]
        self._maps[key] = (seen, steps, inputs)

    def dependence(self) -> Dependence:
        facts = {
            "is_stateful": self.subject.is_stateful,
            "is_batch_coupled": self.is_batch_coupled,
            "is_random": self.is_random,
            "reason": self.reason,
        }
        if not self._maps:
            return Dependence(**facts)  # type: ignore[arg-type]
        timed = self._along((None, 1))
        further = sorted({axis for axis, _, _ in self._maps if axis not in (None, 1)})
        along = {axis: maps[0] for axis in further if (maps := self._along((axis,)))}
        mixing = joined([one.mixing for one in timed])
        return Dependence(timed, along, mixing, **facts)  # type: ignore[arg-type]

    def _along(self, axes: tuple[int | None, ...]) -> tuple[StepMap, ...]:
        """Join maps of one shape, so that what several inputs do counts together."""
        groups: dict[Any, StepMap] = {}
        for (axis, _, target), (seen, steps, inputs) in self._maps.items():
            if axis not in axes:
                continue
            key = (seen.shape, steps, inputs, self.subject.stepped[1][target])
            if key in groups:
                seen = seen | groups[key].seen
            mixing = self._mixing(axis, target, seen, steps, inputs)
            groups[key] = StepMap(axis or 1, seen, steps, inputs, mixing)
        return tuple(groups.values())

    def _mixing(
        self, axis: int | None, target: int, seen: Seen, steps: tuple[int, ...], inputs: int
    ) -> Mixing:
        if axis is None:
            return Mixing("expands")
        if not self.subject.stepped[1][target]:
            return Mixing("reduces")
        return mixing_of(seen, steps, inputs)


@dataclass
class _Probing:
    """One subject under one set of weights: batches go in, maps of steps come out."""

    study: _Study
    subject: _Subject
    domains: tuple[Domain, ...]
    kind: str
    #: Whether each sample is called by itself, always in the same company.
    is_alone: bool

    def __post_init__(self) -> None:
        inside = sum(int(np.prod(domain.shape)) for domain in self.domains)
        outside = sum(
            int(np.prod([LENGTHS[0] if n is None else n for n in tensor.shape[1:]]))
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
        least = _NOISY[self.study._precision] * scale
        return bool(np.allclose(one, other, rtol=0.0, atol=least, equal_nan=True))

    def maps(
        self, source: int, axis: int | None
    ) -> Iterator[tuple[int, tuple[Seen, tuple[int, ...]]]]:
        """Yield, for every output that counts, what it sees of one input along one axis."""
        length = 1 if axis is None else self.domains[source].shape[axis - 1]
        affordable = _BATCH // (len(self._manners) * self._size) - 2
        most = min(MOST_STEPS, max(FEWEST_STEPS, affordable))
        steps = chosen_steps(length, min(most, _MOST_CALLS) if self.is_alone else most)
        found: dict[int, NDArray[np.bool_]] = {}
        for drawn, outputs in self._replaced_in_groups(source, axis, steps):
            for target, array in enumerate(outputs):
                if any(self.subject.stepped[1]) and not self.subject.stepped[1][target]:
                    continue
                along = self._output_axis(axis, target, array)
                seen, noise = steps_seen(array, along, len(steps), self.study._eps)
                if self.is_alone and noise > _NOISY[self.study._precision]:
                    raise _Failed("its output is another at every call with the same input")
                if along == 1:
                    seen &= _counted(drawn, steps, len(seen))
                found[target] = found.get(target, np.zeros_like(seen)) | seen
        for target, seen in found.items():
            yield target, (seen, steps)

    def _output_axis(self, axis: int | None, target: int, array: Array) -> int | None:
        """Return the output's axis of steps that belongs to an input's; None if it has none."""
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
        batches = [self._replaced(drawn, source, axis, steps) for drawn in draws]
        for start in range(0, len(batches), together):
            group = batches[start : start + together]
            inputs, masks = (
                [np.concatenate(parts) for parts in zip(*(one[side] for one in group), strict=True)]
                for side in (0, 1)
            )
            outputs = (
                self._each_alone(inputs, masks) if self.is_alone else self._call(inputs, masks)
            )
            for n in range(len(group)):
                yield draws[start + n], [array[n * rows : (n + 1) * rows] for array in outputs]

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
        blanks = self.study._blanks
        return [
            draw(
                domain,
                manner,
                generator(self.study.seed, "steps", manner, place, domain.shape, self.kind),
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
        self.study.runner.reset_states(self.study.seed)
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


# --- layers ---------------------------------------------------------------------------------------


def _layer_subject(node: Any, batch_size: int | None, training: bool) -> _Subject:
    operation = node.operation
    inputs = tuple({id(tensor): tensor for tensor in data_inputs(node)}.values())
    known = {id(tensor) for tensor in inputs}
    # A mask comes as an argument, or only with the tensor it is about.
    carried = [getattr(tensor, "_keras_mask", None) for tensor in inputs]
    given_masks = [t for t in (*node.arguments.keras_tensors, *carried) if t is not None]
    rest = {id(t): t for t in given_masks if id(t) not in known}
    masks = tuple((tensor, _owner(tensor, inputs)) for tensor in rest.values())
    outputs = tuple(node.outputs)
    symbols = (*inputs, *rest.values())

    def apply(*values: Any) -> list[Any]:
        import keras

        tensors = {id(t): value for t, value in zip(symbols, values, strict=True)}
        for tensor, mask in zip(inputs, carried, strict=True):
            if mask is not None:
                tensors[id(tensor)]._keras_mask = tensors[id(mask)]
        args, kwargs = node.arguments.fill_in(tensors)
        if "training" in getattr(operation, "_call_context_args", ()):
            kwargs = {**kwargs, "training": training}
        return list(keras.tree.flatten(operation(*args, **kwargs)))

    # Step after step, a loop runs many times faster in a graph.
    called = _traced(apply, symbols, batch_size) if _is_recurrent(operation) else apply

    def call(given: Mapping[int, Array]) -> Sequence[Array]:
        import keras

        tensors = [keras.ops.convert_to_tensor(given[id(t)], dtype=t.dtype) for t in symbols]
        return [as_array(item) for item in called(*tensors)]

    return _Subject(
        inputs,
        outputs,
        masks,
        call,
        _stepped(operation, inputs, outputs),
        _is_stateful(operation),
        batch_size,
        frozenset(str(variable.path) for variable in getattr(operation, "weights", ())),
        _limit(operation),
    )


def _traced(
    apply: Callable[..., Any], symbols: Sequence[Any], batch_size: int | None
) -> Callable[..., Any]:
    import tensorflow as tf

    signature = [tf.TensorSpec((batch_size, *t.shape[1:]), t.dtype) for t in symbols]
    function: Callable[..., Any] = tf.function(apply, input_signature=signature, autograph=False)
    return function


def _is_recurrent(operation: Any) -> bool:
    return any(hasattr(layer, "return_sequences") for layer in _held(operation))


def _held(operation: Any) -> tuple[Any, ...]:
    """Return a layer and what it holds; an operation of keras.ops holds nothing."""
    flat = getattr(operation, "_flatten_layers", None)
    return tuple(flat(include_self=True)) if flat is not None else ()


def _owner(mask: Any, inputs: Sequence[Any]) -> int:
    """Return the place of the input whose steps a mask is about."""
    for place, tensor in enumerate(inputs):
        if getattr(tensor, "_keras_mask", None) is mask:
            return place
    lengths = [tensor.shape[1] if len(tensor.shape) > 1 else None for tensor in inputs]
    return lengths.index(mask.shape[1]) if mask.shape[1] in lengths else 0


def _stepped(
    operation: Any, inputs: Sequence[Any], outputs: Sequence[Any]
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Say which tensors have a time axis: axis 1 of (batch, steps, ...).

    Of (batch, n), n counts as steps where they are looked up one by one: tokens.
    """
    vectors = all(len(t.shape) == 2 and _is_floating(t) for t in outputs)
    looked_up = _limit(operation) is not None
    into = tuple(
        len(t.shape) > 2
        or (len(t.shape) == 2 and not vectors and (looked_up or not _is_floating(t)))
        for t in inputs
    )
    out = tuple(
        len(t.shape) > 2 or (len(t.shape) == 2 and not _is_floating(t) and any(into))
        for t in outputs
    )
    return into, out


def _limit(operation: Any) -> int | None:
    found = (getattr(operation, name, None) for name in ("input_dim", "num_tokens"))
    return next((limit for limit in found if isinstance(limit, int)), None)


def _is_floating(tensor: Any) -> bool:
    return str(tensor.dtype).startswith(("float", "bfloat"))


def _is_stateful(operation: Any) -> bool:
    return any(getattr(layer, "stateful", False) for layer in _held(operation))


def _domain_of(tensor: Any, subject: _Subject, length: int) -> Domain:
    """Return what a tensor inside the model may hold, as far as its dtype and its layer tell."""
    shape = tuple(length if size is None else int(size) for size in tensor.shape[1:])
    limit = subject.limit
    spec = InputSpec(str(tensor.name), shape, str(tensor.dtype))
    return Domain(spec, shape, 0, limit or 10, (), bool(limit) and spec.dtype.startswith("float"))
