"""The drawn loss curves."""

from __future__ import annotations

from matplotlib.figure import Figure

from layerlens.render.pictures.drawing.area import Area
from layerlens.render.pictures.drawing.losses import draw_losses
from layerlens.render.pictures.losses import Losses
from layerlens.report.training import FitRow


def drawn(*losses: tuple[float, ...]) -> Figure:
    figure = Figure(figsize=(6, 3))
    rows = tuple(FitRow(f"m{n}", row, None, None, None) for n, row in enumerate(losses))
    draw_losses(Losses(rows), Area(figure, 0, 0, 6, 3))
    return figure


def test_every_model_has_a_curve_of_its_epochs() -> None:
    (axes,) = drawn((3.0, 2.0), (3.0, 1.0, 0.5)).axes
    curves = [(line.get_label(), list(map(float, line.get_ydata()))) for line in axes.lines]
    assert curves == [("m0", [3.0, 2.0]), ("m1", [3.0, 1.0, 0.5])]
    assert axes.get_xlim() == (0.5, 3.5)
    assert axes.get_yscale() == "linear"


def test_losses_of_many_magnitudes_are_on_a_logarithmic_scale() -> None:
    assert drawn((1000.0, 1.0)).axes[0].get_yscale() == "log"
    assert drawn((1000.0, -1.0)).axes[0].get_yscale() == "linear"


def test_curves_are_told_apart_without_colour() -> None:
    lines = drawn((1.0,), (1.0,), (1.0,), (1.0,)).axes[0].lines
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 4
