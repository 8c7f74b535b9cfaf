"""Plan the pictures of a scenario as data; `drawing` draws them with matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from layerlens.render import wording
from layerlens.render.pictures.heat import heat_plan
from layerlens.render.pictures.losses import Losses, losses_plan
from layerlens.render.pictures.probes import Probes, probes_plan
from layerlens.render.pictures.unrolled import Unrolled, unrolled_plan
from layerlens.report.maps import HeatMap
from layerlens.report.pairs import PairReport
from layerlens.report.run import ScenarioReport

PictureKind = Literal["unrolled", "heat", "probes", "losses"]
Content: TypeAlias = Unrolled | HeatMap | Probes | Losses


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture in words and as data; sizes are in inches."""

    kind: PictureKind
    title: str
    #: What the picture shows, also for readers who cannot see it.
    caption: str
    width: float
    height: float
    content: Content
    #: The pair that it shows, if any.
    pair: PairReport | None = None


def pictures_of(scenario: ScenarioReport) -> tuple[Picture, ...]:
    """Return the pictures of a scenario: models (the reference first), pairs and training."""
    return tuple(_planned(scenario))


def _planned(scenario: ScenarioReport) -> Iterator[Picture]:
    for model in wording.reference_first(scenario):
        if (unrolled := unrolled_plan(model)) is not None:
            title = wording.one_line(model.name)
            yield Picture("unrolled", f"{title}, unrolled over time", *unrolled)
    for pair in scenario.pairs:
        name = f"{wording.pair_name(pair)}, {pair.mode}"
        if (heat := heat_plan(pair)) is not None:
            yield Picture("heat", f"{name}: where they differ", *heat, pair)
        if (probes := probes_plan(pair)) is not None:
            yield Picture("probes", f"{name}: differences by probe", *probes, pair)
    if (losses := losses_plan(scenario.fit)) is not None:
        yield Picture("losses", "loss while training", *losses)
