"""The interface between a comparison and the runtime that computes a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from layerlens.models.build.request import Built
from layerlens.models.execute.gradients import Gradients
from layerlens.models.execute.outcome import Outcome
from layerlens.numerics.arrays import Array
from layerlens.numerics.weight_values import WeightSlot
from layerlens.vocabulary import Execution

if TYPE_CHECKING:
    from layerlens.models.execute.keras_runner import KerasRunner


class Runner(Protocol):
    """Runs one model on arrays, with weights and states that may be set.

    `KerasRunner` is Keras on TensorFlow. Another runtime implements the same methods; those of the
    second part may answer that the runtime cannot do it.
    """

    seed: int
    #: The only batch size to call the model with; None: any.
    batch_size: int | None

    @property
    def built(self) -> Built:
        """The specification, the inputs and the layer table; `model` is the runtime's own."""

    @property
    def is_random(self) -> bool:
        """Whether outputs depend on a random seed."""

    def slots(self) -> list[WeightSlot]:
        """Return the name, shape and dtype of each weight, in the order of `values`."""

    def values(self) -> list[Array]:
        """Return the weights."""

    def assign(self, values: Sequence[Array]) -> None:
        """Set the weights, in the order of `values`."""

    def reset_states(self, seed: int | None = None) -> None:
        """Set random seeds and recurrent states to those at the start of every run."""

    def run(
        self,
        inputs: Sequence[Array],
        execution: Execution,
        *,
        training: bool = False,
        seed: int | None = None,
        reset: bool = True,
    ) -> Outcome:
        """Call the model once; an error of the runtime is part of the outcome.

        Raises:
            MemoryLimitError: memory ran out.
        """

    def start(
        self,
        inputs: Sequence[Array],
        execution: Execution,
        *,
        training: bool = False,
        seed: int | None = None,
        reset: bool = True,
    ) -> Callable[[], Outcome]:
        """Start a call and return a function that waits for its outcome."""

    def fitted(self, inputs: Sequence[Array], samples: int | None = None) -> list[Array]:
        """Return rows of the inputs, repeated to the fixed batch size, or else to `samples`."""

    def batches(self, inputs: Sequence[Array]) -> Iterator[list[Array]]:
        """Yield the inputs in batches of the fixed size, or all in one batch without one."""

    # --- what a runtime may not have --------------------------------------------------------------

    @property
    def keras(self) -> KerasRunner | None:
        """This runner, where the model is one of Keras' whose variables and graph can be read."""

    @property
    def layers(self) -> Sequence[Any]:
        """The Keras layers of the model, nested ones too; empty: the runtime has none."""

    def masks(
        self, inputs: Sequence[Array], *, training: bool = False
    ) -> list[Array | None] | None:
        """Return the mask of each output, None for those without one; None: no masks here."""

    def losses(self, inputs: Sequence[Array], *, training: bool = False) -> float:
        """Return the sum of all losses that the layers add in one call; 0 without any."""

    def gradients(
        self,
        inputs: Sequence[Array],
        directions: Sequence[NDArray[np.float64]],
        *,
        training: bool = False,
        seed: int | None = None,
    ) -> Gradients | None:
        """Return the gradients of sum(output × direction); None: they cannot be computed."""

    def run_rounding_at_random(
        self, inputs: Sequence[Array], size: float, *, draws: int, training: bool = False
    ) -> list[Outcome]:
        """Run with every operation changing its results by up to `size`; empty: it cannot."""
