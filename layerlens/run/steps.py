"""Measure how the models of a scenario see steps, for their rows in the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from layerlens.dependence.contrast import DependenceCache
from layerlens.dependence.measure import (
    Dependence,
    ModelDependence,
    depends_on_mode,
    measure_dependence,
    with_mixes,
    with_whole,
)
from layerlens.models.build.request import Built, Refused
from layerlens.models.execute.running_memory import running_beyond_memory
from layerlens.models.variants import ModelVariants
from layerlens.report.layers import ModelReport
from layerlens.vocabulary import Mode

#: Verdicts on two models that are not the same function, and might be made so.
MENDABLE = ("different", "shape_mismatch", "param_mismatch")


@dataclass
class StepMeasurement:
    """Measures step dependence of one scenario's models, each once per way of acting."""

    variants: ModelVariants
    built: Mapping[str, Built | Refused]
    _found: dict[tuple[str, bool], ModelDependence] = field(default_factory=dict)

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
        if key not in self._found:
            twin = self.variants.in_float64(model)
            options = self.variants.options
            self._found[key] = measure_dependence(
                twin if isinstance(twin, Built) else model,
                seed=options.seed,
                features=options.features,
                training=training,
            )
        return with_mixes(report, self._found[key])

    def of_pairs(
        self, models: Iterable[ModelReport], mode: Mode, candidates: Iterable[str]
    ) -> tuple[ModelReport, ...]:
        """Return the models with what they see as a whole, where a candidate sees other steps."""
        scenario = self.variants.scenario
        measured = DependenceCache(self.variants.options.seed, mode == "training")
        found: dict[str, Dependence] = {}
        for candidate in candidates:
            reference, other = map(self._best, (scenario.reference, candidate))
            if reference is None or other is None:
                continue
            seen = measured.differing(reference, other)
            if seen is not None:
                found[scenario.reference], found[candidate] = seen
        return tuple(
            with_whole(model, found[model.name]) if model.name in found else model
            for model in models
        )

    def _best(self, name: str) -> Built | None:
        """Return a model in float64 if that form exists by now; None if it cannot be run."""
        model = self.built[name]
        if not isinstance(model, Built):
            return None
        best = self.variants.built_in_float64(model) or model
        return best if best.allocated else None
