"""Find the line and column of every expectation in a scenario file."""

from __future__ import annotations

from collections.abc import Mapping

from layerlens.errors import LayerlensError
from layerlens.run.expectations import list_expected
from layerlens.scenario.files import read_text
from layerlens.scenario.reading.scenarios import read_scenarios
from layerlens.scenario.yaml.parse import parse_yaml
from layerlens.scenario.yaml.positions import Position, locate


def expectation_places(path: str) -> Mapping[str, Position]:
    """Return the line and column of every expectation by its subject, as in `td.params`.

    Empty where the file is not there any more, or has become another since the report was made.
    """
    try:
        scenarios = read_scenarios(path, least_models=1)
        root = parse_yaml(read_text(path), path).value
    except LayerlensError:
        return {}
    places: dict[str, Position] = {}
    for scenario in scenarios:
        for expected in list_expected(scenario):
            place = locate(root, ("expect", *expected.keys))
            if place is not None:
                places.setdefault(expected.subject, place)
    return places
