"""Versions of distributions, read without importing them."""

from __future__ import annotations

from importlib.metadata import version

from layerlens.versions import own_version, version_of


def test_a_version_is_that_of_the_metadata() -> None:
    for name in ("pytest", "rich", "pydantic"):
        assert version_of(name) == version(name)


def test_what_is_not_installed_has_no_version() -> None:
    assert version_of("no-such-distribution") is None


def test_the_own_version_is_known() -> None:
    assert own_version() == version("layerlens")
