"""Shared by all tests: TensorFlow starts once in a test process, and only where a test asks."""

from __future__ import annotations

import pytest

#: functional/test_truth.py judges these, all in one process.
collect_ignore = ["truth"]


@pytest.fixture(scope="session")
def backend() -> None:
    """Start TensorFlow and Keras quietly; later calls find them running."""
    from layerlens.backend import start_backend

    start_backend()
