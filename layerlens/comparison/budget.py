"""What comparing a pair may cost, by the size of its models."""

from __future__ import annotations

from dataclasses import dataclass

from layerlens.models.build.request import Built
from layerlens.models.inspect.nested_layers import flat_layers

#: From so many multiply-adds for one sample, params, or layers on, a model is large: the plan for
#: small ones would take several times as long as building both and calling both once.
LARGE_MULTIPLY_ADDS = 20_000_000
LARGE_PARAMS = 2_000_000
LARGE_LAYERS = 60
#: Multiply-adds of one batch, and its samples.
BATCH_MULTIPLY_ADDS = 2_000_000_000
FEWEST_SAMPLES, MOST_SAMPLES = 2, 4


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent on one pair."""

    is_large: bool
    #: Samples of one batch of a large pair.
    samples: int

    @classmethod
    def of(cls, *models: Built) -> Budget:
        """Return the budget for a pair."""
        multiply_adds = max(model.report.multiply_adds or 0 for model in models)
        params = max(model.report.params or 0 for model in models)
        layers = max(sum(1 for _ in flat_layers(model.model)) for model in models)
        is_large = (
            multiply_adds >= LARGE_MULTIPLY_ADDS or params >= LARGE_PARAMS or layers >= LARGE_LAYERS
        )
        affordable = BATCH_MULTIPLY_ADDS // max(1, multiply_adds)
        return cls(is_large, max(FEWEST_SAMPLES, min(MOST_SAMPLES, affordable)))
