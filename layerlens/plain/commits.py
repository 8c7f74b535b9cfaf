"""How reports and messages write the hash of a commit."""

from __future__ import annotations

_SHORT_HASH = 10


def short_hash(commit: str) -> str:
    """Return the first digits of a commit's hash, enough to find it in any usual repository."""
    return commit[:_SHORT_HASH]
