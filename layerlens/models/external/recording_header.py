"""The description in a recording's file: everything but its arrays, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from layerlens.numerics.recording import Float32Parts, Recording, Versions
from layerlens.report.layers import ModelReport
from layerlens.vocabulary import Execution

#: The version of the format. A reader refuses a file of a later one.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class HeaderInput:
    """One input, as in a scenario."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class HeaderWeight:
    """One weight; its values are arrays of the file."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    is_depthwise: bool = False


@dataclass(frozen=True, slots=True)
class HeaderBatch:
    """The probes of one batch and how many samples each has."""

    names: tuple[str, ...]
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeaderRun:
    """One run: the kind of its weights, the position of its batch, and the ways of calling."""

    weights: str
    batch: int
    executions: tuple[Execution, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The description; the fields are those of `Recording`."""

    layerlens_recording: int
    versions: Versions
    seed: int
    model: ModelReport
    inputs: tuple[HeaderInput, ...]
    weights: tuple[HeaderWeight, ...]
    kinds: tuple[str, ...]
    batches: tuple[HeaderBatch, ...]
    runs: tuple[HeaderRun, ...]
    output_dtypes: tuple[str, ...]
    coarsest_dtype: str
    exact: bool
    float32: Float32Parts
    numbers: dict[str, tuple[float, ...]]
    unseen: tuple[str, ...]

    def inconsistency(self) -> str | None:
        """Return what in the description contradicts itself; None if nothing does."""
        return next(self._inconsistencies(), None)

    def _inconsistencies(self) -> Iterator[str]:
        if not self.inputs or not self.output_dtypes:
            yield "no inputs or no outputs"
        if not self.runs or not self.kinds:
            yield "no runs or no weights"
        if len(set(self.kinds)) < len(self.kinds):
            yield "a kind of weights twice"
        for batch in self.batches:
            counted = len(batch.names) == len(batch.samples) > 0
            if not counted or min(batch.samples) < 1:
                yield "a batch without samples for each of its probes"
        for run in self.runs:
            if run.weights not in self.kinds or not 0 <= run.batch < len(self.batches):
                yield "a run on weights or a batch that it does not hold"
            if not run.executions or len(set(run.executions)) < len(run.executions):
                yield "a run without a way of calling, or with one twice"
        sizes = [n for item in self.inputs for n in item.shape if n is not None]
        sizes += [n for weight in self.weights for n in weight.shape]
        if any(n < 0 for n in sizes):
            yield "a negative length"


def header_of(recording: Recording) -> Header:
    """Return the description of a recording."""
    return Header(
        FORMAT,
        recording.versions,
        recording.seed,
        recording.report,
        tuple(
            HeaderInput(one.name, one.shape, one.dtype, one.low, one.high)
            for one in recording.inputs
        ),
        tuple(
            HeaderWeight(one.path, one.shape, one.dtype, one.is_depthwise)
            for one in recording.slots
        ),
        tuple(recording.weights),
        tuple(
            HeaderBatch(batch.names, tuple(part.stop - part.start for part in batch.slices))
            for batch in recording.batches
        ),
        tuple(HeaderRun(run.weights, run.batch, tuple(run.outputs)) for run in recording.runs),
        recording.output_dtypes,
        recording.coarsest_dtype,
        recording.exact,
        recording.float32,
        dict(recording.numbers),
        recording.unseen,
    )
