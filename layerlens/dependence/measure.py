"""Measure which output step of a model depends on which input step.

One step at a time is replaced, all replacements in one batch, in several kinds of samples and with
several sets of weights, so that no cancellation, dead unit or mask hides a dependence. Each layer
is called on its own, with inputs drawn in the shapes it has in this model.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from layerlens.dependence.mixing import Mixing, SeenMap, mixing_of, strongest
from layerlens.dependence.step_replacement import FEATURES, NotMeasurable, Setting, StepReplacement
from layerlens.models.backend.exhaustion import raise_if_out_of_memory
from layerlens.models.build.request import Built
from layerlens.models.execute.input_domains import (
    fixed_domains,
    foreign_layer_numbers,
    has_foreign_layers,
    mask_values,
)
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.layer_calls import Subject, domain_of, is_recurrent, layer_subject
from layerlens.models.execute.lengths import BEYOND
from layerlens.models.execute.receptive_field import call_span, receptive_field
from layerlens.models.execute.restored_weights import restoring_weights
from layerlens.models.inspect.call_graph import (
    calls_between,
    graph_ends,
    is_input_call,
    producing_call,
)
from layerlens.models.inspect.nested_layers import flat_layers, with_nested
from layerlens.numerics.arrays import Array
from layerlens.numerics.heat_map import step_map_row
from layerlens.numerics.probes import Domain, generator
from layerlens.numerics.weight_values import draw_weight
from layerlens.report.maps import StepMapRow
from layerlens.scenario.slices import parse_select
from layerlens.vocabulary import Execution, OtherInfluence

#: Lengths to try where an axis is variable; the first that the layer accepts is used.
LENGTHS = (24, 16, 32, 7, 64, 3, 1)
#: The greatest length at which dependence is measured; longer inputs would take too long.
MAX_LENGTH = 4096
#: The greatest number in a custom layer's code that may be the number of steps it looks across.
MAX_OWN_NUMBER = 512
#: Layers without randomness that compute something different in training.
_MODE_DEPENDENT = ("BatchNormalization", "SpectralNormalization")
#: Kinds of weights to try: the model's own, and drawn ones, since an initial bias may be zero.
WEIGHTS = ("drawn", "own", "strong")


@dataclass(frozen=True, slots=True)
class StepMap:
    """The map of one axis: `seen[o, n]` is true where output step o depends on step `steps[n]`."""

    axis: int
    seen: SeenMap
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

    #: Along the time axis; several where inputs or outputs have different lengths.
    maps: tuple[StepMap, ...] = ()
    #: By axis, along further axes: width is axis 2, `FEATURES` the last one.
    along: Mapping[int, StepMap] = field(default_factory=dict)
    #: None where neither side has a time axis, or where it could not be measured.
    mixing: Mixing | None = None
    is_stateful: bool = False
    #: Whether one sample's output depends on other samples of the batch.
    is_batch_coupled: bool = False
    is_random: bool = False
    #: Why it could not be measured.
    reason: str | None = None
    #: Along the time axis, for each pair of input and output, reduced to the size of a picture.
    rows: tuple[StepMapRow, ...] = ()
    #: Whether it could be called, so that `beside` is known.
    is_measured: bool = False
    #: The dependences of the layers inside a nested model, in the order of their rows.
    inside: tuple[Dependence, ...] = ()

    @property
    def beside(self) -> tuple[OtherInfluence, ...] | None:
        """What outputs depend on besides their sample's inputs; None where that is not known."""
        found: list[tuple[OtherInfluence, bool]] = [
            ("state", self.is_stateful),
            ("batch", self.is_batch_coupled),
            ("chance", self.is_random),
        ]
        present = tuple(name for name, is_so in found if is_so)
        return present if present or self.is_measured else None


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
    features: bool = False,
) -> ModelDependence:
    """Measure which step depends on which, in a built model and in each of its layers.

    Pass the model in float64 where possible, so that rounding hides little. `axes` are further
    axes of input and output, the batch axis counted; the spatial axes of images are always
    measured. `features` adds the last axis on both sides, whatever its number. A layer that fails
    when it is called on its own has a `reason` and no kind. The model's weights are restored.
    """
    measurement = _ModelMeasurement(
        built, KerasRunner(built, seed), seed, training, tuple(axes), features
    )
    with restoring_weights(built), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a lost mask is a field of the layer's row already
        return measurement.run()


def measure_whole(
    built: Built, *, seed: int = 0, training: bool = False, kinds: Sequence[str] = WEIGHTS
) -> Dependence:
    """Measure which step depends on which in a model as a whole, with these kinds of weights.

    Pass the model in float64 where possible. The model's weights are restored.
    """
    measurement = _ModelMeasurement(
        built, KerasRunner(built, seed), seed, training, axes=(), features=False
    )
    with restoring_weights(built), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measurement.whole(measurement.layers(), kinds)


def depends_on_mode(built: Built) -> bool:
    """Return whether a model may compute something different in training than in inference."""
    return has_foreign_layers(built) or any(
        type(layer).__name__ in _MODE_DEPENDENT
        or getattr(layer, "seed_generator", None) is not None
        for layer in flat_layers(built.model)
    )


def _spatial_first(axis: int) -> tuple[bool, int]:
    return axis == FEATURES, axis


@dataclass
class _ModelMeasurement:
    """Measures the layers of one model, and the model as a whole."""

    built: Built
    runner: KerasRunner
    seed: int
    training: bool
    axes: tuple[int, ...]
    features: bool

    def run(self) -> ModelDependence:
        layers = self.layers()
        for kind in WEIGHTS:
            self.runner.assign(self._weights(kind))
            for one in layers:
                for part in one.with_inside():
                    self._measure(part, kind)
        layer_positions = {
            id(producing_call(one.subject.outputs[0])): place for place, one in enumerate(layers)
        }
        found = tuple(one.dependence(layer_positions) for one in layers)
        return ModelDependence(self.whole(layers, WEIGHTS), found)

    def layers(self) -> list[_Findings]:
        return list(self._layers(self.built.model.inputs, self.built.model.outputs))

    def whole(self, layers: Sequence[_Findings], kinds: Sequence[str]) -> Dependence:
        own = max((one.span for one in layers), default=1)
        whole = _Findings(self._whole(layers), max(receptive_field(self.built).span, own))
        for kind in kinds:
            self.runner.assign(self._weights(kind))
            self._measure(whole, kind)
        return whole.dependence({})

    def _weights(self, kind: str) -> list[Array]:
        """Return values of a kind; only trainable ones are drawn, as others may be constants."""
        own = self._own_values
        if kind == "own":
            return list(own)
        drawn = []
        for slot, value in zip(self.runner.slots(), own, strict=True):
            rng = generator(self.seed, "dependence", kind, slot.path)
            drawn.append(
                draw_weight(slot, value, kind, rng) if slot.path in self._trainable_paths else value
            )
        return drawn

    def __post_init__(self) -> None:
        self._own_values = tuple(self.runner.values())
        self._trainable_paths = {
            str(variable.path)
            for layer in with_nested(self.built.model)
            for variable in layer._trainable_variables
        }
        blanks = (*mask_values((self.built,)), 0.0)
        self._setting = Setting(self.runner, self.seed, blanks)
        #: The number of output steps by (tensor id, input length), for inputs of the next layers.
        self._output_lengths: dict[tuple[int, int], int] = {}

    def _layers(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Iterator[_Findings]:
        """Yield the calls of a graph; a nested model's own calls are inside its first one."""
        seen: set[int] = set()
        for node in calls_between(inputs, outputs):
            if not is_input_call(node):
                subject = layer_subject(node, self.built.batch_size, self.training)
                numbers = [n for n in foreign_layer_numbers(node.operation) if n <= MAX_OWN_NUMBER]
                inner = ((), ()) if id(node.operation) in seen else graph_ends(node.operation)
                seen.add(id(node.operation))
                span = max(call_span(node), *numbers, 1)
                yield _Findings(subject, span, inside=tuple(self._layers(*inner)))

    def _whole(self, layers: Sequence[_Findings]) -> Subject:
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

        traces = is_recurrent(model) or self.runner.already_traced(training=self.training)
        execution: Execution = "traced_dynamic" if traces else "eager"

        def call(given: Mapping[int, Array]) -> Sequence[Array]:
            arrays = [given[id(t)] for t in inputs]
            outcome = self.runner.run(arrays, execution, training=self.training)
            if outcome.error is not None:
                raise NotMeasurable(outcome.error.message)
            select = self.built.spec.select
            part = parse_select(select) if select is not None else (slice(None),)
            return [np.asarray(array[part]) for array in outcome.outputs]

        return Subject(
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
        """Return which outputs have steps after a `select`; empty where there is none."""
        if self.built.spec.select is None:
            return ()
        shape = self.built.report.output_shape
        shapes = (shape,) if len(outputs) == 1 else shape
        return tuple(len(one) > 2 for one in shapes)

    # --- running ------------------------------------------------------------------------------

    def _measure(self, one: _Findings, kind: str) -> None:
        if not (one.has_steps or self.features) or (
            one.length and not one.subject.weights & self._trainable_paths
        ):
            return
        is_fixed = all(None not in tensor.shape[1:] for tensor in one.subject.inputs)
        lengths = (one.length,) if one.length else LENGTHS[:1] if is_fixed else one.lengths
        if not lengths:
            one.reason = (
                f"its receptive field is {one.span:,} steps; up to {MAX_LENGTH:,} are tried"
            )
        for length in lengths:
            try:
                self._measure_at_length(one, kind, length)
            except Exception as error:  # whatever a layer raises is reported as the reason
                raise_if_out_of_memory(error, "while measuring the step dependence")
                one.reason = " ".join(str(error).split())[:200] or type(error).__name__
                continue
            one.length, one.reason = length, None
            return

    def _measure_at_length(self, one: _Findings, kind: str, length: int) -> None:
        subject = one.subject
        domains = self._domains(subject, length)
        replacement = StepReplacement(self._setting, subject, domains, kind, one.is_alone)
        if not one.length:
            one.is_random, one.is_batch_coupled = replacement.batch_effects()
            if one.is_alone:
                replacement = StepReplacement(self._setting, subject, domains, kind, is_alone=True)
        for source, domain in enumerate(domains):
            if subject.stepped[0][source] or not any(subject.stepped[0]):
                first = 1 if subject.stepped[0][source] else None
                timed = (first,) if one.has_steps else ()
                for axis in (*timed, *self._further_axes(domain)):
                    for target, found in replacement.maps(source, axis):
                        one.add(axis, source, target, found, domain.shape)
                        if axis in (None, 1) and subject.stepped[1][target]:
                            self._output_lengths[id(subject.outputs[target]), length] = len(
                                found[0]
                            )

    def _further_axes(self, domain: Domain) -> Iterator[int]:
        """Yield the requested axes, and those between the first and the last: those of images."""
        rank = len(domain.shape) + 1
        asked = {axis % rank for axis in self.axes}
        yield from sorted({n for n in asked if 1 < n < rank} | set(range(2, rank - 1)))
        if self.features and domain.shape and domain.kind == "float":
            yield FEATURES

    def _domains(self, subject: Subject, length: int) -> tuple[Domain, ...]:
        own = {
            id(tensor): domain
            for tensor, domain in zip(
                self.built.model.inputs or (), fixed_domains((self.built,), length), strict=False
            )
        }
        return tuple(
            own.get(id(tensor))
            or domain_of(tensor, subject, self._output_lengths.get((id(tensor), length), length))
            for tensor in subject.inputs
        )


@dataclass
class _Findings:
    """The dependences found so far in one layer or model."""

    subject: Subject
    #: The greatest number of steps that it looks across.
    span: int = 1
    length: int | None = None
    reason: str | None = None
    is_batch_coupled: bool = False
    is_random: bool = False
    #: The findings in the layers of a nested model.
    inside: tuple[_Findings, ...] = ()
    #: (axis, source, target) → the map so far, the steps tried, and the number of input steps.
    _maps: dict[Any, tuple[SeenMap, tuple[int, ...], int]] = field(default_factory=dict)

    def with_inside(self) -> Iterator[_Findings]:
        """Yield these findings, and those in the layers of a nested model at any depth."""
        yield self
        for one in self.inside:
            yield from one.with_inside()

    @property
    def is_alone(self) -> bool:
        """Whether to call samples one by one, since in a batch they are not comparable."""
        return self.is_random or self.is_batch_coupled

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths to try where an axis is open, each greater than the span.

        Empty where that would take too long.
        """
        beyond = self.span + BEYOND
        if beyond <= LENGTHS[0]:
            return LENGTHS
        return (beyond, beyond + 1, 2 * beyond) if beyond <= MAX_LENGTH else ()

    @property
    def has_steps(self) -> bool:
        return any(self.subject.stepped[0]) or any(self.subject.stepped[1])

    def add(
        self,
        axis: int | None,
        source: int,
        target: int,
        found: tuple[SeenMap, tuple[int, ...]],
        shape: Any,
    ) -> None:
        seen, steps = found
        inputs = 1 if axis is None else shape[-1 if axis == FEATURES else axis - 1]
        key = (axis, source, target)
        if key in self._maps:
            seen = seen | self._maps[key][0]
        self._maps[key] = (seen, steps, inputs)

    def dependence(self, layer_positions: Mapping[int, int]) -> Dependence:
        """Return the result; `layer_positions` has each layer's position, by the id of its call."""
        facts = {
            "is_stateful": self.subject.is_stateful,
            "is_batch_coupled": self.is_batch_coupled,
            "is_random": self.is_random,
            "reason": self.reason,
            "is_measured": self.length is not None,
            "inside": tuple(one.dependence({}) for one in self.inside),
        }
        if not self._maps:
            return Dependence(**facts)  # type: ignore[arg-type]
        timed = self._joined_maps((None, 1))
        further = {axis for axis, _, _ in self._maps if axis not in (None, 1)}
        along = {
            axis: maps[0]
            for axis in sorted(further, key=_spatial_first)
            if (maps := self._joined_maps((axis,)))
        }
        # Where every attempt failed, the maps are incomplete.
        mixing = strongest([one.mixing for one in timed]) if self.length else None
        rows = tuple(self._rows(layer_positions)) if self.length else ()
        return Dependence(timed, along, mixing, rows=rows, **facts)  # type: ignore[arg-type]

    def _rows(self, layer_positions: Mapping[int, int]) -> Iterator[StepMapRow]:
        for (axis, source, target), (seen, tried, inputs) in self._maps.items():
            if axis not in (None, 1):
                continue
            node = producing_call(self.subject.inputs[source])
            yield step_map_row(
                seen,
                tried,
                source=str(node.operation.name),
                source_layer=layer_positions.get(id(node)),
                output=target,
                inputs=None if axis is None else inputs,
                has_steps=self.subject.stepped[1][target],
            )

    def _joined_maps(self, axes: tuple[int | None, ...]) -> tuple[StepMap, ...]:
        """Join the maps that have one shape, so that several inputs count together."""
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
        self, axis: int | None, target: int, seen: SeenMap, steps: tuple[int, ...], inputs: int
    ) -> Mixing:
        if axis is None:
            return Mixing("expands")
        if axis == FEATURES:
            return mixing_of(seen, steps, inputs)
        if not self.subject.stepped[1][target]:
            return Mixing("reduces")
        return mixing_of(seen, steps, inputs)
