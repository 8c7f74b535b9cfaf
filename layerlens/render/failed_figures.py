"""Render the params or shapes that an assertion is about, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from layerlens.render import wording
from layerlens.report.layers import LayerRow, ModelReport
from layerlens.report.run import ExpectationRow, ScenarioReport

Figure = Literal["params", "output_shape"]


def failed_figures(scenario: ScenarioReport, figure: Figure) -> str:
    """Return every expectation that does not hold, with the layers that explain it.

    A count or a shape of a whole model is explained by all its layers, one of a layer by itself.
    """
    failed = {row.subject: row for row in scenario.expectations if not row.held}
    lines = [wording.expectation_line(row) for row in failed.values()]
    for model in scenario.models:
        own = {name: row for name, row in failed.items() if name.startswith(f"{model.name}.")}
        if own and model.error is None:
            lines += ["", *_layers(model, own, figure)]
    for refused in wording.other_refusals(scenario):
        lines += ["", refused.heading, refused.message]
        lines += [f"hint: {refused.remedy}"] if refused.remedy else []
    return "\n".join(lines)


def _layers(model: ModelReport, failed: dict[str, ExpectationRow], figure: Figure) -> Iterator[str]:
    layers_of = f"{model.name}.layers."
    whole = any(not subject.startswith(layers_of) for subject in failed)
    rows = [
        (f"{wording.one_line(layer.name)} ({wording.one_line(layer.type)})", layer, row)
        for layer in model.layers
        if (row := failed.get(f"{layers_of}{layer.name}.{figure}")) is not None or whole
    ]
    names = max((len(name) for name, _, _ in rows), default=0)
    figures = [_figure(layer, figure) for _, layer, _ in rows]
    room = max(map(len, figures), default=0)
    for (name, layer, row), text in zip(rows, figures, strict=True):
        shown = text.rjust(room) if figure == "params" else text
        note = wording.count_note(layer) if figure == "params" else None
        expected = f"  expected {wording.value_text(row.expected)}" if row is not None else ""
        sign = "✘" if row is not None else " "
        counted = f"  ({note})" if note else ""
        yield f"{sign} {name.ljust(names)}  {shown}{expected}{counted}".rstrip()


def _figure(layer: LayerRow, figure: Figure) -> str:
    if figure == "params":
        return wording.count(layer.params)
    return wording.shapes_text(layer.output_shape)
