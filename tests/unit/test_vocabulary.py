"""The tuples of values have what the types allow, in the same order."""

from __future__ import annotations

from typing import get_args

from layerlens import vocabulary


def test_tuples_and_types_agree() -> None:
    assert get_args(vocabulary.Verdict) == vocabulary.VERDICTS
    assert get_args(vocabulary.Mode) == vocabulary.MODES
    assert get_args(vocabulary.TransferMethod) == vocabulary.TRANSFER_METHODS
