"""Shared by all tests: TensorFlow starts once in a test process, and only where a test asks."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest

# Who starts the tests in the background may have SIGINT ignored, and so would every command here.
signal.signal(signal.SIGINT, signal.default_int_handler)

#: functional/test_truth.py judges these, all in one process.
collect_ignore = ["truth"]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep commands from the user's cache: what they told from there would not have been run."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAYERLENS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def backend() -> None:
    """Start TensorFlow and Keras quietly; later calls find them running."""
    from layerlens.models.backend.start import start_backend

    start_backend()


@pytest.fixture
def nothing_registered() -> Iterator[None]:
    """Hide what other test files have registered with Keras: no result is kept beside it."""
    if "keras" not in sys.modules:
        yield
        return
    import keras

    registered = keras.saving.get_custom_objects()
    kept = dict(registered)
    registered.clear()
    try:
        yield
    finally:
        registered.update(kept)
