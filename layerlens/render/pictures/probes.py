"""Plan the picture of a pair's probes: their differences against rounding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from layerlens.render.pictures.plan import Plan
from layerlens.render.pictures.scales import badness, short_name
from layerlens.render.wording import count, plural
from layerlens.report.pairs import PairReport, ProbeRow

#: The most probes drawn: those with the greatest differences.
MOST_PROBES = 30
#: The height of one probe, in inches.
ROW = 0.17
#: The widths of the axes and of one letter of a name, in inches.
_AXES, _LETTER = 4.4, 0.062


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes to draw, the greatest difference first."""

    rows: tuple[ProbeRow, ...]

    @property
    def names_width(self) -> float:
        """The width of the column of names, in inches."""
        return max(len(short_name(row.name)) for row in self.rows) * _LETTER + 0.1


def probes_plan(pair: PairReport) -> Plan[Probes] | None:
    """Return the plan of the probes' differences; None if all agree exactly."""
    rows = _worst(pair.probes)
    if not any(row.max_abs for row in rows):
        return None
    shown = rows[:MOST_PROBES]
    height = len(shown) * ROW + 0.95
    probes = Probes(tuple(shown))
    return Plan(_probes_caption(rows), probes.names_width + _AXES + 0.25, height, probes)


def _worst(probes: Iterable[ProbeRow]) -> list[ProbeRow]:
    """Return each probe in the execution of its greatest difference, the greatest first."""
    worst: dict[str, ProbeRow] = {}
    for row in probes:
        if row.max_abs is None or row.noise is None:
            continue
        if row.name not in worst or badness(row.max_abs) > badness(worst[row.name].max_abs or 0):
            worst[row.name] = row
    return sorted(worst.values(), key=lambda row: -badness(row.max_abs or 0))


def _probes_caption(rows: Sequence[ProbeRow]) -> str:
    above = sum(badness(row.max_abs or 0) > (row.noise or 0) for row in rows)
    agree = "all differences stay within what rounding explains"
    beyond = f"{count(above)} of them differ by more than rounding explains"
    parts = [
        f"{plural(len(rows), 'probe')}, the greatest difference first: "
        f"{beyond if above else agree}.",
        "Rounding shrinks in float64, a real difference stays.",
    ]
    if len(rows) > MOST_PROBES:
        parts.append(f"The picture shows the {MOST_PROBES} with the greatest differences.")
    return " ".join(parts)
