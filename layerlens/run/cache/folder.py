"""Find the folder of the cache, or say why there is none."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path

#: Overrides the user's cache folder, as `--cache-dir` does for one run.
VARIABLE = "LAYERLENS_CACHE_DIR"


def cache_folder(chosen: str | None = None) -> Path | None:
    """Return the folder of the cache, which need not exist; None where there is no home for it."""
    chosen = chosen or os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    folder = user_cache_path("layerlens", appauthor=False)
    # Where nothing tells the home, `~` is left in the path.
    return folder if folder.is_absolute() else None
