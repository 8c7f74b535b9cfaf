"""A report enters, one self-contained HTML page leaves: no script, nothing from the network."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from layerlens.render import wording
from layerlens.render.pair_facts import pair_facts
from layerlens.render.rows import Row, rows_of
from layerlens.report import ModelReport, Report, ScenarioReport


def render_html(report: Report) -> str:
    """Return the whole page; every text of the report is escaped by the template."""
    return _page().render(report=report)


def render_fragment(report: Report) -> str:
    """Return the page's content with its style, to stand inside a notebook."""
    return _fragment().render(report=report)


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
        models_of=_models,
        rows_of=_rows,
        walk=wording.walk_layers,
        opened=wording.opened,
    )
    environment.filters.update(clean=wording.clean, count=wording.count)
    return environment


@cache
def _page() -> Template:
    return _environment().get_template("page.html")


@cache
def _fragment() -> Template:
    return _environment().get_template("fragment.html")


def _models(scenario: ScenarioReport) -> list[ModelReport]:
    """Return the models with the reference first, where there is one."""
    reference = scenario.pairs[0].reference if scenario.pairs else None
    return sorted(scenario.models, key=lambda model: model.name != reference)


def _rows(scenario: ScenarioReport) -> list[Row]:
    return rows_of(_models(scenario), scenario.diffs)
