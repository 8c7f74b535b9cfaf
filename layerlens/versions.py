"""The versions of installed distributions, read without importing them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution


@cache
def version_of(name: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed.

    Only the line of the version is parsed: `importlib.metadata.version` parses all metadata as an
    e-mail, which takes longer, for a few distributions, than the rest of a light command.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    header = (found.read_text("METADATA") or "").partition("\n\n")[0]
    for line in header.splitlines():
        if line.startswith("Version:"):
            return line.removeprefix("Version:").strip()
    return found.version  # an egg, or another layout than wheels have


def own_version() -> str:
    """Return the version of layerlens; "unknown" if it is not installed."""
    return version_of("layerlens") or "unknown"
