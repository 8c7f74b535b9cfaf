"""A comparison needs no more of a runtime than the protocol: here one that is NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from layerlens.comparison.also_differs import also_differs
from layerlens.comparison.coverage import unseen
from layerlens.comparison.examination import Examination
from layerlens.comparison.nudges import Nudges
from layerlens.comparison.probe_plan import examine
from layerlens.models.build.request import Built
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.outcome import Outcome
from layerlens.models.execute.runner import Runner
from layerlens.models.execute.side import Side
from layerlens.models.execute.variables import weight_rows
from layerlens.numerics.judge import judge
from layerlens.numerics.weight_transfer import pair_weights
from layerlens.numerics.weight_values import WeightSlot
from layerlens.proof.graphs import Unproved, prove_graphs
from layerlens.vocabulary import Execution
from tests.unit.tables.pairs import chain, input_of, layer, needs_backend, sides

pytestmark = needs_backend

Array = np.ndarray[Any, Any]


@dataclass
class NumPyRunner:
    """A dense layer with a ReLU, without Keras."""

    built: Built
    slope: float
    seed: int = 0
    batch_size: int | None = None
    is_random: bool = False
    keras: None = None
    layers: Sequence[Any] = ()

    def __post_init__(self) -> None:
        self._weights = [np.zeros(slot.shape) for slot in self.slots()]

    @property
    def _dtype(self) -> str:
        return "float64" if self.built.precision == "float64" else "float32"

    def slots(self) -> list[WeightSlot]:
        return [WeightSlot("kernel", (4, 3), self._dtype), WeightSlot("bias", (3,), self._dtype)]

    def values(self) -> list[Array]:
        return list(self._weights)

    def assign(self, values: Sequence[Array]) -> None:
        self._weights = [np.asarray(value, self._dtype) for value in values]

    def reset_states(self, seed: int | None = None) -> None:
        """There is no state."""

    def run(
        self,
        inputs: Sequence[Array],
        execution: Execution,
        *,
        training: bool = False,
        seed: int | None = None,
        reset: bool = True,
    ) -> Outcome:
        kernel, bias = self._weights
        with np.errstate(invalid="ignore"):
            sums = inputs[0].astype(self._dtype) @ kernel + bias
        below = np.asarray(self.slope, self._dtype) * np.where(np.isinf(sums), 0, sums)
        output = np.where((sums > 0) | np.isnan(sums), sums, below)
        return Outcome((output,), (self._dtype,))

    def start(
        self, inputs: Sequence[Array], execution: Execution, **given: Any
    ) -> Callable[[], Outcome]:
        return lambda: self.run(inputs, execution, **given)

    def fitted(self, inputs: Sequence[Array], samples: int | None = None) -> list[Array]:
        rows = np.arange(samples or len(inputs[0])) % len(inputs[0])
        return [array[rows] for array in inputs]

    def batches(self, inputs: Sequence[Array]) -> Iterator[list[Array]]:
        yield list(inputs)

    def masks(self, inputs: Sequence[Array], *, training: bool = False) -> None:
        return None

    def losses(self, inputs: Sequence[Array], *, training: bool = False) -> float:
        return 0.0

    def gradients(self, inputs: Sequence[Array], directions: Any, **given: Any) -> None:
        return None

    def run_rounding_at_random(
        self, inputs: Sequence[Array], size: float, *, draws: int, training: bool = False
    ) -> list[Outcome]:
        return []


def compared(slope: float) -> Examination:
    """Return an examination of a Keras model against the one in NumPy."""
    models = (
        chain("reference", layer("Dense", units=3), layer("ReLU")),
        chain("candidate", layer("Dense", units=3), layer("ReLU")),
    )
    reference, twin = sides(*models, input_of(4))
    runners: list[Runner] = [
        NumPyRunner(replace(runner.built, model=None), slope)
        for runner in (twin.working, twin.float64)
    ]
    candidate = Side("candidate", *runners)
    transfer = pair_weights(weight_rows(reference.built), weight_rows(twin.built))
    return Examination(reference, candidate, transfer, 0)


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.0, "equivalent"), (0.001, "different")], ids=["same", "other"]
)
def test_a_model_of_another_runtime_is_judged_as_any(slope: float, verdict: str) -> None:
    examination = compared(slope)
    assert judge(examine(examination).observations).verdict == verdict


def test_what_needs_layers_accepts_that_there_are_none() -> None:
    examination = compared(0.0)
    examine(examination)
    candidate = examination.candidate
    values = [weights.candidate for weights in examination.sets]
    assert (
        tuple(unseen([Nudges(candidate, one, examination.generic_inputs(), 0) for one in values]))
        == ()
    )
    found = prove_graphs(examination.reference, candidate, examination.transfer, seed=0)
    assert found == Unproved("there is no TensorFlow graph")
    aside = also_differs(
        examination.reference,
        candidate,
        examination.main_values(),
        examination.generic_inputs(),
        examination.padded_inputs(),
        examination.transfer,
        gradients=True,
    )
    assert tuple(aside) == ()


def test_keras_on_tensorflow_is_one_of_them() -> None:
    (side, _) = sides(
        chain("reference", layer("Dense", units=3)),
        chain("candidate", layer("Dense", units=3)),
        input_of(4),
    )
    runner: Runner = side.working
    assert isinstance(runner, KerasRunner)
    assert runner.keras is runner
    assert [one.name for one in runner.layers if one.weights] == ["dense"]
