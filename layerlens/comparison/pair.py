"""Two models to compare in one mode, and the sides they are run as."""

from __future__ import annotations

from dataclasses import dataclass

from layerlens.models.build.request import Built, Model
from layerlens.models.execute.side import Side
from layerlens.models.variants import ModelVariants
from layerlens.scenario.spec import Scenario
from layerlens.vocabulary import Effort, Mode


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models of a scenario to compare in one mode, and the source of their variants."""

    scenario: Scenario
    reference: Model
    candidate: Model
    mode: Mode
    seed: int
    variants: ModelVariants
    #: Whether to shrink a difference and find where it begins.
    shows: bool = True
    effort: Effort = "normal"

    def working_sides(self) -> tuple[Side, Side]:
        """Return both models, which have to be built, ready to run in working precision alone."""
        training = self.mode == "training"
        sides = []
        for built in (self.reference, self.candidate):
            assert isinstance(built, Built)
            sides.append(Side.of(built.spec.name, built, training=training, seed=self.seed))
            sides[-1].variants = self.variants
        size = next((side.built.batch_size for side in sides if side.built.batch_size), None)
        if training and size is not None:
            for side in sides:
                side.bind(size)
        return sides[0], sides[1]

    def sides(self) -> tuple[Side, Side]:
        """Return both models ready to run, in float64 too where both have such a form."""
        sides = self.working_sides()
        self.add_float64(sides)
        return sides

    def add_float64(self, sides: tuple[Side, Side]) -> None:
        """Build the float64 form of both models and add it to their sides."""
        for side in sides:
            twin = self.variants.in_float64(side.built)
            if isinstance(twin, Built) and twin.precision == "float64":
                side.add_float64(twin)
        if not all(side.is_exact for side in sides):
            # Only equal precisions draw the same random numbers, and round constants alike.
            for side in sides:
                side.leave_float64()
