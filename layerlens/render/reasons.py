"""The reasons for an expectation that does not hold, in a few lines of plain text."""

from __future__ import annotations

from layerlens.render import wording
from layerlens.render.pair_facts import pair_facts
from layerlens.render.pair_sentences import pair_sentences
from layerlens.report.run import ErrorRow, ExpectationRow, ScenarioReport, coded

#: The facts of a pair that are given, where there is room for a few lines.
_FACTS = ("difference", "rounding")


def fault_text(error: ErrorRow) -> str:
    """Return a fault with its hint."""
    return coded(error) + (f"\nhint: {error.hint}" if error.hint else "")


def failure_text(scenario: ScenarioReport, row: ExpectationRow) -> str:
    """Return the expected and the actual value and, for a verdict, the evidence."""
    lines = [wording.expectation_line(row)]
    for pair in scenario.pairs:
        if wording.is_about_weights(row, pair):
            lines.append(wording.clean(pair.explanation))
        if wording.expectation_of(scenario, pair) is not row:
            continue
        refused = wording.pair_refusal(scenario, pair)
        if refused is None:
            lines += pair_sentences(pair)
        else:
            lines += [refused.heading, refused.message]
            lines += [f"hint: {refused.remedy}"] if refused.remedy else []
        for fact in pair_facts(scenario, pair, verbose=False):
            if fact.label in _FACTS:
                lines.append(f"{fact.label}: {'; '.join(line.strip() for line in fact.lines)}")
    return "\n".join(lines)
