"""The line about a failure in pytest's short summary: model, layer and cause, if they fit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from layerlens.plain.printable import one_line
from layerlens.render.wording import pair_refusal, subject_of, value_text
from layerlens.report.pairs import PairReport
from layerlens.report.run import ExpectationRow, ScenarioReport

#: The fewest characters of a layer's name that are shown.
_SHORTEST_NAME = 4
#: A cause such as `epsilon: 0.001 → 1e-05 in layer_normalization`.
_LAYER_LAST = re.compile(r"^(?P<name>[^:]+): (?P<change>.+) in (?P<layer>\S+)$")


def summaries(scenario: ScenarioReport, row: ExpectationRow) -> tuple[str, ...]:
    """Return texts about a failed expectation, the longest first; each is enough alone.

    The name of the test has the model already.
    """
    pair = next((one for one in scenario.pairs if subject_of(one) == row.subject), None)
    return tuple(map(one_line, _about(scenario, row, pair)))


def summaries_with_model(scenario: ScenarioReport, row: ExpectationRow) -> tuple[str, ...]:
    """Return texts about a failed expectation of a test that is not named after it."""
    pair = next((one for one in scenario.pairs if subject_of(one) == row.subject), None)
    if pair is None:
        texts = summaries(scenario, row)
        return tuple(f"{one_line(row.subject)}: {text}" for text in texts)
    texts = summaries(scenario, row)
    return (*(f"{one_line(pair.candidate)}: {text}" for text in texts), texts[-1])


def fitting(texts: tuple[str, ...], room: int) -> str:
    """Return the first text that fits, or the last one, with the name of its layer shortened."""
    return next((text for text in texts if len(text) <= room), _shortened(texts[-1], room))


def _shortened(text: str, room: int) -> str:
    """Return `layer_norm… epsilon 0.001 → 1e-05`, if that can fit, or else the text itself."""
    layer, _, change = text.partition(" ")
    left = room - len(change) - len("… ")
    if "→" not in change or left < _SHORTEST_NAME:
        return text
    return f"{layer[:left]}… {change}"


def room_for(node_id: str, width: int) -> int:
    """Return the columns that `FAILED <node id> - ` leaves."""
    return width - len(f"FAILED {node_id} - ")


def _about(scenario: ScenarioReport, row: ExpectationRow, pair: PairReport | None) -> Iterator[str]:
    expected, actual = value_text(row.expected), value_text(row.actual)
    usual = f"expected {expected}, received {actual}"
    refused = pair_refusal(scenario, pair) if pair is not None else None
    if pair is None:
        yield usual
        if not isinstance(row.actual, str):
            yield f"{actual}, not {expected}"
    elif refused is not None:
        reason = refused.message.partition("\n")[0]
        yield f"{usual}: {refused.heading}: {reason}"
        yield f"{refused.heading}: {reason}"
        yield refused.heading
    elif pair.causes and row.actual in ("different", "shape_mismatch", "param_mismatch"):
        causes = [cause.replace("`", "") for cause in pair.causes]
        more = f" and {len(causes) - 1} more" if len(causes) > 1 else ""
        yield f"{usual}: {', '.join(causes)}"
        yield f"{actual}: {', '.join(causes)}"
        yield f"{actual}: {causes[0]}{more}"
        yield f"{causes[0]}{more}"
        yield causes[0]
        yield _LAYER_LAST.sub(r"\g<layer> \g<name> \g<change>", causes[0])
    else:
        yield usual
