"""Observations of a pair of models, from which a verdict is judged."""

from __future__ import annotations

from dataclasses import dataclass

from layerlens.numerics.arrays import Array
from layerlens.numerics.noise_floor import NoiseFloor
from layerlens.numerics.probes import ProbeBatch
from layerlens.report.layers import ModelError
from layerlens.report.pairs import CertificateRow
from layerlens.vocabulary import AlsoDiffers, Execution, Plan


@dataclass(frozen=True, slots=True)
class Observation:
    """Both models on one batch of probes, with one set of weights, called in one way.

    Arrays are per output, batch axis first, after `select`. `reference64` and `candidate64` are
    the outputs in float64, called with unknown shapes; `noise` is the noise floor per output.
    """

    weights: str
    execution: Execution
    batch: ProbeBatch
    reference: tuple[Array, ...]
    candidate: tuple[Array, ...]
    reference64: tuple[Array, ...]
    candidate64: tuple[Array, ...]
    noise: tuple[NoiseFloor, ...]
    #: False where a model has no float64 form, and working precision is used in its place.
    exact: bool = True


@dataclass(frozen=True, slots=True)
class CallRefusal:
    """A call of a model that Keras or TensorFlow refused."""

    model: str
    execution: Execution
    error: ModelError
    #: Shapes of the inputs it was called with.
    input_shapes: tuple[tuple[int, ...], ...]
    #: Whether every way of calling that was tried was refused.
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class ShapeSurprise:
    """Outputs whose shapes differ when the models are run, although other shapes were expected."""

    execution: Execution
    input_shapes: tuple[tuple[int, ...], ...]
    reference: tuple[tuple[int, ...], ...]
    candidate: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was found out about a pair by running it."""

    observations: tuple[Observation, ...] = ()
    refusal: CallRefusal | None = None
    shape_surprise: ShapeSurprise | None = None
    certificate: CertificateRow | None = None
    also_differs: tuple[AlsoDiffers, ...] = ()
    unseen: tuple[str, ...] = ()
    #: Weights on which no output can depend, as is proved.
    without_influence: tuple[str, ...] = ()
    #: What kept a pair that passes from being proved equal.
    unproved: str | None = None
    plan: Plan = "all_probes"
    #: Whether outputs are random and their distributions were compared.
    by_distribution: bool = False
