"""Step maps as small grids."""

from __future__ import annotations

from dataclasses import replace

from layerlens.render.step_grid import step_grids
from layerlens.report.layers import ModelReport
from layerlens.report.maps import StepMapRow

MAP = StepMapRow("input", None, 0, 2, 2, (0, 1), (0, 1), ("10", "11"), (False, False))
MODEL = ModelReport("a", 0, 0, 0, (None, 2, 1), (), mixes="causal", steps=(MAP,))


def lines(*models: ModelReport, width: int = 80) -> list[str]:
    return [line.plain.rstrip() for line in step_grids(models, width)]


def test_a_dot_marks_a_dependence() -> None:
    heading, title, header, first, second, *_ = lines(MODEL)
    assert heading == "Which output step (down) depends on which input step (across)"
    assert title == "  a: causal, earlier steps seen"
    assert [line.split() for line in (header, first, second)] == [
        ["0", "1"],
        ["0", "●", "·"],
        ["1", "●", "●"],
    ]


def test_models_with_the_same_map_share_a_grid() -> None:
    text = "\n".join(lines(MODEL, replace(MODEL, name="b")))
    assert "a, b: causal" in text
    assert text.count("●") == 3


def test_without_a_map_there_is_nothing() -> None:
    assert lines(replace(MODEL, steps=())) == []


def test_left_out_steps_are_shown_and_counted() -> None:
    long = StepMapRow("input", None, 0, 99, 99, (0, 98), (0, 98), ("10", "11"), (True, True))
    text = "\n".join(lines(replace(MODEL, steps=(long,))))
    assert "…" in text
    assert "Shortened: of 99 steps, those in the middle are left out." in text


def test_a_vector_has_no_step_numbers() -> None:
    row = StepMapRow("input", None, 0, 2, None, (0, 1), (0,), ("11",), (False,))
    assert any(line.split() == ["vector", "●", "●"] for line in lines(replace(MODEL, steps=(row,))))
