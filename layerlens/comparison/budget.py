"""What comparing a pair may cost, by the size of its models and the effort asked for."""

from __future__ import annotations

from dataclasses import dataclass

from layerlens.models.build.request import Built
from layerlens.models.execute.layer_walk import steps_of
from layerlens.models.inspect.nested_layers import flat_layers
from layerlens.vocabulary import Effort

#: From so many multiply-adds for one sample, params, or layers on, a model is large: the plan for
#: small ones would take several times as long as building both and calling both once.
LARGE_MULTIPLY_ADDS = 20_000_000
LARGE_PARAMS = 2_000_000
LARGE_LAYERS = 60
#: Multiply-adds of the batch that is searched first for a difference, and its samples.
BATCH_MULTIPLY_ADDS = 2_000_000_000
FEWEST_SAMPLES, MOST_SAMPLES = 2, 4
#: From so many multiply-adds for one sample, params, or layers and operations in one call on, all
#: probes on all kinds of weights would take minutes: a few kinds of both are run.
HEAVY_MULTIPLY_ADDS = 60_000_000
HEAVY_PARAMS = 8_000_000
HEAVY_STEPS = 300
#: Multiply-adds of one batch of these probes, and its samples.
PROBES_MULTIPLY_ADDS = 6_000_000_000
FEWEST_PROBES, MOST_PROBES = 4, 8
#: The same with little effort, whatever the size of the models.
QUICK_PROBES = 4


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent on one pair."""

    #: Whether layers are searched for a difference one by one before anything is traced.
    is_large: bool
    #: Samples of the batch that is searched first for a difference of a large pair.
    samples: int
    #: Whether a few probes on a few kinds of weights have to do.
    is_heavy: bool
    #: Samples of the batch of these probes.
    probes: int

    @classmethod
    def of(cls, *models: Built, effort: Effort = "normal") -> Budget:
        """Return the budget for a pair."""
        multiply_adds = max(model.report.multiply_adds or 0 for model in models)
        params = max(model.report.params or 0 for model in models)
        layers = max(sum(1 for _ in flat_layers(model.model)) for model in models)
        steps = max(steps_of(model.model) for model in models)
        is_large = (
            multiply_adds >= LARGE_MULTIPLY_ADDS or params >= LARGE_PARAMS or layers >= LARGE_LAYERS
        )
        is_heavy = (
            multiply_adds >= HEAVY_MULTIPLY_ADDS or params >= HEAVY_PARAMS or steps >= HEAVY_STEPS
        )
        first, all_probes = (
            most // max(1, multiply_adds) for most in (BATCH_MULTIPLY_ADDS, PROBES_MULTIPLY_ADDS)
        )
        is_quick = effort == "quick"
        return cls(
            is_large or is_quick,
            max(FEWEST_SAMPLES, min(MOST_SAMPLES, first)),
            is_quick or (is_heavy and effort != "thorough"),
            QUICK_PROBES if is_quick else max(FEWEST_PROBES, min(MOST_PROBES, all_probes)),
        )
