"""The names of formats and their modules."""

from __future__ import annotations

from importlib.util import find_spec

from layerlens.render.options import FORMATS


def test_every_format_is_a_module() -> None:
    for name in FORMATS:
        assert find_spec(f"layerlens.render.formats.{name}") is not None
