"""Versions of installed distributions, read once and without importing any of them."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution


@cache
def version_of(name: str) -> str | None:
    """Return the version of an installed distribution; None where there is none.

    Only the header's line is looked for: what `importlib.metadata.version` does, parse all of the
    metadata as an e-mail, takes longer than the rest of a light command for a few distributions.
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
    """Return the version of layerlens; "unknown" where it was never installed."""
    return version_of("layerlens") or "unknown"
