"""How often Python collects garbage in the processes that belong to layerlens."""

from __future__ import annotations

import gc

#: New objects between two garbage collections; start-up makes many objects and hardly any garbage.
COLLECT_AFTER = 50_000


def collect_rarely() -> None:
    """Collect garbage after so many new objects; for processes of the command, not of a caller."""
    gc.set_threshold(COLLECT_AFTER)
