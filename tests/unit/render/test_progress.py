"""The line of progress."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from layerlens.render.progress import ProgressLine


def described(total: int, title: str, done: int = 0, width: str = "80") -> str:
    line = ProgressLine()
    try:
        line(SimpleNamespace(done=done, total=total, title=title))
        assert line._shown is not None
        (task,) = line._shown.tasks
        assert task.completed == done
        return task.description
    finally:
        line.close()


def test_one_scenario_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert described(1, "A title") == "A title"


def test_several_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert described(9, "A title", done=3) == "3 of 9 done; A title"


def test_a_title_stays_on_one_line_within_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = described(1, "x\n" * 100)
    assert "\n" not in text
    assert len(text) == 36


def test_nothing_to_close_before_the_first_call() -> None:
    ProgressLine().close()
