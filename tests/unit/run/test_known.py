"""What is known of a scenario that is stopped."""

from __future__ import annotations

import time

from layerlens.errors import LostError
from layerlens.report.diffs import ModelsDiff
from layerlens.report.layers import ModelReport
from layerlens.report.pairs import PairReport
from layerlens.run.faults import fault_report
from layerlens.run.known import Begun, Decided, Known, News, Planned, Stage, Tables
from layerlens.scenario.spec import Scenario

SCENARIO = Scenario("a.yaml", "A", (), "one", question="Why?")
ONE, OTHER = (ModelReport(name, 3, 3, 0, (None, 2), ()) for name in ("one", "other"))
DECIDED = PairReport("one", "other", "inference", "different", None, "They differ.")


def known(*news: News) -> Known:
    found = Known()
    for item in news:
        found = found.with_news(item)
    return found


def stopped(known: Known):
    error = LostError("stopped after 3 s", None, "allow it longer")
    report = fault_report("a.yaml", "A", error, None, time.perf_counter())
    return known.add_to(report, SCENARIO, "stopped after 3 s")


def test_tables_are_kept_model_by_model_and_replaced_by_later_ones() -> None:
    again = ModelReport("one", 4, 4, 0, (None, 2), ())
    diff = ModelsDiff("one", "other", ())
    found = known(Tables((ONE,)), Tables((OTHER,)))
    assert found.models == (ONE, OTHER)
    found = found.with_news(Tables((again, OTHER), (diff,)))
    assert (found.models, found.diffs) == ((again, OTHER), (diff,))


def test_pairs_are_decided_or_say_how_far_it_came() -> None:
    pairs = (("other", "inference"), ("other", "training"), ("last", "inference"))
    report = stopped(
        known(
            Planned("one", pairs),
            Begun("other", "inference"),
            Decided(DECIDED),
            Begun("other", "training"),
            Stage("running both on probes"),
        )
    )
    assert report.pairs == (
        DECIDED,
        PairReport(
            "one",
            "other",
            "training",
            "inconclusive",
            None,
            "Stopped after 3 s, while running both on probes.",
        ),
        PairReport(
            "one",
            "last",
            "inference",
            "inconclusive",
            None,
            "Stopped after 3 s, before these two were compared.",
        ),
    )
    assert report.status == "error"
    assert report.question == "Why?"
    assert report.errors[0].hint == "it was stopped while running both on probes; allow it longer"


def test_a_stage_belongs_to_the_pair_it_was_told_of() -> None:
    plan = Planned("one", (("other", "inference"), ("last", "inference")))
    found = known(plan, Begun("other", "inference"), Stage("x"), Begun("last", "inference"))
    first, second = stopped(found).pairs
    assert first.explanation == "Stopped after 3 s, before these two were compared."
    assert second.explanation == "Stopped after 3 s, while these two were compared."


def test_the_later_report_of_a_pair_takes_the_place_of_the_earlier() -> None:
    later = PairReport("one", "other", "inference", "different", None, "They differ, and how.")
    assert known(Decided(DECIDED), Decided(later)).pairs == (later,)


def test_nothing_told_adds_nothing() -> None:
    report = stopped(Known())
    assert (report.models, report.pairs) == ((), ())
    assert report.errors[0].hint == "allow it longer"
