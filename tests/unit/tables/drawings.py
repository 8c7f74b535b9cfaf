"""Pictures drawn for a test."""

from __future__ import annotations

from layerlens.render.pictures import Picture
from layerlens.render.pictures.drawing.figures import inline_svgs


def drawn(picture: Picture) -> str:
    """Return one picture as SVG."""
    (svg,) = inline_svgs([picture])
    return svg
