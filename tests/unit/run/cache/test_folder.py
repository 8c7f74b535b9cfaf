"""Where the cache is."""

from __future__ import annotations

from pathlib import Path

import pytest

from layerlens.run.cache.folder import VARIABLE, cache_folder


def test_an_option_goes_before_the_variable_and_that_before_the_users_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, "/from/variable")
    assert cache_folder("/from/option") == Path("/from/option")
    assert cache_folder() == Path("/from/variable")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    found = cache_folder()
    assert found is not None
    assert found.is_relative_to(tmp_path)
    assert "layerlens" in found.parts


def test_without_a_home_there_is_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(
        "layerlens.run.cache.folder.user_cache_path", lambda *_, **__: Path("~/.cache/layerlens")
    )
    assert cache_folder() is None
