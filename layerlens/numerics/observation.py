"""What was seen of a pair: frozen observations that a verdict is judged from."""

from __future__ import annotations

from dataclasses import dataclass

from layerlens.numerics.arrays import Array
from layerlens.numerics.noise_floor import NoiseFloor
from layerlens.numerics.probes import ProbeBatch
from layerlens.report.layers import ModelError
from layerlens.report.pairs import CertificateRow
from layerlens.vocabulary import AlsoDiffers, Execution


@dataclass(frozen=True, slots=True)
class Observation:
    """Both models on one batch of probes, with one set of weights, called in one way.

    Arrays are per output, batch axis first, after `select`. `own_reference` and `own_candidate`
    are the same model's outputs in the baseline execution, to tell whether the way of calling
    changes a model's result.
    """

    weights: str
    execution: Execution
    batch: ProbeBatch
    reference: tuple[Array, ...]
    candidate: tuple[Array, ...]
    reference64: tuple[Array, ...]
    candidate64: tuple[Array, ...]
    noise: tuple[NoiseFloor, ...]
    #: False where a model has no float64 form, and its working precision stands in for it.
    exact: bool = True


@dataclass(frozen=True, slots=True)
class CallRefusal:
    """A model that Keras or TensorFlow refused when it was called."""

    model: str
    execution: Execution
    error: ModelError
    #: Shapes of the inputs it was called with.
    input_shapes: tuple[tuple[int, ...], ...]
    #: True where no way of calling that was tried is accepted.
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class ShapeSurprise:
    """Outputs whose shapes differ when run although the announced ones agree.

    With `announced`, `candidate` is what that model gives and `reference` what it had announced.
    """

    execution: Execution
    input_shapes: tuple[tuple[int, ...], ...]
    reference: tuple[tuple[int | None, ...], ...]
    candidate: tuple[tuple[int, ...], ...]
    announced: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    observations: tuple[Observation, ...] = ()
    refusal: CallRefusal | None = None
    shape_surprise: ShapeSurprise | None = None
    certificate: CertificateRow | None = None
    also_differs: tuple[AlsoDiffers, ...] = ()
    unseen: tuple[str, ...] = ()
    #: True where outputs are random and the streams could not be lined up.
    by_distribution: bool = False
