"""The format `html`: one self-contained page.

The page sorts, filters and copies by its own script; it allows no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from layerlens.plain.printable import clean, escaped_json
from layerlens.render import wording
from layerlens.render.aligned_rows import Row, rows_of
from layerlens.render.options import RenderOptions
from layerlens.render.pair_facts import pair_facts
from layerlens.render.pair_sentences import sentences_beside
from layerlens.render.pictures import Picture, PictureKind, pictures_of
from layerlens.render.short_rows import (
    model_notes,
    other_totals,
    refusals,
    short_rows,
    totals,
)
from layerlens.report.pairs import PairReport
from layerlens.report.run import RunRecord, ScenarioReport, to_plain
from layerlens.vocabulary import STATUSES, Verdict

#: On a page of more scenarios, pairs that agree have no pictures of their rounding differences:
#: hundreds of them take long to draw and show little.
MOST_WITH_EVERY_PICTURE = 50

_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as SVG, for the template."""

    kind: PictureKind
    title: str
    caption: str
    svg: Markup
    #: In CSS pixels, 96 to an inch.
    width: int
    pair: PairReport | None


def render(report: RunRecord, options: RenderOptions) -> str:
    """Return the whole page; the template escapes every text of the report."""
    return _filled(
        "page.html",
        report=report,
        drawn=_drawn(report, every=len(report.scenarios) <= MOST_WITH_EVERY_PICTURE),
        page=True,
        most_with_every_picture=MOST_WITH_EVERY_PICTURE,
        script=_script(),
        script_digest=_script_digest(),
    )


def render_pictures(report: RunRecord) -> str:
    """Return a page of the pictures alone, with their captions."""
    return _filled("pictures.html", report=report, drawn=_drawn(report, every=True))


def render_fragment(report: RunRecord) -> str:
    """Return the page's content with its style, for a notebook."""
    return _filled("fragment.html", report=report, drawn=(), page=False)


def _filled(template: str, **values: Any) -> str:
    """Return the filled template, with hidden characters escaped."""
    return clean(_template(template).render(**values))


def _drawn(report: RunRecord, *, every: bool) -> list[list[Drawn]]:
    """Return the drawn pictures of each scenario; matplotlib is imported only if there are any."""
    planned = [
        [picture for picture in pictures_of(scenario) if every or _shows_difference(picture)]
        for scenario in report.scenarios
    ]
    if not any(planned):
        return [[] for _ in planned]
    from layerlens.render.pictures.drawing.figures import inline_svgs

    svgs = inline_svgs(picture for pictures in planned for picture in pictures)
    return [[_labelled(picture, next(svgs)) for picture in pictures] for pictures in planned]


def _shows_difference(picture: Picture) -> bool:
    return picture.pair is None or picture.pair.verdict != "equivalent"


def _labelled(picture: Picture, svg: str) -> Drawn:
    label = Markup('<svg role="img" aria-label="{}" ').format(picture.title)
    marked = Markup(svg.replace("<svg ", label, 1))
    return Drawn(
        picture.kind,
        picture.title,
        picture.caption,
        marked,
        round(picture.width * 96),
        picture.pair,
    )


@cache
def _script() -> Markup:
    environment = _environment()
    assert environment.loader is not None
    return Markup(environment.loader.get_source(environment, "script.js")[0])


@cache
def _script_digest() -> str:
    return base64.b64encode(hashlib.sha256(_script().encode()).digest()).decode()


def _as_json(item: Any) -> str:
    """Return a part of the report as in the JSON report, on one line."""
    return escaped_json(json.dumps(to_plain(item), ensure_ascii=False, allow_nan=False))


def _prose(text: str) -> Markup:
    """Return a sentence with what stands in backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(Markup.escape(wording.clean(text)))))


def _verdicts_of(report: RunRecord) -> set[Verdict]:
    return {pair.verdict for scenario in report.scenarios for pair in scenario.pairs}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("layerlens.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        wording=wording,
        pair_facts=pair_facts,
        sentences_beside=sentences_beside,
        short_rows=short_rows,
        refusals=refusals,
        totals=totals,
        other_totals=other_totals,
        model_notes=model_notes,
        models_of=wording.reference_first,
        rows_of=_rows,
        as_json=_as_json,
        verdicts=get_args(Verdict),
        statuses=STATUSES,
        verdicts_of=_verdicts_of,
        walk=wording.walk_layers,
        inner_layers=wording.inner_layers,
    )
    environment.filters.update(clean=wording.clean, count=wording.count, prose=_prose)
    return environment


@cache
def _template(name: str) -> Template:
    return _environment().get_template(name)


def _rows(scenario: ScenarioReport) -> list[Row]:
    return rows_of(wording.reference_first(scenario), scenario.diffs)
