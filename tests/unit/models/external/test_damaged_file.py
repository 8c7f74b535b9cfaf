"""The error for a damaged file names the file, the place and what to do."""

from __future__ import annotations

from pathlib import Path

from layerlens.errors import Where
from layerlens.models.external.damaged_file import damaged


def test_the_message_begins_with_the_name_and_there_is_always_a_hint() -> None:
    where = Where("s.yaml", 3, 5)
    error = damaged(Path("folder/m.keras"), "is empty", where)
    assert error.message == "m.keras is empty"
    assert (error.where, error.hint) == (where, "save the model again, or copy the file again")
    assert (
        damaged(Path("m.h5"), "is encrypted", None, "decrypt it first").hint == "decrypt it first"
    )
