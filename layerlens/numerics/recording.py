"""What a model answered: recorded with its inputs and weights, or by another runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import ProbeBatch
from layerlens.numerics.weight_values import WeightSlot
from layerlens.report.layers import ModelReport, WeightRow
from layerlens.scenario.spec import InputSpec
from layerlens.vocabulary import Execution

#: The kind of the weights that the recorded model had itself.
SAVED = "initial"


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """The outputs of a model on one batch with one set of weights; arrays are per output."""

    #: The kind of the weights, and the position of the batch.
    weights: str
    batch: int
    #: In working precision, for each way of calling.
    outputs: Mapping[Execution, tuple[Array, ...]]
    #: In float64, called with unknown shapes; in working precision where the model has no such
    #: form.
    float64: tuple[Array, ...]
    #: The change of each element for a relative change of 1 of inputs and weights; empty where it
    #: was not measured.
    sensitivity: tuple[Array, ...] = ()
    #: The change of each element for a relative change of 1 of every result inside the model; empty
    #: where it was not measured.
    inner: tuple[Array, ...] = ()


@dataclass(frozen=True, slots=True)
class Float32Parts:
    """What the float64 form of the recorded model still computed or rounded in float32."""

    constants: tuple[float, ...] = ()
    computed: bool = False


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that a recording was made with."""

    layerlens: str
    python: str
    keras: str
    tensorflow: str
    numpy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model answered on given inputs and weights, on which another model is run."""

    #: Kind → the values of the weights that the other model takes over; its own are `SAVED`.
    weights: Mapping[str, tuple[Array, ...]]
    batches: tuple[ProbeBatch, ...]
    runs: tuple[RecordedRun, ...]
    #: The dtype that each output was declared to have.
    output_dtypes: tuple[str, ...]
    #: The dtype with the fewest digits that a layer computed in.
    coarsest_dtype: str
    #: Whether the model had a float64 form.
    exact: bool
    #: What that form left in float32; None where this is not known.
    float32: Float32Parts | None
    #: Layer → the numbers in it at which outputs may jump; inputs near them are among the batches.
    numbers: Mapping[str, tuple[float, ...]] | None = None
    #: Weights and layers of the model on which no output depends.
    unseen: tuple[str, ...] = ()
    #: Kind → the weights of the model itself, where they can be set.
    assigned: Mapping[str, tuple[Array, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording(Answers):
    """A model's function on recorded inputs and weights.

    The model itself and its code are not part of it: it answers on these inputs and weights alone.
    """

    report: ModelReport
    inputs: tuple[InputSpec, ...]
    slots: tuple[WeightSlot, ...]
    float32: Float32Parts
    numbers: Mapping[str, tuple[float, ...]]
    seed: int
    versions: Versions

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.inputs)

    @property
    def weight_rows(self) -> tuple[WeightRow, ...]:
        return tuple(WeightRow(slot.path, slot.shape, prod(slot.shape)) for slot in self.slots)

    @property
    def samples(self) -> int:
        """The number of samples in all batches."""
        return sum(len(batch.inputs[0]) for batch in self.batches)
