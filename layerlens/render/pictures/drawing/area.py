"""The area and the colours of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D, Transform

from layerlens.plain.printable import clean

#: Name → colour; an HTML page replaces each by its own colour of that name.
COLOURS = {
    "paper": "#ffffff",
    "ink": "#1c1e21",
    "soft": "#62676f",
    "line": "#d9dce1",
    "shade": "#f5f6f8",
    "accent": "#1f5fbf",
    "accent-soft": "#8fb3e8",
    "bad": "#c0262d",
    "warn": "#8a5a00",
}
#: The colour map of heat maps.
HEAT = "cividis"


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of a figure to draw in, measured in inches from its lower left corner."""

    figure: Figure
    left: float
    bottom: float
    width: float
    height: float

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Return axes at a place in the area, with pale spines and ticks."""
        whole = self.figure.get_size_inches()
        axes = self.figure.add_axes(
            (
                (self.left + left) / whole[0],
                (self.bottom + bottom) / whole[1],
                width / whole[0],
                height / whole[1],
            )
        )
        axes.set_facecolor("none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[:].set_color(COLOURS["line"])
        axes.tick_params(length=3, color=COLOURS["line"], labelcolor=COLOURS["soft"])
        return axes

    def add(self, artist: Artist) -> None:
        """Draw an artist with coordinates in inches in this area, faster than in axes."""
        artist.set_transform(self._inches)
        self.figure.add_artist(artist)

    def text(self, x: float, y: float, words: str, **style: Any) -> None:
        """Write a text at a position in inches."""
        self.figure.text(x, y, clean(words), transform=self._inches, **style)

    @property
    def _inches(self) -> Transform:
        return Affine2D().translate(self.left, self.bottom) + self.figure.dpi_scale_trans


def legend_above(axes: Axes, **style: Any) -> None:
    """Put a legend in one row above the axes."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=3,
        frameon=False,
        fontsize=7,
        labelcolor=COLOURS["ink"],
        **style,
    )
