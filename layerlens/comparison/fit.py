"""Train models from the same weights on the same data, and compare the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from layerlens.comparison.train import Learnt, Lesson, train
from layerlens.comparison.training_data import draw_inputs, draw_targets
from layerlens.models.build.memory import refuse_samples_beyond_memory
from layerlens.models.build.request import Built, Refused
from layerlens.models.build.session import in_fresh_session
from layerlens.models.execute.input_domains import BASE_LENGTHS, fixed_domains
from layerlens.models.execute.keras_runner import KerasRunner, restoring_weights
from layerlens.models.execute.variables import pair_model_weights, weight_rows
from layerlens.models.inspect.shapes import selected_shape
from layerlens.models.inspect.working_memory import working_memory
from layerlens.models.keras_errors import (
    explain_target,
    unknown_loss,
    unknown_optimizer,
)
from layerlens.models.keras_errors.arguments import known_names
from layerlens.models.keras_errors.explain_target import SPARSE, loss_name
from layerlens.models.variants import ModelVariants
from layerlens.numerics.arrays import Array
from layerlens.numerics.probes import Domain
from layerlens.numerics.weight_transfer import Transfer, pair_weights
from layerlens.report.layers import ModelError
from layerlens.report.training import FitRow
from layerlens.scenario.slices import parse_select
from layerlens.scenario.spec import FitSpec, Shape
from layerlens.vocabulary import TransferMethod

#: A float64 difference below this share of the scale is rounding, and so is one below that share
#: of the float32 difference: rounding shrinks by about 2^-29, a real difference does not.
_TINY = 2.0**-30
_SHRUNK = 2.0**-20


@dataclass(frozen=True, slots=True)
class Gap:
    """The greatest differences to the reference, and the greatest number among what is compared."""

    loss: float
    weights: float | None
    scale: float

    @property
    def greatest(self) -> float:
        return max(self.loss, self.weights or 0.0)


def fit_models(
    models: Mapping[str, Built | Refused],
    reference: str,
    fit: FitSpec,
    *,
    seed: int,
    transfer: TransferMethod = "auto",
    variants: ModelVariants | None = None,
) -> tuple[FitRow, ...]:
    """Train every model from the reference's weights on the same data, and compare.

    Inputs and targets are drawn from `seed`, batches come in order, every model has a fresh
    optimizer of its own and the same dropout seeds. `alike` takes no tolerance: the training is
    run again in float64, where a difference that was rounding shrinks by about 2^29 and a real one
    stays. It is None where that cannot be done. Where the weights cannot be carried over, only the
    losses are told. A model that Keras refused to build has no row; one whose target does not fit
    its output, or that Keras refuses to train, has a row with the error. The models keep the
    weights they came with.
    """
    course = _Course(models, reference, fit, seed, transfer)
    working = {name: course.learnt(name, built) for name, built in course.built.items()}
    double: dict[str, Learnt] = {}
    if variants is not None:
        for name in course.undecided(working):
            twin = variants.in_float64(course.built[name])
            if isinstance(twin, Built) and twin.precision == "float64":
                double[name] = course.learnt(name, twin)
    return tuple(course.row(name, working, double) for name in course.built)


@dataclass
class _Course:
    """One `fit:` for all models of a scenario."""

    models: Mapping[str, Built | Refused]
    reference: str
    fit: FitSpec
    seed: int
    method: TransferMethod

    def __post_init__(self) -> None:
        self.built = {n: model for n, model in self.models.items() if isinstance(model, Built)}
        self.fault = _unknown_names(self.fit)
        self.own = {name: tuple(KerasRunner(one).values()) for name, one in self.built.items()}
        self.transfers = {name: self._transfer(name) for name in self.built}

    def _transfer(self, name: str) -> Transfer | None:
        """How the reference's weights reach a model; None where they do not, or not all."""
        if self.reference not in self.built or self.method == "none":
            return None
        if name == self.reference:
            rows = weight_rows(self.built[name])
            return pair_weights(rows, rows, "by_order")
        source, goal = self.built[self.reference], self.built[name]
        found = pair_model_weights(source, goal, self.method)
        return found if found.complete else None

    def start(self, name: str) -> tuple[Array, ...]:
        transfer = self.transfers[name]
        if transfer is None:
            return self.own[name]
        return tuple(transfer.carry(self.own[self.reference], self.own[name]))

    def learnt(self, name: str, built: Built) -> Learnt:
        error = self.fault or _output_error(built) or self._target_error(name)
        if error is not None:
            return Learnt(error=error)
        length = self._length(name)
        domains = fixed_domains((built, *self._siblings(name)), length)
        batch, samples = self._sizes()
        refuse_samples_beyond_memory(
            samples, self._scalars(name, domains), batch, working_memory(built.model)
        )
        inputs = draw_inputs(domains, samples, self.seed)
        runner = KerasRunner(built, self.seed)
        with restoring_weights(built):
            runner.assign(self.start(name))
            outcome = runner.run([array[:batch] for array in inputs], "eager")
            if outcome.error is not None:
                return Learnt(error=outcome.error)
            output = _selected(outcome.shapes[0], built)[1:]
            target = draw_targets(
                self.fit.loss, self._target(name, output), output, samples, self.seed
            )
            lesson = Lesson(built, inputs, target, batch)
            runner.reset_states(self.seed)
            return in_fresh_session(lambda: train(lesson, self.fit, runner), self.seed)

    def _sizes(self) -> tuple[int, int]:
        """Batch size and samples: a stateful model takes full batches of one size, so all do."""
        fixed = [one.batch_size for one in self.built.values() if one.batch_size]
        if not fixed:
            return self.fit.batch_size, self.fit.samples
        return fixed[0], max(self.fit.samples // fixed[0], 1) * fixed[0]

    def _scalars(self, name: str, domains: tuple[Domain, ...]) -> int:
        """Return how many values a sample has in its inputs and its target, open axes left out."""
        target = self._wanted(name) or self.built[name].report.output_shape[1:]
        shapes = [*(domain.shape for domain in domains), target]
        return sum(prod(size or 1 for size in shape) for shape in shapes)

    def _siblings(self, name: str) -> list[Built]:
        """The other models with the same inputs: data has to be in the range of all of them."""
        mine = self.built[name].inputs
        return [one for one in self.built.values() if one.inputs == mine]

    def _wanted(self, name: str) -> Shape | None:
        spec = self.fit.targets.get(name, self.fit.target)
        return spec.shape if spec is not None else None

    def _target_error(self, name: str) -> ModelError | None:
        wanted = self._wanted(name)
        if wanted is None:
            return None
        return explain_target(self.fit.loss, wanted, self.built[name].report.output_shape)

    def _length(self, name: str) -> int:
        """What a variable axis is set to: what the target says, if it says it."""
        wanted = self._wanted(name) or ()
        output = self.built[name].report.output_shape[1:]
        said = [n for n, size in zip(wanted, output, strict=False) if size is None and n]
        return said[0] if said else BASE_LENGTHS[0]

    def _target(self, name: str, output: tuple[int, ...]) -> tuple[int, ...]:
        wanted = self._wanted(name)
        natural = output[:-1] if loss_name(self.fit.loss) in SPARSE else output
        if wanted is None:
            return natural
        filled = zip(wanted, (*natural, 1), strict=False)
        return tuple(size if size is not None else other for size, other in filled)

    # --- what came of it ----------------------------------------------------------------------

    def comparable(self, name: str, learnt: Mapping[str, Learnt]) -> bool:
        """Say whether a model other than the reference can be set against it."""
        both = (self.reference, name)
        return (
            name != self.reference
            and self.transfers[name] is not None
            and all(one in learnt and learnt[one].error is None for one in both)
        )

    def same_target(self, name: str, learnt: Mapping[str, Learnt]) -> bool:
        return learnt[name].target_shape == learnt[self.reference].target_shape

    def undecided(self, learnt: Mapping[str, Learnt]) -> list[str]:
        """Return the models that have to be trained in float64 too, the reference among them."""
        open_names = [
            name
            for name in self.built
            if self.comparable(name, learnt)
            and self.same_target(name, learnt)
            and self._gap(name, learnt).greatest > 0
        ]
        return [self.reference, *open_names] if open_names else []

    def row(self, name: str, working: Mapping[str, Learnt], double: Mapping[str, Learnt]) -> FitRow:
        mine = working[name]
        if not self.comparable(name, working):
            return FitRow(name, mine.losses, None, None, None, mine.error)
        gap = self._gap(name, working)
        again = self._gap(name, double) if self.comparable(name, double) else None
        # Trained towards targets of another shape, a model learns something else.
        alike = self.same_target(name, working) and _alike(gap, again)
        return FitRow(name, mine.losses, gap.loss, gap.weights, alike, mine.error)

    def _gap(self, name: str, learnt: Mapping[str, Learnt]) -> Gap:
        transfer = self.transfers[name]
        assert transfer is not None  # else nothing is comparable
        one, other = learnt[self.reference], learnt[name]
        carried = transfer.carry(one.weights, other.weights)
        weights = [_greatest(a, b) for a, b in zip(carried, other.weights, strict=True)]
        numbers = [np.asarray(one.losses), *(w for w in one.weights if w.size)]
        return Gap(
            loss=_greatest(np.asarray(one.losses), np.asarray(other.losses)),
            weights=max(weights) if weights else None,
            scale=max(float(np.max(np.abs(array))) for array in numbers),
        )


def _alike(working: Gap, double: Gap | None) -> bool | None:
    """Decide whether what differs is rounding; None where that cannot be told.

    A loss or weight that is not finite on one side alone leaves an infinite difference, one that
    is so on both sides leaves nothing to compare.
    """
    if double is None:
        return True if working.greatest == 0 else None
    if not np.isfinite(double.scale):
        return None
    return double.greatest <= max(_TINY * double.scale, _SHRUNK * working.greatest)


def _greatest(one: Array, other: Array) -> float:
    """The greatest absolute difference; equal NaN and infinities differ by nothing."""
    if not one.size:
        return 0.0
    left, right = one.astype("float64"), other.astype("float64")
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(left - right))
    return float(np.max(np.where(np.isnan(apart), np.inf, apart)))


def _unknown_names(fit: FitSpec) -> ModelError | None:
    if loss_name(fit.loss) not in known_names("losses"):
        return unknown_loss(fit.loss)
    if fit.optimizer.lower() not in known_names("optimizers"):
        return unknown_optimizer(fit.optimizer)
    return None


def _output_error(built: Built) -> ModelError | None:
    shape = built.report.output_shape
    if shape and isinstance(shape[0], tuple):
        return ModelError(
            layer=None,
            message=f"the model has {len(shape)} outputs, and `fit:` trains towards one target",
            hint="join them with `Concatenate`, or leave all but one out of `outputs:`",
        )
    index = parse_select(built.spec.select) if built.spec.select else ()
    if index and index[0] not in (slice(None), Ellipsis):
        return ModelError(
            layer=None,
            message=f"`select: {built.spec.select}` takes samples out, so outputs and targets "
            f"would not be as many",
            hint="let `select` begin with `:` where the model is trained",
        )
    return None


def _selected(shape: Sequence[int], built: Built) -> tuple[int, ...]:
    chosen = selected_shape(tuple(shape), built.spec.select) if built.spec.select else shape
    return tuple(size or 0 for size in chosen)
