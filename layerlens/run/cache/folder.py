"""Find the folder of the cache."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

#: The environment variable that overrides the user's cache folder; `--cache-dir` overrides both.
VARIABLE = "LAYERLENS_CACHE_DIR"


def cache_folder(chosen: str | None = None) -> Path | None:
    """Return the folder of the cache, which may not exist yet; None without a home folder."""
    chosen = chosen or os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    folder = user_cache_path("layerlens", appauthor=False)
    # If the home folder is unknown, the path still contains `~`.
    return folder if folder.is_absolute() else None
