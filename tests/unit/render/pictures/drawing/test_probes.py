"""The drawn differences by probe."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerlens.render.pictures.drawing.area import Area
from layerlens.render.pictures.drawing.probes import draw_probes
from layerlens.render.pictures.probes import Probes
from layerlens.report.pairs import ProbeRow


def drawn(*rows: ProbeRow) -> Axes:
    figure = Figure(figsize=(8, 3))
    draw_probes(Probes(rows), Area(figure, 0, 0, 8, 3))
    return figure.axes[0]


def labels(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_xticklabels()]


def test_each_probe_has_a_dot_in_either_precision() -> None:
    axes = drawn(
        ProbeRow("a", "eager", 1e-2, None, noise=1e-3, float64_max_abs=1e-2),
        ProbeRow("b", "eager", 1e-4, None, noise=1e-3),
    )
    dots = {str(line.get_label()): list(map(float, line.get_xdata())) for line in axes.lines}
    assert dots == {"in float64": [1e-2], "in working precision": [1e-2, 1e-4]}


def test_equal_and_infinite_have_ticks_of_their_own() -> None:
    finite = ProbeRow("a", "eager", 1e-2, None, noise=1e-3)
    assert not {"equal", "∞ or NaN"} & set(labels(drawn(finite)))
    axes = drawn(finite, ProbeRow("b", "eager", math.nan, None, noise=0.0))
    assert {"equal", "∞ or NaN"} <= set(labels(axes))
