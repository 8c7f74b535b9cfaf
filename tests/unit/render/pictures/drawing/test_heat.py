"""The drawn heat map."""

from __future__ import annotations

import math

import pytest
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from layerlens.render.pictures.drawing.area import Area
from layerlens.render.pictures.drawing.heat import draw_heat
from layerlens.report.maps import HeatMap


def drawn(*cells: tuple[float, ...], rows: str = "axis 1") -> Figure:
    figure = Figure(figsize=(6, 4))
    heat = HeatMap(rows, "feature", (len(cells), len(cells[0])), (1, 1), cells)
    draw_heat(heat, Area(figure, 0, 0, 6, 4))
    return figure


def test_equal_cells_are_blank_and_the_greatest_ends_the_scale() -> None:
    figure = drawn((0.0, 1.0), (2.0, 4.0))
    (image,) = figure.axes[0].images
    shown = image.get_array()
    assert shown is not None
    assert bool(shown.mask[0, 0])
    assert type(image.norm) is Normalize
    assert image.norm.vmax == 4.0


def test_differences_of_many_magnitudes_are_on_a_logarithmic_scale() -> None:
    (image,) = drawn((1e-6, 1.0)).axes[0].images
    assert isinstance(image.norm, LogNorm)
    assert (image.norm.vmin, image.norm.vmax) == (1e-6, 1.0)


def test_time_runs_to_the_right() -> None:
    axes = drawn((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), rows="step").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "feature")
    assert axes.images[0].get_array().shape == (2, 3)  # type: ignore[union-attr]


@pytest.mark.parametrize("cell", [math.nan, math.inf])
def test_what_is_not_finite_does_not_set_the_scale(cell: float) -> None:
    (image,) = drawn((cell, 2.0)).axes[0].images
    assert image.norm.vmax == 2.0
