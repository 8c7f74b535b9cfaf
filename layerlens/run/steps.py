"""Measure the step dependence of a scenario's models, for their rows in the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from layerlens.dependence.contrast import DependenceCache
from layerlens.dependence.measure import (
    Dependence,
    ModelDependence,
    depends_on_mode,
    measure_dependence,
)
from layerlens.dependence.rows import with_mixes, with_whole
from layerlens.models.build.request import Built, Model
from layerlens.models.execute.running_memory import running_beyond_memory
from layerlens.models.variants import ModelVariants
from layerlens.plain import stage
from layerlens.report.layers import ModelReport
from layerlens.vocabulary import Mode

#: Verdicts on two models that differ and could be made to agree.
MENDABLE = ("different", "shape_mismatch", "param_mismatch")


@dataclass
class StepMeasurement:
    """Measures the step dependence of one scenario's models, each once per mode that matters."""

    variants: ModelVariants
    built: Mapping[str, Model]
    _measurements: dict[tuple[str, bool], ModelDependence] = field(default_factory=dict)

    def of_layers(self, models: Iterable[ModelReport], mode: Mode) -> tuple[ModelReport, ...]:
        """Return the models with the measured dependence of each layer, in float64 if possible.

        Raises:
            MemoryLimitError: measuring needs more memory than is free.
        """
        return tuple(self._measured(model, mode) for model in models)

    def _measured(self, report: ModelReport, mode: Mode) -> ModelReport:
        model = self.built[report.name]
        if not isinstance(model, Built):
            return report
        error = running_beyond_memory("measuring the steps of", model)
        if error is not None:
            raise error
        training = mode == "training" and depends_on_mode(model)
        key = report.name, training
        if key not in self._measurements:
            stage.enter(
                f"measuring which output step of `{report.name}` depends on which input step"
            )
            twin = self.variants.in_float64(model)
            options = self.variants.options
            self._measurements[key] = measure_dependence(
                twin if isinstance(twin, Built) else model,
                seed=options.seed,
                features=options.features,
                training=training,
            )
        return with_mixes(report, self._measurements[key])

    def of_pairs(
        self, models: Iterable[ModelReport], mode: Mode, candidates: Iterable[str]
    ) -> tuple[ModelReport, ...]:
        """Return the models with the dependence of the whole model, for pairs where it differs."""
        scenario = self.variants.scenario
        dependence_cache = DependenceCache(self.variants.options.seed, mode == "training")
        found: dict[str, Dependence] = {}
        for candidate in candidates:
            reference, other = map(self._preferred, (scenario.reference, candidate))
            if reference is None or other is None:
                continue
            stage.enter(f"measuring which steps of `{candidate}` depend on which")
            measured_pair = dependence_cache.differing(reference, other)
            if measured_pair is not None:
                found[scenario.reference], found[candidate] = measured_pair
        return tuple(
            with_whole(model, found[model.name]) if model.name in found else model
            for model in models
        )

    def _preferred(self, name: str) -> Built | None:
        """Return a model, in float64 if that variant is already built; None if it cannot run."""
        model = self.built[name]
        if not isinstance(model, Built):
            return None
        best = self.variants.built_in_float64(model) or model
        return best if best.allocated else None
