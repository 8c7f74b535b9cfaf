"""Options that results depend on."""

from __future__ import annotations

from dataclasses import fields

from layerlens.scenario.options import WITHOUT_EFFECT, RunOptions


def test_only_options_with_an_effect_count() -> None:
    assert RunOptions(jobs=4, timeout=1.0, expect="different").with_effect() == (
        RunOptions().with_effect()
    )
    assert RunOptions(seed=1).with_effect() != RunOptions().with_effect()


def test_every_option_is_on_one_side() -> None:
    names = {item.name for item in fields(RunOptions)}
    assert names >= WITHOUT_EFFECT
    assert set(RunOptions().with_effect()) == names - WITHOUT_EFFECT
