"""The error for a file that is damaged, or no saved model."""

from __future__ import annotations

from pathlib import Path

from layerlens.errors import ModelFileError, Where


def damaged(path: Path, what: str, where: Where | None, hint: str | None = None) -> ModelFileError:
    """Return the error for a file; `what` continues the sentence that begins with its name."""
    return ModelFileError(
        f"{path.name} {what}", where, hint or "save the model again, or copy the file again"
    )
