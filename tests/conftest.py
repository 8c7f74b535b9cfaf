"""Shared by all tests: TensorFlow starts once in a test process, and only where a test asks."""

from __future__ import annotations

import gc
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from layerlens.plain.garbage import collect_rarely

# Who starts the tests in the background may have SIGINT ignored, and so would every command here.
signal.signal(signal.SIGINT, signal.default_int_handler)

# As in the command.
collect_rarely()

#: functional/test_truth.py judges these, all in one process.
collect_ignore = ["truth"]

HERE = Path(__file__).parent
#: These files take longest, and are first: `make test` gives each process one file after another,
#: and would wait at the end for the one that has a long file.
LONGEST = [
    "functional/test_proofs.py",
    "functional/test_docs.py",
    "functional/test_gallery.py",
    "functional/test_traps.py",
    "functional/test_recordings.py",
    "functional/test_truth.py",
    "functional/test_against.py",
    "unit/models/external/test_at_revision.py",
    "functional/test_timeout.py",
    "functional/test_crash_guard.py",
    "unit/comparison/test_against_frozen.py",
    "unit/comparison/test_layer_by_layer.py",
    "functional/test_kills.py",
    "functional/test_compare_models.py",
    "unit/comparison/test_foreign_answers.py",
    "functional/test_plugin_collection.py",
    "functional/test_readme.py",
    "unit/models/external/test_elsewhere.py",
    "functional/test_recorded_truth.py",
    "functional/test_environment.py",
    "unit/test_api.py",
    "functional/test_process.py",
    "unit/comparison/test_fit.py",
    "unit/explain/test_repair.py",
    "functional/test_mutants.py",
    "functional/test_plugin_reports.py",
    "functional/test_plugin_update.py",
    "functional/test_fuzzed.py",
    "unit/proof/test_graphs.py",
    "functional/test_bad_input.py",
    "unit/dependence/test_measure.py",
    "unit/explain/test_causes.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests of the longest files to the front."""
    order = {HERE / name: number for number, name in enumerate(LONGEST)}
    if missing := [str(path) for path in order if not path.exists()]:
        raise pytest.UsageError(f"tests/conftest.py names files that are gone: {missing}")
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_collection_finish() -> None:
    """Exclude all tests and TensorFlow's modules from later garbage collections."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--random-seed",
        type=int,
        default=0,
        help="seed of each test's random weights; try others to find tests that depend on it",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give each test the same random weights, whichever tests its process ran before.

    Keras draws the seed of an initializer that has none from Python's generator.
    """
    seed = item.config.getoption("--random-seed")
    random.seed(seed)
    np.random.seed(seed)


@pytest.fixture(scope="session", autouse=True)
def _environment_of_commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep commands from the user's cache: what they told from there would not have been run.

    They write bytecode as Python does by default. Otherwise each process of pytest that a test
    starts would rewrite the asserts of all of layerlens again, as pytest does for its plugins.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LAYERLENS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patched.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
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
