"""Archives with other members, and the message with which a file is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from layerlens.errors import ModelFileError
from layerlens.models.external.saved_file import read_saved


def refusal(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        read_saved(path)
    assert caught.value.hint
    return caught.value.message


def repacked(path: Path, change: dict[str, bytes | None], compress: bool = False) -> Path:
    """Write a `.keras` file again with members added, replaced or left out (None)."""
    target = path.with_name("repacked.keras")
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", method) as new:
        members: dict[str, bytes | None] = {name: old.read(name) for name in old.namelist()}
        for name, content in {**members, **change}.items():
            if content is not None:
                new.writestr(name, content)
    return target
