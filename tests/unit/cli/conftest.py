"""A run of scenarios that returns a given report."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from layerlens.run.report import Report


@pytest.fixture
def fake_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Report | BaseException], list]:
    """Return a function that replaces the run by a report or an exception.

    The function returns a list, to which each run adds its paths, options and cache, if any.
    """
    pipeline = pytest.importorskip("layerlens.run.pipeline")
    calls: list = []

    def replace_run(outcome: Report | BaseException) -> list:
        def run(paths, options, progress=None, on_script=None, cache=None):
            calls.append((paths, options) if cache is None else (paths, options, cache))
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(pipeline, "compare_paths", run)
        monkeypatch.setattr(pipeline, "summarize_paths", run)
        return calls

    return replace_run
