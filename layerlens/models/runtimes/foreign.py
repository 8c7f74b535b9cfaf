"""A model in another runtime, and how it is fed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerlens.models.runtimes.kinds import KINDS, ONNX
from layerlens.models.runtimes.process import About, RuntimeProcess
from layerlens.numerics.arrays import Array
from layerlens.numerics.weight_values import WeightSlot
from layerlens.vocabulary import Float64Form


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a loaded model; shapes have the batch axis first."""

    name: str
    dtype: str
    #: None is a length that is not fixed.
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One result of a quantised file: its shape per sample, its step, and its range."""

    shape: tuple[int, ...]
    size: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Feed:
    """How one of the file's inputs is made of those of another model."""

    #: The position among the other model's inputs.
    position: int
    #: The order of its axes, batch axis first; None is the same.
    axes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """Which weights of another model an ONNX file holds."""

    #: Whether all are found, and no other array may be computed from them.
    complete: bool
    #: The positions of those that are not found.
    missing: tuple[int, ...]
    #: The position of each one that is found, and the name of a tensor that holds it.
    names: tuple[tuple[int, str], ...]
    #: Single numbers in the file that are no weights.
    numbers: tuple[float, ...]
    too_large: bool
    #: Why a file that is right may differ on other weights.
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class InnerResult:
    """What one layer or node of a model gives for one batch."""

    #: The name of the tensor, and the name and type of what computes it.
    tensor: str
    name: str
    type: str
    value: Array


@dataclass(frozen=True)
class ForeignModel:
    """A model that a runtime has loaded in its own process."""

    process: RuntimeProcess
    about: About
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    float64: Float64Form
    #: The dtype that weights or results are quantised to; None for a file that is not quantised.
    quantized: str | None
    #: The results that a file quantises.
    steps: tuple[Step, ...] = ()
    #: The weights that can be set, in the order of `values`; empty for a frozen model.
    slots: tuple[WeightSlot, ...] = ()
    #: Whether onnx's reference evaluator computes the float64 results.
    evaluated: bool = False
    #: Whether it lists its inputs as the model takes them; a converter may list them in any order.
    is_ordered: bool = True
    #: Whether the order of its outputs means anything; a mapping is in that of the alphabet.
    has_ordered_outputs: bool = True
    #: Where an ONNX file was searched for weights, what was found.
    found: FoundWeights | None = None
    #: For each of the model's inputs, once they are lined up with those of another model.
    feeds: tuple[Feed, ...] = ()
    #: For each output, its place among those of the file; empty where they are as in the file.
    places: tuple[int, ...] = ()
    #: For each output, the order of its axes in the layout of that model; None is its own.
    returned: tuple[tuple[int, ...] | None, ...] = ()

    def lined_up(
        self, feeds: Sequence[Feed], returned: Sequence[tuple[int, ...] | None]
    ) -> ForeignModel:
        """Return the model that takes inputs, and gives outputs, in the layout of another one."""
        return replace(self, feeds=tuple(feeds), returned=tuple(returned))

    @property
    def is_open(self) -> bool:
        """Whether its weights can be set."""
        return bool(self.slots)

    @property
    def is_named(self) -> bool:
        """Whether the weights of another model were found in it, and can be set in that order."""
        return self.found is not None and self.found.complete

    def find(self, weights: Sequence[Array]) -> FoundWeights:
        """Find the weights of another model in an ONNX file.

        Raises:
            RuntimeLostError: the process died, or was stopped at a limit.
        """
        head, _ = self.process.ask({"op": "find"}, weights)
        return FoundWeights(
            bool(head["complete"]),
            tuple(head["missing"]),
            tuple((int(source), str(name)) for source, name in head["names"]),
            tuple(map(float, head["numbers"])),
            bool(head["too_large"]),
        )

    def values(self) -> tuple[Array, ...]:
        """Return the weights.

        Raises:
            RuntimeLostError: the process died, or was stopped at a limit.
        """
        return tuple(self.process.ask({"op": "values"})[1]) if self.is_open else ()

    def assign(self, values: Sequence[Array]) -> None:
        """Set the weights, in the order of `values`, or of the weights given to `find`.

        Raises:
            RuntimeLostError: the process died, or was stopped at a limit.
            RuntimeAnswerError: a value does not fit.
        """
        self.process.ask({"op": "assign"}, values)

    def run(self, inputs: Sequence[Array], *, float64: bool = False) -> tuple[Array, ...]:
        """Run on inputs in the order and layout of the model that it is lined up with.

        Raises:
            RuntimeLostError: the process died, or was stopped at a limit.
            RuntimeAnswerError: the runtime refuses the inputs.
        """
        precision = "float64" if float64 else "working"
        given = self._given(inputs, float64=float64)
        outputs = self.process.ask({"op": "run", "precision": precision}, given)[1]
        if self.places:
            outputs = [outputs[place] for place in self.places]
        return tuple(
            output if axes is None or output.ndim != len(axes) else np.transpose(output, axes)
            for output, axes in zip(outputs, self.returned, strict=True)
        )

    @property
    def has_layers(self) -> bool:
        """Whether Keras runs it elsewhere, layer by layer, and not a runtime of exported files."""
        return all(self.about.name != kind.name for kind in KINDS)

    @property
    def shows_inside(self) -> bool:
        """Whether the results inside it can be seen: those of Keras' layers and of ONNX nodes."""
        return self.has_layers or self.about.name == ONNX.name

    def inside(self, inputs: Sequence[Array]) -> tuple[InnerResult, ...]:
        """Return the results inside the model for one batch, in working precision.

        Raises:
            RuntimeLostError: the process died, or was stopped at a limit.
            RuntimeAnswerError: the runtime cannot show them.
        """
        head, values = self.process.ask({"op": "inside"}, self._given(inputs, float64=False))
        return tuple(
            InnerResult(str(row["tensor"]), str(row["name"]), str(row["type"]), value)
            for row, value in zip(head["rows"], values, strict=True)
        )

    def _given(self, inputs: Sequence[Array], *, float64: bool) -> list[Array]:
        given = []
        for port, feed in zip(self.inputs, self.feeds, strict=True):
            array = inputs[feed.position]
            if feed.axes is not None:
                array = np.transpose(array, feed.axes)
            wanted = "float64" if float64 and port.dtype == "float32" else port.dtype
            given.append(array.astype(wanted, copy=False))
        return given
