"""Train models from the same weights on the same data, and compare the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from layerlens.comparison.train import TrainingResult, TrainingTask, train
from layerlens.comparison.training_data import draw_inputs, draw_targets
from layerlens.models.build.memory import refuse_samples_beyond_memory
from layerlens.models.build.request import Built, Model
from layerlens.models.build.session import in_fresh_session
from layerlens.models.execute.input_domains import BASE_LENGTHS, fixed_domains
from layerlens.models.execute.keras_runner import KerasRunner
from layerlens.models.execute.restored_weights import restoring_weights
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
from layerlens.scenario.spec import FitSpec, Shape, TransferRule

#: A float64 difference below this share of the scale is rounding, and so is one below that share
#: of the float32 difference: rounding shrinks by about 2^-29, a real difference does not.
_ROUNDING_RTOL = 2.0**-30
_ROUNDING_SHRINKAGE = 2.0**-20


@dataclass(frozen=True, slots=True)
class TrainingDifference:
    """The greatest absolute differences from the reference, and the greatest number compared."""

    loss: float
    weights: float | None
    scale: float

    @property
    def greatest(self) -> float:
        return max(self.loss, self.weights or 0.0)


def fit_models(
    models: Mapping[str, Model],
    reference: str,
    fit: FitSpec,
    *,
    seed: int,
    transfer: TransferRule = "auto",
    variants: ModelVariants | None = None,
    transfers: Mapping[str, Transfer] | None = None,
) -> tuple[FitRow, ...]:
    """Train every model from the reference's weights on the same data, and compare.

    Inputs and targets are drawn from `seed`, batches come in order, every model has a new
    optimizer of its own and the same dropout seeds. `alike` uses no tolerance: the training is
    run again in float64, where rounding shrinks by about 2^29 and a real difference stays. It is
    None where that cannot be done. Where the weights cannot be transferred, a row has only the
    losses. A model that Keras refused to build has no row; one whose target does not fit its
    output, or that Keras refuses to train, has a row with the error. The weights of the models are
    restored. `transfers` are known already, by candidate.
    """
    comparison = _TrainingComparison(models, reference, fit, seed, transfer, transfers or {})
    working = {name: comparison.train_one(name, built) for name, built in comparison.built.items()}
    double: dict[str, TrainingResult] = {}
    if variants is not None:
        for name in comparison.undecided(working):
            float64 = variants.in_float64(comparison.built[name])
            if isinstance(float64, Built) and float64.precision == "float64":
                double[name] = comparison.train_one(name, float64)
    return tuple(comparison.row(name, working, double) for name in comparison.built)


@dataclass
class _TrainingComparison:
    """Trains all models of a scenario as its `fit:` says, and compares the results."""

    models: Mapping[str, Model]
    reference: str
    fit: FitSpec
    seed: int
    rule: TransferRule
    known: Mapping[str, Transfer]

    def __post_init__(self) -> None:
        self.built = {n: model for n, model in self.models.items() if isinstance(model, Built)}
        self.spec_error = _unknown_names(self.fit)
        self.own = {name: tuple(KerasRunner(one).values()) for name, one in self.built.items()}
        self.transfers = {name: self._transfer(name) for name in self.built}

    def _transfer(self, name: str) -> Transfer | None:
        """Return the transfer of the reference's weights; None where it is not complete."""
        if self.reference not in self.built or self.rule == "none":
            return None
        if name == self.reference:
            rows = weight_rows(self.built[name])
            return pair_weights(rows, rows, "by_order")
        reference, candidate = self.built[self.reference], self.built[name]
        found = self.known.get(name) or pair_model_weights(reference, candidate, self.rule)
        return found if found.complete else None

    def start(self, name: str) -> tuple[Array, ...]:
        """Return the weights with which a model's training starts."""
        transfer = self.transfers[name]
        if transfer is None:
            return self.own[name]
        return tuple(transfer.carry(self.own[self.reference], self.own[name]))

    def train_one(self, name: str, built: Built) -> TrainingResult:
        error = self.spec_error or _output_error(built) or self._target_error(name)
        if error is not None:
            return TrainingResult(error=error)
        length = self._length(name)
        domains = fixed_domains((built, *self._siblings(name)), length)
        batch, samples = self._batch_sizes()
        refuse_samples_beyond_memory(
            samples, self._scalars_per_sample(name, domains), batch, working_memory(built.model)
        )
        inputs = draw_inputs(domains, samples, self.seed)
        runner = KerasRunner(built, self.seed)
        with restoring_weights(built):
            runner.assign(self.start(name))
            output = tuple(built.report.output_shape)[1:]
            if None in output:  # a call shows what a variable length leads to
                outcome = runner.run([array[:batch] for array in inputs], "eager")
                if outcome.error is not None:
                    return TrainingResult(error=outcome.error)
                output = _selected(outcome.shapes[0], built)[1:]
            target = draw_targets(
                self.fit.loss, self._target(name, output), output, samples, self.seed
            )
            task = TrainingTask(built, inputs, target, batch)
            runner.reset_states(self.seed)
            return in_fresh_session(lambda: train(task, self.fit, runner), self.seed)

    def _batch_sizes(self) -> tuple[int, int]:
        """Return batch size and samples; with a stateful model, full batches of its batch size."""
        fixed = [one.batch_size for one in self.built.values() if one.batch_size]
        if not fixed:
            return self.fit.batch_size, self.fit.samples
        return fixed[0], max(self.fit.samples // fixed[0], 1) * fixed[0]

    def _scalars_per_sample(self, name: str, domains: tuple[Domain, ...]) -> int:
        """Return the number of scalars in a sample's inputs and target, with open axes as 1."""
        target = self._target_shape(name) or self.built[name].report.output_shape[1:]
        shapes = [*(domain.shape for domain in domains), target]
        return sum(prod(size or 1 for size in shape) for shape in shapes)

    def _siblings(self, name: str) -> list[Built]:
        """Return the models with the same inputs: the data has to be valid for all of them."""
        own = self.built[name].inputs
        return [one for one in self.built.values() if one.inputs == own]

    def _target_shape(self, name: str) -> Shape | None:
        spec = self.fit.targets.get(name, self.fit.target)
        return spec.shape if spec is not None else None

    def _target_error(self, name: str) -> ModelError | None:
        target_shape = self._target_shape(name)
        if target_shape is None:
            return None
        return explain_target(self.fit.loss, target_shape, self.built[name].report.output_shape)

    def _length(self, name: str) -> int:
        """Return the length of a variable axis: that of the target, where it has one."""
        target_shape = self._target_shape(name) or ()
        output = self.built[name].report.output_shape[1:]
        given = [n for n, size in zip(target_shape, output, strict=False) if size is None and n]
        return given[0] if given else BASE_LENGTHS[0]

    def _target(self, name: str, output: tuple[int, ...]) -> tuple[int, ...]:
        target_shape = self._target_shape(name)
        default = output[:-1] if loss_name(self.fit.loss) in SPARSE else output
        if target_shape is None:
            return default
        filled = zip(target_shape, (*default, 1), strict=False)
        return tuple(size if size is not None else other for size, other in filled)

    # --- the results --------------------------------------------------------------------------

    def is_comparable(self, name: str, results: Mapping[str, TrainingResult]) -> bool:
        """Return whether a model other than the reference can be compared with it."""
        both = (self.reference, name)
        return (
            name != self.reference
            and self.transfers[name] is not None
            and all(one in results and results[one].error is None for one in both)
        )

    def has_same_target(self, name: str, results: Mapping[str, TrainingResult]) -> bool:
        return results[name].target_shape == results[self.reference].target_shape

    def undecided(self, results: Mapping[str, TrainingResult]) -> list[str]:
        """Return the models to train in float64 too, with the reference among them."""
        open_names = [
            name
            for name in self.built
            if self.is_comparable(name, results)
            and self.has_same_target(name, results)
            and self._difference(name, results).greatest > 0
        ]
        return [self.reference, *open_names] if open_names else []

    def row(
        self, name: str, working: Mapping[str, TrainingResult], double: Mapping[str, TrainingResult]
    ) -> FitRow:
        own = working[name]
        if not self.is_comparable(name, working):
            return FitRow(name, own.losses, None, None, None, own.error)
        difference = self._difference(name, working)
        in_float64 = self._difference(name, double) if self.is_comparable(name, double) else None
        # With targets of a different shape, a model learns something different.
        alike = self.has_same_target(name, working) and _is_alike(difference, in_float64)
        return FitRow(name, own.losses, difference.loss, difference.weights, alike, own.error)

    def _difference(self, name: str, results: Mapping[str, TrainingResult]) -> TrainingDifference:
        transfer = self.transfers[name]
        assert transfer is not None  # else nothing is comparable
        one, other = results[self.reference], results[name]
        carried = transfer.carry(one.weights, other.weights)
        weights = [_greatest(a, b) for a, b in zip(carried, other.weights, strict=True)]
        numbers = [np.asarray(one.losses), *(w for w in one.weights if w.size)]
        return TrainingDifference(
            loss=_greatest(np.asarray(one.losses), np.asarray(other.losses)),
            weights=max(weights) if weights else None,
            scale=max(float(np.max(np.abs(array))) for array in numbers),
        )


def _is_alike(working: TrainingDifference, double: TrainingDifference | None) -> bool | None:
    """Return whether a difference is rounding; None where that cannot be decided.

    A loss or weight that is not finite on one side alone is an infinite difference; where it is not
    finite on both sides, nothing can be compared.
    """
    if double is None:
        return True if working.greatest == 0 else None
    if not np.isfinite(double.scale):
        return None
    return double.greatest <= max(
        _ROUNDING_RTOL * double.scale, _ROUNDING_SHRINKAGE * working.greatest
    )


def _greatest(one: Array, other: Array) -> float:
    """Return the greatest absolute difference; equal infinities and two NaN do not differ."""
    if not one.size:
        return 0.0
    left, right = one.astype("float64"), other.astype("float64")
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(left - right))
    return float(np.max(np.where(np.isnan(difference), np.inf, difference)))


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
            message=f"the model has {len(shape)} outputs, but `fit:` supports one target",
            hint="join them with `Concatenate`, or list only one in `outputs:`",
        )
    index = parse_select(built.spec.select) if built.spec.select else ()
    if index and index[0] not in (slice(None), Ellipsis):
        return ModelError(
            layer=None,
            message=f"`select: {built.spec.select}` removes samples, so the numbers of outputs "
            f"and targets would differ",
            hint="start `select` with `:` if the model is trained",
        )
    return None


def _selected(shape: Sequence[int], built: Built) -> tuple[int, ...]:
    chosen = selected_shape(tuple(shape), built.spec.select) if built.spec.select else shape
    return tuple(size or 0 for size in chosen)
