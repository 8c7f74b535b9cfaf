"""Write the README for PyPI, where the files that it links to do not exist.

`repository` in `[tool.hatch.metadata.hooks.custom]` of pyproject.toml is the address of the public
repository. Relative links lead there, and the package has project URLs. Without an address, only
the text of a link stays.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A link to a file of the repository: its text and its target.
_RELATIVE = re.compile(r"\[([^\]]+)\]\((?![a-z]+:|#)([^)]+)\)")
_PAGES = {"Documentation": "tree/HEAD/docs", "Changelog": "blob/HEAD/CHANGELOG.md"}


class ReadmeForPyPI(MetadataHookInterface):
    """Set the fields `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the fields from README.md and the address of the repository."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = self.config.get("repository")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": readme_for_pypi(text, repository, metadata["version"]),
        }
        metadata["urls"] = project_urls(repository)


def readme_for_pypi(text: str, repository: str | None, version: str) -> str:
    """Return a README without links that lead nowhere.

    Args:
        text: the README of the repository.
        repository: the address of the repository, if it has one.
        version: the version of the package, whose tag the links name.
    """
    if not repository:
        return _RELATIVE.sub(r"\1", text)
    return _RELATIVE.sub(rf"[\1]({repository.rstrip('/')}/blob/v{version}/\2)", text)


def project_urls(repository: str | None) -> dict[str, str]:
    """Return name → address; empty without a repository."""
    if not repository:
        return {}
    address = repository.rstrip("/")
    pages = {name: f"{address}/{page}" for name, page in _PAGES.items()}
    return {"Repository": address, "Issues": f"{address}/issues", **pages}
