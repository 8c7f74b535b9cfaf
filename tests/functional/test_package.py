"""The metadata of the package: what PyPI shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def metadata():
    from hatchling.metadata.core import ProjectMetadata
    from hatchling.plugin.manager import PluginManager

    return ProjectMetadata(str(ROOT), PluginManager())


def test_the_readme_on_pypi_has_no_relative_link(metadata):
    own = (ROOT / "README.md").read_text()
    assert re.search(r"\]\((?!https?:|#)", own), "the README in the repository has such links"
    text = metadata.core.readme
    assert metadata.core.readme_content_type == "text/markdown"
    assert not re.search(r"\]\((?!https?:|#)", text)
    assert "guarding a refactoring, guarding an upgrade" in " ".join(text.split())
    assert text.count("\n") == own.count("\n")


def test_links_and_urls_of_a_repository():
    from hatch_build import project_urls, readme_for_pypi

    home = "https://code.example/layerlens/"
    text = "See [a page](docs/a.md#part), [Keras](https://keras.io) and [below](#below)."
    assert readme_for_pypi(text, home, "1.2.3") == (
        "See [a page](https://code.example/layerlens/blob/v1.2.3/docs/a.md#part), "
        "[Keras](https://keras.io) and [below](#below)."
    )
    assert readme_for_pypi(text, None, "1.2.3") == (
        "See a page, [Keras](https://keras.io) and [below](#below)."
    )
    assert project_urls(home)["Changelog"] == (
        "https://code.example/layerlens/blob/HEAD/CHANGELOG.md"
    )
    assert project_urls("") == {}


def test_nothing_is_made_up(metadata):
    configured = metadata.config["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]
    assert bool(metadata.core.urls) == bool(configured)
