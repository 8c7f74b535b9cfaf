"""Import TensorFlow and Keras once and quietly, and describe their versions."""

from __future__ import annotations

import gc
import importlib
import itertools
import logging
import os
import platform
import random
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from layerlens.errors import LayerlensError, UsageError
from layerlens.models.backend import global_settings
from layerlens.report.run import Environment
from layerlens.versions import version_of

_STARTING = threading.Lock()
_started = False

#: The number of scenarios between two clearings of the kernel cache.
_KERNELS_KEPT_FOR = 32
_scenarios = itertools.count(1)

#: Environment variables for quieter logs, set only where the user has not set them.
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR", "GLOG_minloglevel": "3"}


def start_backend() -> None:
    """Import TensorFlow and Keras once, without showing what they print.

    Raises:
        UsageError: Keras already runs on another backend.
        LayerlensError: one of the two cannot be imported; the message has what it printed.
    """
    global _started
    with _STARTING:
        if _started:
            return
        _choose_tensorflow()
        drawn = random.getstate()  # importing TensorFlow draws from it
        own_imports = frozenset({"tensorflow", "keras"} - set(sys.modules))
        ours = "tensorflow" in own_imports
        with without_collection(keep=ours):
            _import_quietly("tensorflow", _list_devices if ours else None)
            _import_quietly("keras")
        random.setstate(drawn)
        _check_versions()
        if ours:  # a caller who imported TensorFlow before keeps its log level
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
        global_settings.note_start(own_imports)
        _started = True


@contextmanager
def without_collection(keep: bool = False) -> Iterator[None]:
    """Context manager that disables garbage collection, which took a sixth of the import's time.

    With `keep`, objects created so far are excluded from later collections too.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if keep:
            gc.freeze()
    finally:
        if enabled:
            gc.enable()


def drop_kernels() -> None:
    """Clear TensorFlow's cache of kernels from time to time, to bound the memory of long runs.

    Call it after every scenario, which leaves about 0.5 MiB. It clears only once in 32 calls: the
    next scenario has to create its kernels again, and took half as long again.
    """
    if next(_scenarios) % _KERNELS_KEPT_FOR:
        return
    from tensorflow.python.eager import context

    context.context().clear_kernel_cache()


def describe_environment() -> Environment:
    """Return the platform and the versions of Python, Keras and its backend (None if absent)."""
    return Environment(
        python=platform.python_version(),
        keras=_version("keras"),
        backend="tensorflow" if _version("tensorflow") else None,
        backend_version=_version("tensorflow"),
        platform=platform.platform(),
    )


def _choose_tensorflow() -> None:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    keras = sys.modules.get("keras")
    if keras is None:
        # Keras reads this once, at import; a backend chosen for other programs does not apply.
        os.environ["KERAS_BACKEND"] = "tensorflow"
        return
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise UsageError(
            f"Keras is already running on {backend!r} in this process; layerlens compares models "
            "on 'tensorflow'",
            hint="set the environment variable KERAS_BACKEND=tensorflow before keras is first "
            "imported, or run the `layerlens` command in its own process",
        )


def _list_devices() -> None:
    """Look for devices now: without a GPU, TensorFlow prints an error when it first does."""
    sys.modules["tensorflow"].config.list_physical_devices()


def _import_quietly(name: str, then: Callable[[], None] | None = None) -> None:
    """Import a module and call `then`, and show what they print only if one of them fails."""
    if name in sys.modules:
        return
    with tempfile.TemporaryFile() as printed:
        try:
            with _descriptor_2_to(printed.fileno()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(name)
                if then is not None:
                    then()
        except Exception as error:  # TensorFlow fails in many ways; all are reported
            printed.seek(0)
            raise LayerlensError(
                _import_failure(name, error, printed.read().decode(errors="replace")),
                hint=f"check that `python -c 'import {name}'` works with {sys.executable}; "
                "`pip install --upgrade tensorflow keras` installs both",
            ) from error


def _import_failure(name: str, error: Exception, printed: str) -> str:
    text = f"{name} could not be imported: {type(error).__name__}: {error}"
    lines = printed.strip().splitlines()[-8:]
    return "\n  ".join([text, "it printed:", *lines]) if lines else text


def _check_versions() -> None:
    version = _version("keras") or "0"
    if int(version.split(".")[0]) < 3:
        raise LayerlensError(
            f"layerlens needs Keras 3, but {version} is installed",
            hint="`pip install --upgrade keras`",
        )


def _version(distribution: str) -> str | None:
    module = sys.modules.get(distribution)
    version = getattr(module, "__version__", None)
    if isinstance(version, str):
        return version
    return version_of(distribution)


@contextmanager
def _descriptor_2_to(target: int) -> Iterator[None]:
    """Redirect file descriptor 2, to which C++ code writes, and with it Python's sys.stderr."""
    try:
        kept = os.dup(2)
    except OSError:  # the process has no standard error
        yield
        return
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(target, 2)
        yield
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
