"""An area of a figure, measured in inches."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from layerlens.render.pictures.drawing.area import Area


@pytest.fixture
def area() -> Area:
    return Area(Figure(figsize=(8, 4), dpi=100), 2.0, 1.0, 5.0, 2.0)


def test_axes_are_placed_from_the_corner_of_the_area(area: Area) -> None:
    box = area.axes(1.0, 0.5, 2.0, 1.0).get_position()
    assert (box.x0, box.y0, box.width, box.height) == pytest.approx((3 / 8, 1.5 / 4, 0.25, 0.25))


def test_an_artist_has_coordinates_in_inches(area: Area) -> None:
    line = Line2D([0.0, 1.0], [0.0, 1.0])
    area.add(line)
    assert line.get_transform().transform([(1.0, 1.0)]).tolist() == [[300.0, 200.0]]


def test_hidden_characters_of_a_text_are_escaped(area: Area) -> None:
    area.text(0.0, 0.0, "a\x1bb")
    (text,) = area.figure.texts
    assert text.get_text() == "a\\x1bb"
