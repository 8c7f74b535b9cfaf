"""The pictures of a scenario, planned first and drawn on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from layerlens.render import wording
from layerlens.render.pictures.heat import heat_plan
from layerlens.render.pictures.losses import losses_plan
from layerlens.render.pictures.probes import probes_plan
from layerlens.render.pictures.unrolled import unrolled_plan
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport

if TYPE_CHECKING:
    from layerlens.render.pictures.canvas import Area

PictureKind = Literal["unrolled", "heat", "probes", "losses"]


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture shows, in words, and how it is drawn; sizes are in inches."""

    kind: PictureKind
    title: str
    #: Says what is to be seen, for those who do not see it as well.
    caption: str
    width: float
    height: float
    draw: Callable[[Area], None]
    #: The pair it is about, if it is about one.
    pair: PairReport | None = None


def pictures_of(scenario: ScenarioReport) -> tuple[Picture, ...]:
    """Return the pictures of what was measured of a scenario; none where nothing was.

    The models come first, the reference before the others, then each pair, then the training.
    """
    return tuple(_planned(scenario))


def _planned(scenario: ScenarioReport) -> Iterator[Picture]:
    for model in wording.reference_first(scenario):
        if (unrolled := unrolled_plan(model)) is not None:
            title = wording.one_line(model.name)
            yield Picture("unrolled", f"{title}, unrolled over time", *unrolled)
    for pair in scenario.pairs:
        name = f"{wording.against(pair)}, {pair.mode}"
        if (heat := heat_plan(pair)) is not None:
            yield Picture("heat", f"{name}: where they differ", *heat, pair)
        if (probes := probes_plan(pair)) is not None:
            yield Picture("probes", f"{name}: differences by probe", *probes, pair)
    if (losses := losses_plan(scenario.fit)) is not None:
        yield Picture("losses", "loss while training", *losses)
